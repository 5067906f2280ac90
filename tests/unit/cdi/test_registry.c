/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of files: priorities, conflicts, what stands beside a broken file, and which edits a list of names means. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "helpers.h"

struct dirs {
	char root[64], low[80], high[80];
	const char *list[3];
};

static int dirs_make(void **state)
{
	struct dirs *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	strncpy(d->root, "/tmp/cor-cdi-XXXXXX", sizeof(d->root) - 1);
	assert_non_null(mkdtemp(d->root));
	snprintf(d->low, sizeof(d->low), "%s/low", d->root);
	snprintf(d->high, sizeof(d->high), "%s/high", d->root);
	d->list[0] = d->low;
	d->list[1] = d->high;
	assert_int_equal(mkdirat(AT_FDCWD, d->low, 0755), 0);
	assert_int_equal(mkdirat(AT_FDCWD, d->high, 0755), 0);
	*state = d;
	return 0;
}

static int dirs_remove(void **state)
{
	struct dirs *d = *state;

	cor_remove_tree_at(AT_FDCWD, d->root, NULL);
	free(d);
	return 0;
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_close_ int fd = cor_open_dir(dir, NULL);

	assert_true(fd >= 0);
	assert_int_equal(cor_write_file_at(fd, name, text, strlen(text), 0644, false, NULL), 0);
}

/* A file of this kind whose devices (one letter each) set V_<letter>=value; the file as a whole sets F=value. */
static void put_spec(const char *dir, const char *name, const char *kind, const char *devices,
		     const char *value)
{
	_cleanup_buf_ struct cor_buf b = {0};

	cor_buf_printf(&b, "cdiVersion: 0.5.0\nkind: %s\ncontainerEdits: {env: [F=%s]}\ndevices:\n", kind,
		       value);
	for (; *devices; devices++)
		cor_buf_printf(&b, "- {name: '%c', containerEdits: {env: [V_%c=%s]}}\n", *devices, *devices,
			       value);
	put(dir, name, b.data);
}

static struct cor_cdi *opened(const struct dirs *d, char *const *kinds)
{
	struct cor_error err = {0};
	struct cor_cdi *c = NULL;

	if (cor_cdi_open((char *const *)d->list, kinds, &c, &err) < 0)
		fail_msg("%s", err.message);
	return c;
}

static void assert_edits(const struct dirs *d, char *const *names, const char *json)
{
	_cleanup_(cor_cdi_freep) struct cor_cdi *c = opened(d, LIST("a/b", "c/d"));
	_cleanup_json_ json_t *edits = NULL;
	struct cor_error err = {0};

	if (cor_cdi_resolve(c, names, &edits, &err) < 0)
		fail_msg("%s", err.message);
	assert_json_equal(edits, json, names[0]);
}

/* format: with the two directories */
static void assert_unresolvable(const struct dirs *d, char *const *names, const char *format)
{
	_cleanup_(cor_cdi_freep) struct cor_cdi *c = opened(d, LIST("a/b", "c/d"));
	_cleanup_buf_ struct cor_buf want = {0};
	struct cor_error err = {0};
	json_t *edits = NULL;

	for (const char *p = format; *p; p++)
		cor_buf_str(&want, *p == '<' ? d->low : *p == '>' ? d->high : (char[]){*p, '\0'});
	assert_true(cor_cdi_resolve(c, names, &edits, &err) < 0);
	assert_null(edits);
	assert_string_equal(err.message, want.data);
	assert_int_equal(err.code, COR_NOT_FOUND);
}

static void nothing_there(void **state)
{
	struct dirs *d = *state;

	assert_unresolvable(d, LIST("a/b=x", "c/d=y"), "unresolvable CDI devices a/b=x, c/d=y");
	cor_remove_tree_at(AT_FDCWD, d->low, NULL);
	assert_unresolvable(d, LIST("a/b=x"), "unresolvable CDI devices a/b=x");
}

