/* SPDX-License-Identifier: Apache-2.0 */
/* See support.h. */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"

const struct cor_apply_options remove_style = {.whiteouts = COR_WHITEOUT_REMOVE};
const struct cor_apply_options overlay_style = {.whiteouts = COR_WHITEOUT_OVERLAY};

static void octal(char *field, size_t n, unsigned long long x)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)n - 1, x);
	memcpy(field, text, n - 1);
}

void tb_checksum(struct cor_buf *b, size_t at)
{
	uint8_t *h = (uint8_t *)b->data + at;
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += h[i];
	octal((char *)h + 148, 8, sum);
}

static long or_else(long x, long otherwise)
{
	return x == -1 ? 0 : x ? x : otherwise;
}

size_t tb_header(struct cor_buf *b, struct th h)
{
	char block[512] = {0};
	size_t at = b->len;
	char type = h.type ? h.type : '0';

	memcpy(block, h.name ? h.name : "", strnlen(h.name ? h.name : "", 100));
	octal(block + 100, 8, (unsigned long long)or_else(h.mode, type == '5' ? 0755 : 0644));
	octal(block + 108, 8, (unsigned long long)h.uid);
	octal(block + 116, 8, (unsigned long long)h.gid);
	octal(block + 124, 12, (unsigned long long)or_else(h.size, 0));
	octal(block + 136, 12, (unsigned long long)or_else(h.mtime, 1000000000));
	block[156] = type;
	memcpy(block + 157, h.link ? h.link : "", strnlen(h.link ? h.link : "", 100));
	if (h.magic && streq(h.magic, "v7")) {
		block[156] = type == '0' ? 0 : type;
	} else if (h.magic && streq(h.magic, "gnu")) {
		memcpy(block + 257, "ustar  ", 8);
	} else {
		memcpy(block + 257,
		       "ustar\0"
		       "00",
		       8);
	}
	if (!h.magic || !streq(h.magic, "v7")) {
		octal(block + 329, 8, h.devmajor);
		octal(block + 337, 8, h.devminor);
	}
	if (h.prefix)
		memcpy(block + 345, h.prefix, strnlen(h.prefix, 155));
	cor_buf_append(b, block, sizeof(block));
	tb_checksum(b, at);
	return at;
}

void tb_data(struct cor_buf *b, const void *data, size_t n)
{
	static const char zeros[512];

	cor_buf_append(b, data, n);
	cor_buf_append(b, zeros, -n % 512);
}

void tb_file(struct cor_buf *b, const char *name, const char *text)
{
	tb_header(b, (struct th){.name = name, .size = text[0] ? (long)strlen(text) : -1});
	tb_data(b, text, strlen(text));
}

void tb_dir(struct cor_buf *b, const char *name)
{
	tb_header(b, (struct th){.name = name, .type = '5'});
}

void tb_symlink(struct cor_buf *b, const char *name, const char *target)
{
	tb_header(b, (struct th){.name = name, .type = '2', .link = target, .mode = 0777});
}

void tb_hardlink(struct cor_buf *b, const char *name, const char *target)
{
	tb_header(b, (struct th){.name = name, .type = '1', .link = target});
}

