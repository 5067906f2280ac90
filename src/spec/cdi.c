/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --device vendor/class=name and --gpus N: which CDI devices are asked for. GPUs are those of the first vendor that has any CDI
 * file, NVIDIA's before AMD's. Where neither has one, and NVIDIA's own program for containers is there, that program adds the
 * devices while the container is made, through a hook (ctr did so before it knew of CDI). A broken file of a vendor's GPUs does
 * not hand the choice on to the next one: nobody shall get another GPU than he had because of a typing error.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "cdi/cdi.h"
#include "spec/internal.h"

#define NVIDIA_CLI "nvidia-container-cli"

int cor_spec_check_gpus(const struct cor_spec_options *o, struct cor_error *err)
{
	for (char *const *g = o->gpus; g && *g; g++) {
		int64_t index;
		int r = cor_parse_i64(*g, &index);

		if (r < 0)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "invalid value \"%s\" for flag -gpus: %s", *g,
					     r == -ERANGE ? "value out of range" : "parse error");
	}
	return 0;
}

/* ---- names ---- */

static int add_kind(char ***kinds, const char *name, struct cor_error *err)
{
	_cleanup_free_ char *kind = strndup(name, strcspn(name, "="));

	if (!kind)
		return cor_error_oom(err);
	if (cor_strv_contains(*kinds, kind))
		return 0;
	return cor_strv_push_take(kinds, TAKE_PTR(kind)) < 0 ? cor_error_oom(err) : 0;
}

/* The CDI devices of --device, and the kinds of all that may be asked for. */
static int collect(const struct cor_spec_options *o, char ***ret_names, char ***ret_kinds,
		   struct cor_error *err)
{
	int r = 0;

	for (char *const *d = o->devices; r >= 0 && d && *d; d++) {
		if (!cor_cdi_is_qualified(*d))
			continue;
		r = cor_strv_push(ret_names, *d) < 0 ? cor_error_oom(err) : add_kind(ret_kinds, *d, err);
	}
	if (r >= 0 && cor_strv_len(o->gpus) > 0)
		r = add_kind(ret_kinds, "nvidia.com/gpu", err);
	if (r >= 0 && cor_strv_len(o->gpus) > 0)
		r = add_kind(ret_kinds, "amd.com/gpu", err);
	return r;
}

static int add_gpu_names(char ***names, const char *vendor, char *const *gpus, struct cor_error *err)
{
	for (; *gpus; gpus++) {
		int64_t index = 0;
		char *name;

		(void)cor_parse_i64(*gpus, &index); /* "+1" and "01" are 1 */
		name = cor_asprintf("%s/gpu=%" PRIi64, vendor, index);
		if (!name || cor_strv_push_take(names, name) < 0)
			return cor_error_oom(err);
	}
	return 0;
}

/* ---- the hook ---- */

/* Of the caller's environment the hook gets what NVIDIA's program reads: all of it would stay in the container's record. */
static json_t *hook_environment(void)
{
	static const char *const kept[] = {"PATH=", "LD_LIBRARY_PATH=", "NVC_", "NVIDIA_"};
	_cleanup_json_ json_t *env = json_array();

	for (char **e = environ; env && *e; e++)
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
			json_t *s = cor_startswith(*e, kept[i]) ? json_string(*e) : NULL;

			if (s && json_array_append_new(env, s) < 0)
				return NULL;
		}
	return TAKE_PTR(env);
}

/* The file of `coracle`: this program, or, where this is a program that uses the library, the one in PATH. */
static int find_coracle(char **ret, struct cor_error *err)
{
	char self[4096];
	ssize_t n = readlinkat(AT_FDCWD, "/proc/self/exe", self, sizeof(self) - 1);
	int r;

	if (n > 0) {
		self[n] = '\0';
		if (streq(cor_path_base(self), "coracle")) {
			*ret = strdup(self);
			return *ret ? 0 : cor_error_oom(err);
		}
	}
	r = cor_find_program("coracle", NULL, ret);
	return r < 0 ? cor_error_errno(err, r, "find coracle, the program of the hook for " NVIDIA_CLI) : 0;
}