static void merging(void **state)
{
	struct dirs *d = *state;

	put_spec(d->low, "one.yaml", "a/b", "xyz", "1");
	put_spec(d->low, "two.json", "c/d", "x", "2");
	put(d->low, "three.txt", "not one of ours {");
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=1\",\"V_x=1\"]}");
	assert_edits(d, LIST("a/b=y", "c/d=x", "a/b=x"),
		     "{\"env\":[\"F=1\",\"V_y=1\",\"F=2\",\"V_x=2\",\"V_x=1\"]}");
	assert_unresolvable(d, LIST("a/b=x", "a/b=q"), "unresolvable CDI devices a/b=q");
	put(d->high, "rdt.json",
	    "{\"cdiVersion\":\"0.7.0\",\"kind\":\"a/b\",\"containerEdits\":{\"intelRdt\":{\"closID\":\"f\"},"
	    "\"additionalGids\":[1]},\"devices\":[{\"name\":\"r\",\"containerEdits\":{\"intelRdt\":{"
	    "\"memBwSchema\":"
	    "\"m\"},\"additionalGids\":[2]}}]}");
	assert_edits(d, LIST("a/b=r"), "{\"intelRdt\":{\"memBwSchema\":\"m\"},\"additionalGids\":[1,2]}");
}

static void priority(void **state)
{
	struct dirs *d = *state;

	put_spec(d->low, "a.yaml", "a/b", "xy", "low");
	put_spec(d->high, "z.yaml", "a/b", "x", "high");
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=high\",\"V_x=high\"]}");
	assert_edits(d, LIST("a/b=y"), "{\"env\":[\"F=low\",\"V_y=low\"]}");
}

static void conflict(void **state)
{
	struct dirs *d = *state;

	put_spec(d->high, "1.yaml", "a/b", "xy", "1");
	put_spec(d->high, "2.yaml", "a/b", "xz", "2");
	assert_edits(d, LIST("a/b=y", "a/b=z"), "{\"env\":[\"F=1\",\"V_y=1\",\"F=2\",\"V_z=2\"]}");
	assert_unresolvable(d, LIST("a/b=x"),
			    "unresolvable CDI devices a/b=x: conflicting device \"a/b=x\" (specs "
			    "\">/1.yaml\", \">/2.yaml\")");
	/* A lower one does not come in again for it. */
	put_spec(d->low, "0.yaml", "a/b", "x", "0");
	assert_unresolvable(d, LIST("a/b=x"),
			    "unresolvable CDI devices a/b=x: conflicting device \"a/b=x\" (specs "
			    "\">/1.yaml\", \">/2.yaml\")");
}

/* Broken files are named where they may be the reason, and are in nobody's way. */
static void broken_files(void **state)
{
	struct dirs *d = *state;

	put_spec(d->low, "good.yaml", "a/b", "x", "1");
	put(d->low, "bad.yaml", "{");
	put(d->high, "of-kind.json", "{\"kind\":\"a/b\"}");
	put(d->high, "other.json", "{\"kind\":\"q/r\"}");
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=1\",\"V_x=1\"]}");
	assert_unresolvable(d, LIST("a/b=y"),
			    "unresolvable CDI devices a/b=y: >/of-kind.json: no cdiVersion");
	assert_unresolvable(
		d, LIST("c/d=y"),
		"unresolvable CDI devices c/d=y: </bad.yaml: line 2: did not find expected node content");
}

static void assert_reason(const struct dirs *d, const char *why)
{
	_cleanup_free_ char *text = cor_asprintf("unresolvable CDI devices a/b=y: </f.json%s", why);

	assert_unresolvable(d, LIST("a/b=y"), text);
	cor_remove_tree_at(AT_FDCWD, d->low, NULL);
	assert_int_equal(mkdirat(AT_FDCWD, d->low, 0755), 0);
}

