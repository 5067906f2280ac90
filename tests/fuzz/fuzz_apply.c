/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying any bytes as a layer, in both styles, beside a canary: whatever the layer says, the canary and the root's
 * identity stay. The limits are small so that a run is quick.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "layer/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t n, pos;
};

static ssize_t memory_read(void *arg, void *buf, size_t n, struct cor_error *err)
{
	struct memory *m = arg;

	n = MIN(n, m->n - m->pos);
	memcpy(buf, m->data + m->pos, n);
	m->pos += n;
	return (ssize_t)n;
}

static void put_checksums_right(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		uint8_t *h = data + at;
		unsigned sum = 0;

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += h[i];
		for (size_t i = 0; i < 6; i++)
			h[153 - i] = (uint8_t)('0' + (sum >> (3 * i) & 7));
		h[154] = 0;
	}
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int make_dir(int dir, const char *name)
{
	int fd;

	check(mkdirat(dir, name, 0755) == 0);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(fd >= 0);
	return fd;
}

static void apply(int root, int lower, const uint8_t *data, size_t size, enum cor_whiteout_style style)
{
	struct memory m = {.data = data, .n = size};
	struct cor_apply_options opts = {
		.whiteouts = style,
		.lower_fds = &lower,
		.n_lower = 1,
		.max_bytes = 1 << 20,
		.max_entries = 200,
	};
	struct cor_apply_result result;
	struct cor_error err = {0};
	int r = cor_layer_apply(root, memory_read, &m, &opts, &result, &err);

	/* An error says what is wrong, on one line. */
	check(r >= 0 || (err.message[0] && !strchr(err.message, '\n')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/cor-fuzz-apply-XXXXXX";
	uint8_t *copy = malloc(size + 1);
	struct stat before, after, canary, now;
	int dir, root, lower;

	memcpy(copy, data, size);
	put_checksums_right(copy, size);
	check(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root = make_dir(dir, "root");
	lower = make_dir(dir, "lower");
	check(mkdirat(dir, "canary", 0711) == 0);
	cor_close(make_dir(lower, "d"));
	check(fstat(root, &before) == 0 && fstatat(dir, "canary", &canary, 0) == 0);
	apply(root, lower, copy, size, COR_WHITEOUT_OVERLAY);
	apply(root, -1, copy, size, COR_WHITEOUT_REMOVE);
	check(fstatat(dir, "root", &after, AT_SYMLINK_NOFOLLOW) == 0 && after.st_ino == before.st_ino);
	check(fstatat(dir, "canary", &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	      memcmp(&now.st_ctim, &canary.st_ctim, sizeof(now.st_ctim)) == 0);
	check(fstat(dir, &now) == 0 && now.st_nlink == 5); /* root, lower, canary and nothing else */
	check(cor_remove_tree_at(AT_FDCWD, path, NULL) == 0);
	cor_close(root);
	cor_close(lower);
	cor_close(dir);
	free(copy);
	return 0;
}