void tb_record(struct cor_buf *text, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body + 1;
	char digits[24];

	while (len != body + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
		len = body + strlen(digits);
	cor_buf_printf(text, "%zu %s=", len, key);
	cor_buf_append(text, value, n);
	cor_buf_char(text, '\n');
}

void tb_pax_raw(struct cor_buf *b, char type, const void *text, size_t n)
{
	tb_header(b, (struct th){.name = "PaxHeaders/x", .type = type, .size = n ? (long)n : -1});
	tb_data(b, text, n);
}

void tb_pax(struct cor_buf *b, char type, const char *first, ...)
{
	_cleanup_buf_ struct cor_buf text = {0};
	va_list args;

	va_start(args, first);
	for (const char *rec = first; rec; rec = va_arg(args, const char *)) {
		const char *equals = strchr(rec, '=');
		_cleanup_free_ char *key = strndup(rec, (size_t)(equals - rec));
		tb_record(&text, key, equals + 1, strlen(equals + 1));
	}
	va_end(args);
	tb_pax_raw(b, type, text.data, text.len);
}

void tb_long(struct cor_buf *b, char type, const char *name)
{
	tb_header(b, (struct th){.name = "././@LongLink",
				 .type = type,
				 .size = (long)strlen(name) + 1,
				 .magic = "gnu"});
	tb_data(b, name, strlen(name) + 1);
}

void tb_end(struct cor_buf *b)
{
	static const char zeros[1024];

	cor_buf_append(b, zeros, sizeof(zeros));
}

ssize_t memory_read(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct memory *m = data;

	n = MIN(n, m->n - m->pos);
	if (m->chunk)
		n = MIN(n, m->chunk);
	if (n)
		memcpy(buf, (const char *)m->data + m->pos, n);
	m->pos += n;
	return (ssize_t)n;
}

int buf_write(void *data, const void *buf, size_t n, struct cor_error *err)
{
	return cor_buf_append(data, buf, n);
}

/* ---- trees ---- */

struct seen {
	ino_t *inos;
	char **paths;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **names_in(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	char **names = NULL;

	assert_non_null(d);
	for (struct dirent *de; (de = readdir(d));)
		if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
			assert_int_equal(cor_strv_push(&names, de->d_name), 0);
	closedir(d);
	if (names)
		qsort(names, cor_strv_len(names), sizeof(*names), by_name);
	return names;
}

static void describe_xattrs(struct cor_buf *out, int dir, const char *name)
{
	char path[300], list[4096], value[4096];
	ssize_t n;
	char **names = NULL;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	n = llistxattr(path, list, sizeof(list));
	assert_true(n >= 0 || errno == ENOTSUP);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		cor_strv_push(&names, list + i);
	if (names)
		qsort(names, cor_strv_len(names), sizeof(*names), by_name);
	for (char **x = names; x && *x; x++) {
		ssize_t len = lgetxattr(path, *x, value, sizeof(value));
		assert_true(len >= 0);
		cor_buf_printf(out, " %s=", *x);
		for (ssize_t i = 0; i < len; i++)
			cor_buf_printf(out, "%02x", (unsigned char)value[i]);
	}
	cor_strv_free(names);
}

static void describe_content(struct cor_buf *out, int dir, const char *name, const struct stat *st)
{
	char chunk[65536];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, chunk, sizeof(chunk));
		assert_true(n >= 0);
		cor_buf_printf(out, " -> %.*s", (int)n, chunk);
	} else if (S_ISREG(st->st_mode)) {
		int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		uint64_t hash = 0xcbf29ce484222325u;
		assert_true(fd >= 0);
		while ((n = read(fd, chunk, sizeof(chunk))) > 0)
			for (ssize_t i = 0; i < n; i++)
				hash = (hash ^ (uint8_t)chunk[i]) * 0x100000001b3u;
		cor_close(fd);
		cor_buf_printf(out, " %lld bytes %016llx", (long long)st->st_size, (unsigned long long)hash);
	} else if (!S_ISDIR(st->st_mode)) {
		cor_buf_printf(out, " dev %llx", (unsigned long long)st->st_rdev);
	}
}