/* `coracle oci-hook -- nvidia-container-cli … --pid={{pid}} {{rootfs}}`, as containerd's own (cmd/oci_hook.c). */
static int add_nvidia_hook(json_t *spec, const char *cli, char *const *gpus, struct cor_error *err)
{
	_cleanup_free_ char *self = NULL, *indices = cor_strv_join(gpus, ",");
	json_t *hooks, *list, *args, *hook;
	int r = indices ? find_coracle(&self, err) : cor_error_oom(err);

	if (r < 0)
		return r;
	args = json_pack("[s, s, s, s, s, s, s+, s, s, s, s, s, s, s, s]", "coracle", "oci-hook", "--", cli,
			 "--load-kmods", "configure", "--device=", indices, "--compute", "--compat32",
			 "--graphics", "--utility", "--video", "--display", "--pid={{pid}}", "{{rootfs}}");
	hook = json_pack("{s:s, s:o, s:o}", "path", self, "args", args, "env", hook_environment());
	r = hook ? cor_spec_object(spec, "hooks", &hooks, err) : cor_error_oom(err);
	if (r >= 0)
		r = cor_spec_array(hooks, "createRuntime", &list, err);
	if (r >= 0)
		return cor_spec_push(list, hook, err);
	json_decref(hook);
	return r;
}

/* ---- all of it ---- */

/* A file whose kind nobody knows may be the one of a vendor that would have come before. */
static void warn_of_unknown(const struct cor_cdi *cdi, const char *used)
{
	const char *text;

	for (size_t i = 0; (text = cor_cdi_problem(cdi, NULL, i)); i++)
		cor_warn("GPUs are taken from %s, although a CDI file cannot be read: %s", used, text);
}

/* Names of the GPUs, or in *ret_cli the program that adds them. */
static int find_gpus(const struct cor_cdi *cdi, char *const *gpus, char ***names, char **ret_cli,
		     struct cor_error *err)
{
	static const struct {
		const char *name, *kind;
	} vendors[] = {{"nvidia.com", "nvidia.com/gpu"}, {"amd.com", "amd.com/gpu"}};
	const char *problem;

	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		if (cor_cdi_has_vendor(cdi, vendors[i].name)) {
			if (i > 0)
				warn_of_unknown(cdi, vendors[i].kind);
			return add_gpu_names(names, vendors[i].name, gpus, err);
		}
		problem = cor_cdi_problem(cdi, vendors[i].kind, 0);
		if (problem)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "detect GPU vendor failed: %s",
					     problem);
	}
	if (cor_find_program(NVIDIA_CLI, NULL, ret_cli) >= 0) {
		warn_of_unknown(cdi, NVIDIA_CLI);
		return 0;
	}
	problem = cor_cdi_problem(cdi, NULL, 0);
	return cor_error_set(err, COR_NOT_FOUND,
			     "detect GPU vendor failed: no known GPU vendor detected in CDI specs, only AMD "
			     "and NVIDIA are supported, and " NVIDIA_CLI " is not in PATH either%s%s",
			     problem ? ": " : "", problem ? problem : "");
}

static int inject(json_t *spec, const struct cor_cdi *cdi, char *const *names, struct cor_error *err)
{
	_cleanup_json_ json_t *edits = NULL;
	int r;

	if (cor_strv_len(names) == 0)
		return 0;
	r = cor_cdi_resolve(cdi, names, &edits, err);
	if (r >= 0)
		r = cor_spec_cdi_edit(spec, edits, err);
	return r < 0 ? cor_error_wrap(err, r, "CDI device injection failed") : 0;
}

int cor_spec_apply_cdi(struct cor_spec_build *b, struct cor_error *err)
{
	const struct cor_spec_options *o = b->options;
	_cleanup_strv_ char **names = NULL, **kinds = NULL;
	_cleanup_(cor_cdi_freep) struct cor_cdi *cdi = NULL;
	_cleanup_free_ char *cli = NULL;
	int r = collect(o, &names, &kinds, err);

	if (r < 0 || cor_strv_len(kinds) == 0)
		return r;
	r = cor_cdi_open((char *const *)cor_cdi_default_dirs, kinds, &cdi, err);
	if (r >= 0 && cor_strv_len(o->gpus) > 0)
		r = find_gpus(cdi, o->gpus, &names, &cli, err);
	if (r >= 0)
		r = inject(b->spec, cdi, names, err);
	if (r >= 0 && cli)
		r = add_nvidia_hook(b->spec, cli, o->gpus, err);
	return r;
}
