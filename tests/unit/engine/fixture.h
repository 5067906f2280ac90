/* SPDX-License-Identifier: Apache-2.0 */
/* An engine on a root of its own below /tmp, removed with the test; what the engine's tests share. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "engine/internal.h"

struct fixture {
	char dir[64], root[80], state[80];
	struct cor_services *s;
	struct cor_engine *e;
	struct cor_error err;
};

/* Shows the message of a failed call. */
#define ok(r, err)                                                                              \
	do {                                                                                    \
		int _r = (int)(r);                                                              \
		if (_r < 0)                                                                     \
			fail_msg("%s: %d %s", #r, _r, (err)->message[0] ? (err)->message : ""); \
	} while (0)
#define fails(r, err, want, text)                          \
	do {                                               \
		int _r = (int)(r);                         \
		assert_true(_r < 0);                       \
		assert_int_equal((err)->code, want);       \
		assert_string_equal((err)->message, text); \
		cor_error_clear(err);                      \
	} while (0)

static inline struct cor_services *open_services(struct fixture *f, const char *ns, struct cor_error *err)
{
	struct cor_engine_options o = {.root = f->root, .state = f->state, .ns = ns};
	struct cor_services *s = NULL;
	ok(cor_engine_open(&o, &s, err), err);
	return s;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/cor-test-XXXXXX");
	if (!f || !mkdtemp(f->dir))
		return -1;
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	f->s = open_services(f, NULL, &f->err);
	f->e = cor_engine_of(f->s);
	*state = f;
	return 0;
}

/* Closes the engine (collecting what it has to) and opens it again. */
static inline void reopen(struct fixture *f)
{
	cor_services_free(f->s);
	f->s = open_services(f, NULL, &f->err);
	f->e = cor_engine_of(f->s);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	cor_services_free(f->s);
	int r = cor_remove_tree_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return r;
}

static inline void put_map(struct cor_map *m, const char *key, const char *value)
{
	assert_int_equal(cor_map_set(m, key, value), 0);
}

/* Writes text as content with up to one label; the digest in ret. */
static inline void write_content(struct cor_services *s, const char *text, const char *label,
				 const char *value, char ret[COR_DIGEST_MAX])
{
	struct cor_error err = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *digest = NULL;
	struct cor_writer *w = NULL;
	char ref[128];
	snprintf(ref, sizeof(ref), "ref-%d-%.60s", getpid(), text);
	if (label)
		put_map(&labels, label, value);
	cor_digest_of(text, strlen(text), ret);
	ok(s->content->writer(s, ref, 0, NULL, true, &w, &err), &err);
	ok(w->ops->write(w, text, strlen(text), &err), &err);
	int r = w->ops->commit(w, (int64_t)strlen(text), ret, &labels, &digest, &err);
	if (r != -EEXIST)
		ok(r, &err);
	w->ops->free(w, true);
	assert_string_equal(digest, ret);
}

static inline struct cor_image image_of(const char *name, const char *digest)
{
	return (struct cor_image){
		.name = (char *)name,
		.target = {.media_type = (char *)COR_MT_OCI_MANIFEST, .digest = (char *)digest, .size = 3}};
}

static inline bool has_content(struct cor_services *s, const char *digest)
{
	struct cor_content_info info = {0};
	int r = s->content->info(s, digest, &info, NULL);
	cor_content_info_done(&info);
	return r >= 0;
}

static inline bool has_blob(struct fixture *f, const char *digest)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/content/blobs/sha256/%s", f->root, cor_digest_hex(digest));
	return access(path, F_OK) == 0;
}

static inline bool has_snapshot(struct cor_services *s, const char *key)
{
	struct cor_snapshot_info info = {0};
	int r = s->snapshots->stat(s, NULL, key, &info, NULL);
	cor_snapshot_info_done(&info);
	return r >= 0;
}

/* An empty committed snapshot. */
static inline void commit_snapshot(struct cor_services *s, const char *name, const char *parent,
				   const struct cor_map *labels)
{
	struct cor_error err = {0};
	char key[128];
	snprintf(key, sizeof(key), "extract-%d-%.80s", getpid(), name);
	ok(s->snapshots->prepare(s, NULL, key, parent, NULL, NULL, &err), &err);
	ok(s->snapshots->commit(s, NULL, name, key, labels, &err), &err);
}

/* Number of entries of a directory below the root; -1 when there is none. */
int count_entries(struct fixture *f, const char *sub);

/* Runs fn in n processes at once and fails unless all of them exit with 0. */
void in_processes(struct fixture *f, int n, int (*fn)(struct fixture *f, int i));

#endif