static void odd_files(void **state)
{
	struct dirs *d = *state;
	_cleanup_free_ char *path = cor_path_join(d->low, "f.json"), *target = cor_path_join(d->root, "t");
	int fd;

	put_spec(d->high, "good.yaml", "a/b", "x", "1");
	assert_int_equal(mkfifoat(AT_FDCWD, path, 0600), 0);
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=1\",\"V_x=1\"]}");
	assert_reason(d, ": not a regular file");
	assert_int_equal(symlinkat("f.json", AT_FDCWD, path), 0);
	assert_reason(d, ": open: too many levels of symbolic links");
	assert_int_equal(symlinkat("nowhere", AT_FDCWD, path), 0);
	assert_reason(d, ": open: no such file or directory");
	assert_int_equal(symlinkat("/dev/zero", AT_FDCWD, path), 0);
	assert_reason(d, ": not a regular file");
	assert_int_equal(symlinkat("..", AT_FDCWD, path), 0);
	assert_reason(d, ": not a regular file");
	fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	cor_close(fd);
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=1\",\"V_x=1\"]}");
	assert_reason(d, ": read (limit 4194304 bytes): file too large");
	/* A directory is passed over, a link to a good file is as good as the file. */
	assert_int_equal(mkdirat(AT_FDCWD, path, 0755), 0);
	assert_unresolvable(d, LIST("a/b=y"), "unresolvable CDI devices a/b=y");
	put_spec(d->root, "t", "a/b", "l", "2");
	assert_int_equal(unlinkat(AT_FDCWD, path, AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat(target, AT_FDCWD, path), 0);
	assert_edits(d, LIST("a/b=l"), "{\"env\":[\"F=2\",\"V_l=2\"]}");
}

/* The directory itself is not one. */
static void odd_directory(void **state)
{
	struct dirs *d = *state;

	put_spec(d->high, "good.yaml", "a/b", "x", "1");
	cor_remove_tree_at(AT_FDCWD, d->low, NULL);
	put(d->root, "low", "x");
	assert_edits(d, LIST("a/b=x"), "{\"env\":[\"F=1\",\"V_x=1\"]}");
	assert_unresolvable(d, LIST("a/b=y"), "unresolvable CDI devices a/b=y: <: open: not a directory");
}

/* One after the other, of the kind that is asked for and of no other. */
static void problems(void **state)
{
	struct dirs *d = *state;
	struct cor_cdi *c;

	put(d->low, "1.yaml", "{");
	put(d->low, "2.yaml", "kind: a/b\n");
	put_spec(d->low, "3.yaml", "a/b", "x", "1");
	put(d->high, "4.yaml", "kind: a/bc\n");
	put(d->high, "5.yaml", "kind: a/b\n");
	put(d->high, "6.yaml", "[");
	c = opened(d, LIST("a/b"));
	assert_non_null(strstr(cor_cdi_problem(c, "a/b", 0), "/2.yaml: no cdiVersion"));
	assert_non_null(strstr(cor_cdi_problem(c, "a/b", 1), "/5.yaml: no cdiVersion"));
	assert_null(cor_cdi_problem(c, "a/b", 2));
	assert_null(cor_cdi_problem(c, "a", 0));
	assert_non_null(strstr(cor_cdi_problem(c, NULL, 0), "/1.yaml: line 2: "));
	assert_non_null(strstr(cor_cdi_problem(c, NULL, 1), "/6.yaml: line 2: "));
	assert_null(cor_cdi_problem(c, NULL, 2));
	cor_cdi_free(c);
}

static void vendors(void **state)
{
	struct dirs *d = *state;
	struct cor_cdi *c;

	put_spec(d->low, "1.yaml", "nvidia.com/mig", "x", "1");
	put(d->low, "2.yaml", "kind: amd.com/gpu\n");
	c = opened(d, LIST("nvidia.com/gpu"));
	assert_true(cor_cdi_has_vendor(c, "nvidia.com"));
	assert_false(cor_cdi_has_vendor(c, "nvidia"));
	assert_false(cor_cdi_has_vendor(c, "amd.com"));
	cor_cdi_free(c);
	assert_null(cor_cdi_free(NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dirs_make, dirs_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_there), TEST(merging),       TEST(priority), TEST(conflict), TEST(broken_files),
		TEST(odd_files),     TEST(odd_directory), TEST(problems), TEST(vendors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
