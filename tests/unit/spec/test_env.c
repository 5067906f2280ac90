/* SPDX-License-Identifier: Apache-2.0 */
/* The environment: ctr's merge with its surprises, env files. */
#include "helpers.h"

static void merged(char *const *defaults, char *const *overrides, char *const *want)
{
	_cleanup_strv_ char **have = NULL;

	assert_int_equal(cor_spec_env_merge(defaults, overrides, &have, NULL), 0);
	assert_int_equal(cor_strv_len(have), cor_strv_len(want));
	for (size_t i = 0; want[i]; i++)
		assert_string_equal(have[i], want[i]);
}

static void merge_replaces_in_place_and_appends(void **state)
{
	merged(LIST("A=1", "B=2", "C=3"), LIST("B=x", "D=4"), LIST("A=1", "B=x", "C=3", "D=4"));
	merged(NULL, LIST("A=1"), LIST("A=1"));
	merged(LIST("A=1"), NULL, LIST("A=1"));
	merged(NULL, NULL, LIST(NULL));
}

static void merge_keeps_repeats_of_new_names(void **state)
{
	merged(LIST("A=1"), LIST("N=1", "N=2", "A=2", "A=3"), LIST("A=3", "N=1", "N=2"));
}

static void merge_without_equal_sign_removes_defaults_only(void **state)
{
	merged(LIST("A=1", "B=2"), LIST("A"), LIST("B=2"));
	merged(LIST("A=1"), LIST("N=1", "N"), LIST("A=1", "N=1"));
	merged(LIST("A=1"), LIST("A", "A=2"), LIST("A=2"));
}

static void merge_takes_the_last_of_equal_defaults(void **state)
{
	merged(LIST("A=1", "A=2"), LIST("A=3"), LIST("A=1", "A=3"));
}

static void merge_compares_whole_names(void **state)
{
	merged(LIST("AB=1", "A=1"), LIST("A=2", "=x", "ABC=3"), LIST("AB=1", "A=2", "=x", "ABC=3"));
	merged(LIST("", "A"), LIST("B=1"), LIST("A", "B=1"));
}

static struct cor_image_config image_with_env(char **env)
{
	static char empty[] = "";

	return (struct cor_image_config){
		.env = env, .user = empty, .working_dir = empty, .stop_signal = empty};
}

static void flags_win_over_file_over_image(void **state)
{
	struct tree *t = *state;
	struct cor_image_config image =
		image_with_env((char **)(const char *[]){"PATH=/bin", "A=image", "B=image", "C=image", NULL});
	struct cor_spec_options o = options();
	_cleanup_free_ char *path = cor_path_join(t->path, "env");
	_cleanup_json_ json_t *spec = NULL;

	tree_write(t, "env", "A=file\r\nB=file\nONLY=file\n#X=1\n\nC");
	o.env_file = path;
	o.env = LIST("B=cli", "ONLY");
	spec = built(&o, &image, t->fd);
	assert_json(spec, "process.env", "[\"PATH=/bin\", \"A=file\", \"B=cli\", \"C=image\", \"#X=1\"]");
}

static void image_without_env_gets_a_path(void **state)
{
	struct tree *t = *state;
	struct cor_image_config image = image_with_env(NULL);
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.env = LIST("A=1");
	spec = built(&o, &image, t->fd);
	assert_json(spec, "process.env",
		    "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"A=1\"]");
}

static void rootfs_run_has_no_path(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.rootfs = "/";
	spec = built(&o, NULL, -1);
	assert_json(spec, "process.env", "");
}

static void bad_env_files_are_refused(void **state)
{
	struct tree *t = *state;
	struct cor_spec_options o = options();
	_cleanup_free_ char *path = cor_path_join(t->path, "env"), *said = NULL;

	o.env_file = "/nonexistent/env";
	assert_refused(&o, NULL, -1, COR_NOT_FOUND, "open /nonexistent/env: no such file or directory");
	o.env_file = path;
	tree_write(t, "env", "A=\xff\n");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "env: \"A=\xff\" is not valid UTF-8");
	assert_int_equal(cor_write_file_at(t->fd, "env", "A=1\0B=2", 7, 0644, false, NULL), 0);
	said = cor_asprintf("env file %s: contains a NUL byte", path);
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, said);
}

static void a_large_env_file_takes_no_time(void **state)
{
	struct tree *t = *state;
	struct cor_spec_options o = options();
	_cleanup_free_ char *path = cor_path_join(t->path, "env");
	_cleanup_buf_ struct cor_buf b = {0};
	_cleanup_json_ json_t *spec = NULL;

	for (int i = 0; i < 200000; i++)
		assert_int_equal(cor_buf_str(&b, "A=1\n"), 0);
	tree_write(t, "env", b.data);
	o.env_file = path;
	o.env = LIST("B=1");
	spec = built(&o, NULL, -1);
	assert_int_equal(json_array_size(at(spec, "process.env")), 200001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge_replaces_in_place_and_appends),
		cmocka_unit_test(merge_keeps_repeats_of_new_names),
		cmocka_unit_test(merge_without_equal_sign_removes_defaults_only),
		cmocka_unit_test(merge_takes_the_last_of_equal_defaults),
		cmocka_unit_test(merge_compares_whole_names),
		cmocka_unit_test_setup_teardown(flags_win_over_file_over_image, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(image_without_env_gets_a_path, tree_make, tree_remove),
		cmocka_unit_test(rootfs_run_has_no_path),
		cmocka_unit_test_setup_teardown(bad_env_files_are_refused, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(a_large_env_file_takes_no_time, tree_make, tree_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
