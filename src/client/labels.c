/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of container records: where they come from and in which order they win. */
#include "client/task_io.h"

#include <errno.h>

#include "oci/identifier.h"

#define STOP_SIGNAL_LABEL "io.containerd.image.config.stop-signal"

int cor_labels_from_strv(char *const *args, struct cor_map *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map m = {0};
	for (size_t i = 0; args && args[i]; i++) {
		const char *eq = strchr(args[i], '=');
		_cleanup_free_ char *key = eq ? strndup(args[i], (size_t)(eq - args[i])) : strdup(args[i]);
		if (!key)
			return cor_error_oom(err);
		if (!*key)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "label \"%s\" has no key", args[i]);
		const char *value = eq ? eq + 1 : "true"; /* ctr's meaning of a bare key */
		int r = cor_label_validate(key, value, err);
		if (r < 0)
			return r;
		if (cor_map_set(&m, key, value) < 0)
			return cor_error_oom(err);
	}
	*ret = m;
	m = (struct cor_map){0};
	return 0;
}

static int merge(struct cor_map *dst, const struct cor_map *src)
{
	for (size_t i = 0; i < src->n; i++) {
		/* Too long for a label: left out, not an error of the one who runs the image. */
		if (cor_label_validate(src->keys[i], src->values[i], NULL) < 0)
			continue;
		if (cor_map_set(dst, src->keys[i], src->values[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* containerd's store has no empty values: setting one clears the label. */
static void drop_empty(struct cor_map *m)
{
	for (size_t i = m->n; i > 0; i--)
		if (!*m->values[i - 1])
			(void)cor_map_unset(m, m->keys[i - 1]);
}

/* The sources of a container's labels, weakest first. */
static int explain(struct cor_explain *x, const char *source, const struct cor_map *labels,
		   struct cor_error *err)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < labels->n; i++) {
		_cleanup_free_ char *path = cor_asprintf("container.labels[%s]", labels->keys[i]);
		if (cor_label_validate(labels->keys[i], labels->values[i], NULL) < 0)
			continue;
		/* Empty: taken out, see drop_empty. */
		r = path ? cor_explain_set(x, path, source, *labels->values[i] ? labels->values[i] : NULL,
					   err)
			 : cor_error_oom(err);
	}
	return r;
}

int cor_explain_labels(const struct cor_resolved_image *image, char *const *flags, struct cor_explain *x,
		       struct cor_error *err)
{
	_cleanup_map_ struct cor_map m = {0}, cli = {0};
	int r = cor_labels_from_strv(flags, &cli, err);
	if (r >= 0 && image) {
		bool own = !cor_empty(image->config.stop_signal);
		r = cor_image_container_labels(&image->config.labels, &m, err);
		if (r >= 0)
			r = explain(x, "image Labels", &m, err);
		if (r >= 0)
			r = explain(x, "image record", &image->image.labels, err);
		if (r >= 0)
			r = cor_explain_set(x, "container.labels[" STOP_SIGNAL_LABEL "]",
					    own ? "image StopSignal" : "default",
					    own ? image->config.stop_signal : "SIGTERM", err);
	}
	return r < 0 ? r : explain(x, "--label", &cli, err);
}

int cor_container_labels(const struct cor_resolved_image *image, char *const *flags, struct cor_map *ret,
			 struct cor_error *err)
{
	_cleanup_map_ struct cor_map m = {0}, cli = {0};
	int r = cor_labels_from_strv(flags, &cli, err);
	if (r < 0)
		return r;
	if (image) {
		r = cor_image_container_labels(&image->config.labels, &m, err);
		if (r < 0)
			return r;
		if (merge(&m, &image->image.labels) < 0)
			return cor_error_oom(err);
	}
	if (merge(&m, &cli) < 0)
		return cor_error_oom(err);
	/* The image's stop signal comes last: not even --label changes it. */
	if (image) {
		const char *sig =
			cor_empty(image->config.stop_signal) ? "SIGTERM" : image->config.stop_signal;
		if (cor_map_set(&m, STOP_SIGNAL_LABEL, sig) < 0)
			return cor_error_oom(err);
	}
	drop_empty(&m);
	*ret = m;
	m = (struct cor_map){0};
	return 0;
}
