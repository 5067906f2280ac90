/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a checkpoint's index together, child by child. Everything that is written is kept by the caller's lease. */
#include "client/checkpoint.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "rpc/wire.h"

int cor_checkpoint_index_init(struct cor_checkpoint_index *x, struct cor_services *s, struct cor_error *err)
{
	*x = (struct cor_checkpoint_index){.s = s, .manifests = json_array(), .annotations = json_object()};
	return x->manifests && x->annotations ? 0 : cor_error_oom(err);
}

void cor_checkpoint_index_done(struct cor_checkpoint_index *x)
{
	json_decref(x->manifests);
	json_decref(x->annotations);
	cor_map_done(&x->labels);
}

int cor_checkpoint_index_annotate(struct cor_checkpoint_index *x, const char *key, const char *value,
				  struct cor_error *err)
{
	return json_object_set_new(x->annotations, key, json_string(value)) < 0 ? cor_error_oom(err) : 0;
}

int cor_checkpoint_index_add(struct cor_checkpoint_index *x, const struct cor_descriptor *d, bool platform,
			     struct cor_error *err)
{
	struct cor_platform host;
	char key[64];
	json_t *child = cor_descriptor_to_json(d);
	cor_platform_host(&host);
	if (child && platform &&
	    json_object_set_new(child, "platform",
				json_pack("{s:s, s:s}", "architecture", host.architecture, "os", host.os)) <
		    0) {
		json_decref(child);
		child = NULL;
	}
	(void)snprintf(key, sizeof(key), "containerd.io/gc.ref.content.%zu", x->n);
	if (!child || json_array_append_new(x->manifests, child) < 0 ||
	    cor_map_set(&x->labels, key, d->digest) < 0)
		return cor_error_oom(err);
	x->n++;
	return 0;
}

/* The bytes as content; what is there already is fine. */
static int write_content(struct cor_services *s, const char *media_type, const void *data, size_t n,
			 const struct cor_map *labels, struct cor_descriptor *ret, struct cor_error *err)
{
	char ref[40] = "checkpoint-";
	struct cor_writer *w = NULL;
	_cleanup_free_ char *digest = NULL, *type = strdup(media_type);
	if (!type)
		return cor_error_oom(err);
	cor_random_hex(ref + strlen(ref), 24);
	int r = s->content->writer(s, ref, 0, NULL, false, &w, err);
	if (r < 0)
		return r;
	r = w->ops->write(w, data, n, err);
	if (r >= 0)
		r = w->ops->commit(w, (int64_t)n, NULL, labels, &digest, err);
	w->ops->free(w, true);
	if (r < 0 && r != -EEXIST)
		return r;
	cor_error_clear(err);
	*ret = (struct cor_descriptor){
		.media_type = TAKE_PTR(type), .digest = TAKE_PTR(digest), .size = (int64_t)n};
	return 0;
}

int cor_checkpoint_index_add_any(struct cor_checkpoint_index *x, const char *media_type, const char *type_url,
				 const void *value, size_t n, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};
	struct cor_descriptor d = {0};
	cor_wire_put_string(&b, 1, type_url);
	cor_wire_put_bytes(&b, 2, value, n);
	if (b.failed)
		return cor_error_oom(err);
	int r = write_content(x->s, media_type, b.data, b.len, NULL, &d, err);
	if (r >= 0)
		r = cor_checkpoint_index_add(x, &d, true, err);
	cor_descriptor_done(&d);
	return r;
}

int cor_checkpoint_index_add_image(struct cor_checkpoint_index *x, const char *name, struct cor_error *err)
{
	struct cor_image image = {0};
	int r = x->s->images->get(x->s, name, &image, err);
	if (r >= 0)
		r = cor_checkpoint_index_add(x, &image.target, false, err);
	cor_image_done(&image);
	return r;
}

/* The parent is looked at through a view of a name of our own. A kill leaves it to garbage collection. */
static int compare_with_parent(struct cor_services *s, const struct cor_container *c, const char *parent,
			       struct cor_descriptor *ret, struct cor_error *err)
{
	_cleanup_mounts_ struct cor_mounts lower = {0}, upper = {0};
	_cleanup_free_ char *view = NULL;
	char hex[13];
	int r = s->snapshots->mounts(s, c->snapshotter, c->snapshot_key, &upper, err);
	if (r >= 0 && !cor_empty(parent)) {
		cor_random_hex(hex, 12);
		view = cor_asprintf("checkpoint-%s %s", hex, parent);
		r = view ? s->snapshots->view(s, c->snapshotter, view, parent, NULL, &lower, err)
			 : cor_error_oom(err);
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = s->diff->compare(s, &lower, &upper, COR_MT_OCI_LAYER_GZIP, NULL, NULL, ret, err);
	struct cor_error e = {0};
	if (view && s->snapshots->remove(s, c->snapshotter, view, &e) < 0)
		cor_warn("remove snapshot %s: %s", view, e.message);
	return r;
}

int cor_checkpoint_index_add_rw(struct cor_checkpoint_index *x, const struct cor_container *c,
				struct cor_error *err)
{
	struct cor_snapshot_info info = {0};
	struct cor_descriptor layer = {0};
	int r = x->s->snapshots->stat(x->s, c->snapshotter, c->snapshot_key, &info, err);
	if (r >= 0)
		r = compare_with_parent(x->s, c, info.parent, &layer, err);
	if (r >= 0)
		r = cor_checkpoint_index_add(x, &layer, true, err);
	cor_descriptor_done(&layer);
	cor_snapshot_info_done(&info);
	return r;
}

int cor_checkpoint_index_record(struct cor_checkpoint_index *x, const char *name,
				const struct cor_map *image_labels, struct cor_error *err)
{
	struct cor_image image = {0};
	_cleanup_json_ json_t *index = json_pack("{s:i, s:O, s:O}", "schemaVersion", 2, "manifests",
						 x->manifests, "annotations", x->annotations);
	_cleanup_free_ char *text = index ? cor_json_dump(index) : NULL;
	if (!text)
		return cor_error_oom(err);
	int r = write_content(x->s, COR_MT_OCI_INDEX, text, strlen(text), &x->labels, &image.target, err);
	if (r >= 0) {
		image.name = strdup(name);
		if (!image.name || (image_labels && cor_map_copy(&image.labels, image_labels) < 0))
			r = cor_error_oom(err);
	}
	if (r >= 0)
		r = x->s->images->create(x->s, &image, err);
	cor_image_done(&image);
	return r;
}