static void describe_dir(struct cor_buf *out, struct seen *seen, int dir, const char *prefix, bool timed)
{
	char **names = names_in(dir);

	for (char **n = names; n && *n; n++) {
		struct stat st = stat_at(dir, *n);
		_cleanup_free_ char *path = cor_asprintf("%s/%s", prefix, *n);

		cor_buf_printf(out, "%s %o %u:%u", path, st.st_mode, st.st_uid, st.st_gid);
		if (timed)
			cor_buf_printf(out, " %lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
		describe_content(out, dir, *n, &st);
		describe_xattrs(out, dir, *n);
		if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
			size_t i = 0;
			while (i < seen->n && seen->inos[i] != st.st_ino)
				i++;
			if (i == seen->n) {
				seen->inos = realloc(seen->inos, (i + 1) * sizeof(*seen->inos));
				seen->inos[i] = st.st_ino;
				cor_strv_push(&seen->paths, path);
				seen->n++;
			}
			cor_buf_printf(out, " = %s", seen->paths[i]);
		}
		cor_buf_char(out, '\n');
		if (S_ISDIR(st.st_mode)) {
			int fd = openat(dir, *n, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			assert_true(fd >= 0);
			describe_dir(out, seen, fd, path, timed);
			cor_close(fd);
		}
	}
	cor_strv_free(names);
}

static char *describe_any(int dir, bool timed)
{
	struct cor_buf out = {0};
	struct seen seen = {0};
	struct stat st;
	char *text;

	assert_int_equal(fstat(dir, &st), 0);
	cor_buf_printf(&out, "/ %o %u:%u", st.st_mode, st.st_uid, st.st_gid);
	describe_xattrs(&out, dir, ".");
	cor_buf_char(&out, '\n');
	describe_dir(&out, &seen, dir, "", timed);
	free(seen.inos);
	cor_strv_free(seen.paths);
	text = cor_buf_take(&out);
	assert_non_null(text);
	return text;
}

char *describe(int dir)
{
	return describe_any(dir, true);
}

char *describe_untimed(int dir)
{
	return describe_any(dir, false);
}

static int subdir(int dir, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(dir, name, 0755), 0);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const char *tmp = getenv("TMPDIR");
	int canary;

	snprintf(rig->path, sizeof(rig->path), "%s/cor-layer-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(rig->path));
	rig->dir = open(rig->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rig->dir >= 0);
	rig->root = subdir(rig->dir, "root");
	rig->lower = subdir(rig->dir, "lower");
	canary = subdir(rig->dir, "canary");
	put(canary, "x", "canary");
	assert_int_equal(fchmodat(canary, "x", 0600, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(canary, "x", 11, 12, 0), 0);
	cor_close(subdir(canary, "dir"));
	put(canary, "dir/y", "deeper");
	rig->canary = describe(canary);
	cor_close(canary);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	int canary = openat(rig->dir, "canary", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *now = describe(canary), **beside = names_in(rig->dir);

	assert_string_equal(now, rig->canary);
	/* Nothing was made beside the root either. */
	assert_int_equal(cor_strv_len(beside) <= 5, true);
	for (char **n = beside; *n; n++)
		assert_true(streq(*n, "root") || streq(*n, "lower") || streq(*n, "canary") ||
			    streq(*n, "other") || streq(*n, "t.tar"));
	cor_strv_free(beside);
	free(now);
	cor_close(canary);
	cor_close(rig->root);
	cor_close(rig->lower);
	cor_close(rig->dir);
	assert_int_equal(cor_remove_tree_at(AT_FDCWD, rig->path, NULL), 0);
	free(rig->canary);
	free(rig);
	return 0;
}

int apply_to(struct rig *rig, const struct cor_buf *tar, const struct cor_apply_options *opts,
	     struct cor_error *err)
{
	struct memory m = {.data = tar->data, .n = tar->len};
	struct cor_apply_result result;

	return cor_layer_apply(rig->root, memory_read, &m, opts, &result, err);
}

void apply_ok(struct rig *rig, struct cor_buf *tar, const struct cor_apply_options *opts)
{
	struct cor_error err = {0};

	tb_end(tar);
	if (apply_to(rig, tar, opts, &err) < 0)
		fail_msg("%s", err.message);
	cor_buf_done(tar);
}

void apply_fails(struct rig *rig, struct cor_buf *tar, const struct cor_apply_options *opts,
		 enum cor_code code, const char *message_part)
{
	struct cor_error err = {0};

	tb_end(tar);
	assert_true(apply_to(rig, tar, opts, &err) < 0);
	if (err.code != code || !strstr(err.message, message_part))
		fail_msg("%d: %s", err.code, err.message);
	assert_null(strchr(err.message, '\n'));
	cor_buf_done(tar);
}

char *content(int dir, const char *path)
{
	char *text = NULL;
	int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	assert_int_equal(cor_read_fd(fd, 1 << 20, &text, NULL, NULL) < 0, 0);
	cor_close(fd);
	return text;
}

bool exists(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct stat stat_at(int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st;
}

void put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(cor_write_full(fd, text, strlen(text)), 0);
	cor_close(fd);
}

int run_in(struct rig *rig, const char *first, ...)
{
	char *argv[32] = {(char *)(uintptr_t)first};
	size_t n = 1;
	va_list args;
	int status;
	pid_t pid;

	va_start(args, first);
	while (n < ARRAY_SIZE(argv) - 1 && (argv[n] = va_arg(args, char *)))
		n++;
	va_end(args);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (fchdir(rig->dir) == 0)
			execvp(first, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
