/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged or hostile metadata.db: opened, read through, written to. Any error is fine, one with a message. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "metadata/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, struct cor_error *err)
{
	if (r < 0 && (err->code == COR_OK || !err->message[0]))
		abort();
	cor_error_clear(err);
}

static int see_ns(const char *name, struct cor_map *labels, void *data)
{
	return 0;
}

static int see_image(struct cor_meta_image *row, void *data)
{
	return strlen(row->name) + strlen(row->digest) > SIZE_MAX / 2;
}

static int see_content(struct cor_meta_content *row, void *data)
{
	return strlen(row->digest) > SIZE_MAX / 2;
}

static int see_snapshot(struct cor_meta_snapshot *row, void *data)
{
	*(uint64_t *)data = row->id;
	return 0;
}

static int see_container(struct cor_meta_container *row, void *data)
{
	return row->options_len > 0 && !row->options;
}

static int see_lease(struct cor_meta_lease *row, void *data)
{
	return 0;
}

static int see_resource(struct cor_meta_lease_resource *row, void *data)
{
	return 0;
}

static void read_all(struct cor_meta *m, struct cor_error *err)
{
	uint64_t id = 0, *parents = NULL;
	size_t n;
	int64_t value;
	char *contents = NULL;
	check(cor_meta_ns_walk(m, NULL, 0, see_ns, NULL, err), err);
	check(cor_meta_image_walk(m, NULL, NULL, 0, see_image, NULL, err), err);
	check(cor_meta_image_walk(m, "n", "a", 3, see_image, NULL, err), err);
	check(cor_meta_content_walk(m, NULL, NULL, 0, see_content, NULL, err), err);
	check(cor_meta_snapshot_walk(m, NULL, NULL, NULL, 0, see_snapshot, &id, err), err);
	check(cor_meta_container_walk(m, NULL, NULL, 0, true, see_container, NULL, err), err);
	check(cor_meta_lease_walk(m, NULL, NULL, 0, see_lease, NULL, err), err);
	check(cor_meta_lease_resource_walk(m, see_resource, NULL, err), err);
	check(cor_meta_state_get(m, "gc.pinned", &value, err), err);
	check(cor_meta_ns_contents(m, "n", &contents, err), err);
	free(contents);
	check(cor_meta_snapshot_parents(m, id, &parents, &n, err), err);
	free(parents);
}

static void write_some(struct cor_meta *m, struct cor_error *err)
{
	struct cor_meta_image image = {.ns = "n", .name = "new", .digest = "sha256:x", .media_type = "t"};
	struct cor_meta_snapshot snapshot = {.ns = "n", .snapshotter = "s", .key = "new", .kind = 2};
	int r = cor_meta_begin(m, false, err);
	check(r, err);
	if (r < 0)
		return;
	check(cor_meta_ns_touch(m, "n", err), err);
	check(cor_meta_image_put(m, &image, err), err);
	check(cor_meta_snapshot_next_id(m, &snapshot.id, err), err);
	check(cor_meta_snapshot_insert(m, &snapshot, err), err);
	check(cor_meta_content_remove(m, "n", "sha256:a", err), err);
	check(cor_meta_commit(m, err), err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/cor-fuzz-XXXXXX";
	struct cor_error err = {0};
	struct cor_meta *m = NULL;
	if (!mkdtemp(dir))
		abort();
	int fd = cor_open_dir(dir, NULL);
	if (fd < 0 || cor_write_file_at(fd, COR_META_FILE, data, size, 0600, false, NULL) < 0)
		abort();
	int r = cor_meta_open(fd, dir, &m, &err);
	check(r, &err);
	if (r >= 0) {
		read_all(m, &err);
		write_some(m, &err);
	}
	cor_meta_close(m);
	cor_close(fd);
	(void)cor_remove_tree_at(AT_FDCWD, dir, NULL);
	return 0;
}
