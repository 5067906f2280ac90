/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of src/spec share: building a spec from a few options, comparing parts of it with JSON texts. */
#ifndef TEST_SPEC_HELPERS_H
#define TEST_SPEC_HELPERS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "spec/internal.h"

#define LIST(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

/* The member at a path of keys and indices, "linux.namespaces.0.type"; NULL when there is none. */
static inline json_t *at(json_t *j, const char *path)
{
	_cleanup_strv_ char **keys = cor_strv_split(path, '.');
	uint32_t i;

	assert_non_null(keys);
	for (char **key = keys; *key && **key && j; key++)
		j = json_is_array(j) && cor_parse_u32(*key, &i) == 0 ? json_array_get(j, i)
								     : json_object_get(j, *key);
	return j;
}

/* json "" stands for "absent". */
static inline void assert_json(json_t *doc, const char *path, const char *json)
{
	json_t *have = at(doc, path);
	_cleanup_json_ json_t *want = *json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;

	assert_true(!*json || want);
	if (have == NULL && want == NULL)
		return;
	if (!have || !want || !json_equal(have, want)) {
		_cleanup_free_ char *text = have ? cor_json_dump(have) : NULL;

		fail_msg("%s: have %s, want %s", path, text ? text : "nothing", *json ? json : "nothing");
	}
}

/* Flags as given, id "c1" in namespace "ns". */
static inline struct cor_spec_options options(void)
{
	return (struct cor_spec_options){.id = "c1", .ns = "ns", .cpu_quota = -1};
}

static inline json_t *built(const struct cor_spec_options *o, const struct cor_image_config *image,
			    int rootfs_fd)
{
	struct cor_error err = {0};
	json_t *spec = NULL;

	if (cor_spec_build(o, image, rootfs_fd, &spec, &err) < 0)
		fail_msg("cor_spec_build: %s", err.message);
	assert_int_equal(err.code, COR_OK);
	return spec;
}

/* The build fails with this class and this text, and leaves the output alone. */
static inline void assert_refused(const struct cor_spec_options *o, const struct cor_image_config *image,
				  int rootfs_fd, enum cor_code code, const char *text)
{
	struct cor_error err = {0};
	json_t *spec = NULL;

	assert_true(cor_spec_build(o, image, rootfs_fd, &spec, &err) < 0);
	assert_null(spec);
	assert_string_equal(err.message, text);
	assert_int_equal(err.code, code);
}

/* ---- a temporary directory ---- */

struct tree {
	char path[64];
	int fd;
};

static inline int tree_make(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	strncpy(t->path, "/tmp/cor-spec-XXXXXX", sizeof(t->path) - 1);
	assert_non_null(mkdtemp(t->path));
	t->fd = cor_open_dir(t->path, NULL);
	assert_true(t->fd >= 0);
	*state = t;
	return 0;
}

static inline int tree_remove(void **state)
{
	struct tree *t = *state;

	cor_close(t->fd);
	cor_remove_tree_at(AT_FDCWD, t->path, NULL);
	free(t);
	return 0;
}

static inline void tree_write(const struct tree *t, const char *name, const char *text)
{
	const char *base;
	int parent = cor_open_parent_in_root(t->fd, name, true, &base);

	assert_true(parent >= 0);
	assert_int_equal(cor_write_file_at(parent, base, text, strlen(text), 0644, false, NULL), 0);
	cor_close(parent);
}

#endif
