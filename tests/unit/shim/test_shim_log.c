/* SPDX-License-Identifier: Apache-2.0 */
/* The log writer by itself: lines, limits, rotation, and a disk that is full. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/shim_log.h"

static char dir[] = "/tmp/cor-shim-log-XXXXXX";

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cor-shim-log-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return cor_remove_tree_at(AT_FDCWD, dir, NULL);
}

static char *path(const char *name)
{
	return cor_asprintf("%s/%s", dir, name);
}

static char *read_log(const char *name)
{
	_cleanup_free_ char *p = path(name);
	char *text = NULL;
	return cor_read_file_at(AT_FDCWD, p, 1 << 26, &text, NULL, NULL) < 0 ? strdup("") : text;
}

static struct cor_shim_log *open_log(const char *name, uint64_t max)
{
	_cleanup_free_ char *p = path(name);
	struct cor_shim_log *l = NULL;
	assert_int_equal(cor_shim_log_open(p, max, &l, NULL), 0);
	return l;
}

/* The text of a log as it was put in, of one stream; *ret_lines may be NULL. */
static char *content(const char *log, const char *stream, size_t *ret_lines)
{
	struct cor_buf b = {0};
	size_t lines = 0;
	for (const char *p = log; *p;) {
		const char *end = strchr(p, '\n');
		assert_non_null(end); /* invariant 2: whole lines only */
		const char *name = strchr(p, ' ') + 1, *tag = strchr(name, ' ') + 1, *text = tag + 2;
		assert_true((*tag == 'F' || *tag == 'P') && tag[1] == ' ' && text <= end + 1);
		if (strncmp(name, stream, strlen(stream)) == 0) {
			lines++;
			(void)cor_buf_append(&b, text, (size_t)(end - text));
			if (*tag == 'F')
				(void)cor_buf_char(&b, '\n');
		}
		p = end + 1;
	}
	if (ret_lines)
		*ret_lines = lines;
	return cor_buf_take(&b);
}

static void lines(void **state)
{
	struct cor_shim_log *l = open_log("log", 1 << 20);
	(void)state;
	static const char text[] = "one\n\ntwo\nthree";
	cor_shim_log_write(l, COR_STREAM_OUT, text, sizeof(text) - 1);
	cor_shim_log_write(l, COR_STREAM_ERR, "problem\n", 8);
	cor_shim_log_write(l, COR_STREAM_OUT, " more\n", 6);
	cor_shim_log_close(l);
	_cleanup_free_ char *log = read_log("log/current");
	_cleanup_free_ char *out = content(log, "stdout", NULL), *err = content(log, "stderr", NULL);
	assert_string_equal(out, "one\n\ntwo\nthree more\n");
	assert_string_equal(err, "problem\n");
	assert_non_null(strstr(log, " stdout P three\n"));
	struct stat st;
	_cleanup_free_ char *p = path("log/current");
	assert_int_equal(stat(p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void long_lines(void **state)
{
	struct cor_shim_log *l = open_log("log", 1 << 20);
	size_t n, size = 40000;
	(void)state;
	_cleanup_free_ char *text = malloc(size + 1);
	memset(text, 'x', size);
	text[size] = '\n';
	cor_shim_log_write(l, COR_STREAM_OUT, text, size + 1);
	cor_shim_log_close(l);
	_cleanup_free_ char *log = read_log("log/current");
	_cleanup_free_ char *out = content(log, "stdout", &n);
	assert_int_equal(strlen(out), size + 1);
	assert_int_equal(n, 3); /* 16 KiB, 16 KiB, the rest */
}

static void any_chunks(void **state)
{
	struct cor_shim_log *l = open_log("log", 1 << 26);
	struct cor_buf text = {0};
	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		(void)cor_buf_printf(&text, "%u%s", i * 2654435761u, i % 3 ? "\n" : "\n\n");
	for (size_t pos = 0, k = 1; pos < text.len; pos += k, k = k * 7 % 301 + 1)
		cor_shim_log_write(l, COR_STREAM_OUT, text.data + pos, MIN(k, text.len - pos));
	cor_shim_log_close(l);
	_cleanup_free_ char *log = read_log("log/current");
	_cleanup_free_ char *out = content(log, "stdout", NULL);
	assert_string_equal(out, text.data);
	cor_buf_done(&text);
}

static void rotation(void **state)
{
	struct stat st;
	(void)state;
	struct cor_shim_log *l = open_log("log", 4096);
	for (int i = 0; i < 1000; i++) {
		char line[32];
		int n = snprintf(line, sizeof(line), "line %d\n", i);
		cor_shim_log_write(l, COR_STREAM_OUT, line, (size_t)n);
		if (i == 500) { /* a log is continued */
			cor_shim_log_close(l);
			l = open_log("log", 4096);
		}
	}
	cor_shim_log_close(l);
	_cleanup_free_ char *one = read_log("log/1"), *current = read_log("log/current");
	_cleanup_free_ char *p = path("log/1"), *p2 = path("log/current");
	assert_true(stat(p, &st) == 0 && st.st_size <= 4096 && st.st_size > 3900);
	assert_true(stat(p2, &st) == 0 && st.st_size <= 4096);
	_cleanup_free_ char *both = cor_asprintf("%s%s", one, current);
	_cleanup_free_ char *text = content(both, "stdout", NULL);
	/* Consecutive, up to the last. */
	long next = strtol(text + strlen("line "), NULL, 10);
	for (char *q = text; *q; q = strchr(q, '\n') + 1)
		assert_int_equal(strtol(q + strlen("line "), NULL, 10), next++);
	assert_int_equal(next, 1000);
}

static void full_disk(void **state)
{
	(void)state;
	_cleanup_free_ char *small = path("small");
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	assert_int_equal(mkdir(small, 0700), 0);
	assert_int_equal(mount("tmpfs", small, "tmpfs", 0, "size=64k"), 0);
	struct cor_shim_log *l = open_log("small/log", 1 << 20);
	char line[64];
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);
		cor_shim_log_write(l, COR_STREAM_OUT, line, (size_t)n);
	}
	_cleanup_free_ char *before = read_log("small/log/current");
	size_t whole;
	_cleanup_free_ char *text = content(before, "stdout", &whole); /* asserts whole lines */
	assert_true(cor_startswith(text, "line 0\nline 1\n"));
	assert_true(whole > 100 && whole < 3000);
	/* Room again: the gap is reported, then it goes on. */
	assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=1m"), 0);
	cor_shim_log_write(l, COR_STREAM_OUT, "after\n", 6);
	cor_shim_log_close(l);
	_cleanup_free_ char *log = read_log("small/log/current");
	_cleanup_free_ char *expected =
		cor_asprintf("stderr F coracle: %zu log lines lost: no space left on device\n", 3000 - whole);
	assert_non_null(strstr(log, expected));
	assert_non_null(strstr(log, " stdout F after\n"));
	assert_int_equal(umount(small), 0);
}

static void bad_directory(void **state)
{
	struct cor_shim_log *l = NULL;
	struct cor_error err = {0};
	(void)state;
	assert_true(cor_shim_log_open("/proc/nonexistent/log", 4096, &l, &err) < 0);
	assert_null(l);
	assert_true(*err.message);
	/* A symbolic link in place of the log is not followed. */
	_cleanup_free_ char *d = path("log"), *link = path("log/current");
	assert_int_equal(mkdir(d, 0700), 0);
	assert_int_equal(symlink("/tmp/elsewhere", link), 0);
	assert_true(cor_shim_log_open(d, 4096, &l, &err) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(lines), T(long_lines), T(any_chunks), T(rotation), T(full_disk), T(bad_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
