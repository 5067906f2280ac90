/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing and copying the records of the service interfaces, and the names of their states. All _done functions take
 * half-built records and leave them empty, so that a second call does no harm. */
#include "services/types.h"

#include <errno.h>

void cor_any_done(struct cor_any *a)
{
	free(a->type_url);
	free(a->value);
	*a = (struct cor_any){0};
}

int cor_any_set(struct cor_any *a, const char *type_url, const void *value, size_t len)
{
	struct cor_any n = {0};

	n.type_url = strdup(type_url);
	n.value = malloc(len ? len : 1);
	if (!n.type_url || !n.value) {
		cor_any_done(&n);
		return -ENOMEM;
	}
	if (len)
		memcpy(n.value, value, len);
	n.len = len;
	cor_any_done(a);
	*a = n;
	return 0;
}

int cor_any_copy(struct cor_any *dst, const struct cor_any *src)
{
	if (src->type_url)
		return cor_any_set(dst, src->type_url, src->value, src->len);
	cor_any_done(dst);
	return 0;
}

void cor_image_done(struct cor_image *i)
{
	free(i->name);
	cor_descriptor_done(&i->target);
	cor_map_done(&i->labels);
	*i = (struct cor_image){0};
}

void cor_content_info_done(struct cor_content_info *i)
{
	free(i->digest);
	cor_map_done(&i->labels);
	*i = (struct cor_content_info){0};
}

void cor_ingest_status_done(struct cor_ingest_status *s)
{
	free(s->ref);
	free(s->expected);
	*s = (struct cor_ingest_status){0};
}

void cor_snapshot_info_done(struct cor_snapshot_info *i)
{
	free(i->key);
	free(i->parent);
	cor_map_done(&i->labels);
	*i = (struct cor_snapshot_info){0};
}

const char *cor_snapshot_kind_name(enum cor_snapshot_kind kind)
{
	switch (kind) {
	case COR_SNAPSHOT_VIEW:
		return "View";
	case COR_SNAPSHOT_ACTIVE:
		return "Active";
	case COR_SNAPSHOT_COMMITTED:
		return "Committed";
	}
	return "Unknown";
}

void cor_container_done(struct cor_container *c)
{
	free(c->id);
	free(c->image);
	free(c->runtime);
	cor_any_done(&c->runtime_options);
	free(c->spec);
	free(c->snapshotter);
	free(c->snapshot_key);
	free(c->sandbox_id);
	cor_map_done(&c->labels);
	cor_map_done(&c->extensions);
	*c = (struct cor_container){0};
}

void cor_lease_done(struct cor_lease *l)
{
	free(l->id);
	cor_map_done(&l->labels);
	*l = (struct cor_lease){0};
}

const char *cor_task_status_name(enum cor_task_status status)
{
	switch (status) {
	case COR_TASK_CREATED:
		return "CREATED";
	case COR_TASK_RUNNING:
		return "RUNNING";
	case COR_TASK_STOPPED:
		return "STOPPED";
	case COR_TASK_PAUSED:
		return "PAUSED";
	case COR_TASK_PAUSING:
		return "PAUSING";
	case COR_TASK_UNKNOWN:
		break;
	}
	return "UNKNOWN";
}

void cor_task_done(struct cor_task *t)
{
	free(t->id);
	free(t->exec_id);
	free(t->bundle);
	free(t->stdin_path);
	free(t->stdout_path);
	free(t->stderr_path);
	*t = (struct cor_task){0};
}
