/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --apparmor-profile names a profile that the kernel has; --apparmor-default-profile names one that is made here unless the
 * kernel has it already. Its rules are containerd's (contrib/apparmor): everything a container needs inside its own mounts,
 * no mounting, and no writing to what /proc and /sys say about the host. The text goes to apparmor_parser on its
 * standard input, so that nothing lies in a directory that others can write to.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/process.h"
#include "spec/internal.h"

#define LOADED     "/sys/kernel/security/apparmor/profiles"
#define CONFIG_DIR "/etc/apparmor.d/"
#define PARSER     "apparmor_parser"
#define FILE_MAX   (4u << 20)

/* @NAME@, @MANAGER@ and @ROOTLESSKIT@ are replaced; a rule with the last is left out where there is no such program. */
static const char *const rules[] = {
	"network,",
	"capability,",
	"file,",
	"umount,",
	/* Signals: from the host, from runtimes, from whoever started us, and among themselves. */
	"signal (receive) peer=unconfined,",
	"signal (receive) peer=runc,",
	"signal (receive) peer=crun,",
	"signal (receive) peer=@MANAGER@,",
	"signal (send,receive) peer=@NAME@,",
	"signal (receive) peer=@ROOTLESSKIT@,",
	/* /proc: no writing outside the processes' own directories, /proc/sys only kernel/shm*. */
	"deny @{PROC}/* w,",
	"deny @{PROC}/{[^1-9/],[^1-9/][^0-9/],[^1-9s/][^0-9y/][^0-9s/],[^1-9/][^0-9/][^0-9/][^0-9/]*}/** w,",
	"deny @{PROC}/sys/[^k]** w,",
	"deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,",
	"deny @{PROC}/sysrq-trigger rwklx,",
	"deny @{PROC}/kcore rwklx,",
	"deny mount,",
	/* /sys: nothing outside /sys/fs/cgroup. */
	"deny /sys/[^f]*/** wklx,",
	"deny /sys/f[^s]*/** wklx,",
	"deny /sys/fs/[^c]*/** wklx,",
	"deny /sys/fs/c[^g]*/** wklx,",
	"deny /sys/fs/cg[^r]*/** wklx,",
	"deny /sys/firmware/** rwklx,",
	"deny /sys/devices/virtual/powercap/** rwklx,",
	"deny /sys/kernel/security/** rwklx,",
	"ptrace (trace,tracedby,read,readby) peer=@NAME@,",
};

static void append_rule(struct cor_buf *b, const char *rule, const struct cor_spec_apparmor *a)
{
	static const char *const words[] = {"@NAME@", "@MANAGER@", "@ROOTLESSKIT@"};
	const char *const values[] = {a->name, a->manager, a->rootlesskit};

	cor_buf_str(b, "  ");
	while (*rule) {
		size_t k = 0, n;

		while (k < ARRAY_SIZE(words) && !cor_startswith(rule, words[k]))
			k++;
		n = k < ARRAY_SIZE(words) ? strlen(words[k]) : 1;
		if (k < ARRAY_SIZE(words))
			cor_buf_str(b, values[k]);
		else
			cor_buf_char(b, *rule);
		rule += n;
	}
	cor_buf_char(b, '\n');
}

char *cor_spec_apparmor_text(const struct cor_spec_apparmor *a)
{
	_cleanup_buf_ struct cor_buf b = {0};

	cor_buf_str(&b, a->abi ? "abi <abi/3.0>,\n" : "");
	cor_buf_str(&b, a->tunables ? "#include <tunables/global>\n" : "@{PROC}=/proc/\n");
	cor_buf_printf(&b, "\nprofile %s flags=(attach_disconnected,mediate_deleted) {\n", a->name);
	cor_buf_str(&b, a->base ? "  #include <abstractions/base>\n" : "");
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (a->rootlesskit || !strstr(rules[i], "@ROOTLESSKIT@"))
			append_rule(&b, rules[i], a);
	cor_buf_str(&b, "}\n");
	return cor_buf_take(&b);
}

/* The name becomes part of a policy, so it is one word without anything that AppArmor's language gives a meaning to. */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

	return *s && strspn(s, plain) == strlen(s) && strlen(s) <= 255;
}

int cor_spec_check_apparmor(const struct cor_spec_options *o, struct cor_error *err)
{
	_cleanup_free_ char *quoted = NULL;

	if (!cor_empty(o->apparmor_profile) && !cor_empty(o->apparmor_default_profile))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "apparmor-profile conflicts with apparmor-default-profile");
	if (cor_empty(o->apparmor_default_profile) || is_plain(o->apparmor_default_profile))
		return 0;
	quoted = cor_spec_quote(o->apparmor_default_profile);
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "apparmor-default-profile: %s is not a name for a profile (letters, digits and "
			     "._+-)",
			     COR_SPEC_QUOTED(quoted));
}

static int set_profile(json_t *spec, const char *name, struct cor_error *err)
{
	json_t *process;
	int r;

	if (cor_empty(name))
		return 0;
	r = cor_spec_process(spec, &process, err);
	return r < 0 ? r : cor_spec_put_string(process, "apparmorProfile", name, err);
}

int cor_spec_apply_apparmor_default(struct cor_spec_build *b, struct cor_error *err)
{
	return set_profile(b->spec, b->options->apparmor_default_profile, err);
}

int cor_spec_apply_apparmor(struct cor_spec_build *b, struct cor_error *err)
{
	return set_profile(b->spec, b->options->apparmor_profile, err);
}

/* ---- loading ------------------------------------------------------------------------------------------------- */

/* The kernel's list has lines "name (mode)". */
static int is_loaded(const char *name, bool *ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t n = strlen(name);
	int r = cor_spec_read_file_max(LOADED, FILE_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	*ret = false;
	for (const char *line = text; *line && !*ret; line = strchrnul(line, '\n'), line += *line == '\n')
		*ret = strncmp(line, name, n) == 0 && line[n] == ' ';
	return 0;
}

/* The profile that we run under; another security module's label is none. */
static char *own_profile(void)
{
	static const char *const files[] = {"/proc/self/attr/apparmor/current", "/proc/self/attr/current"};
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; !text && i < ARRAY_SIZE(files); i++)
		(void)cor_spec_read_file_max(files[i], 4096, &text, NULL, NULL);
	if (text)
		text[strcspn(text, " \n")] = '\0';
	return text && is_plain(text) ? TAKE_PTR(text) : strdup("unconfined");
}

static bool installed(const char *name)
{
	_cleanup_free_ char *path = cor_asprintf(CONFIG_DIR "%s", name);

	return path && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

static char *make_text(const char *name)
{
	_cleanup_free_ char *manager = own_profile(), *rootlesskit = NULL;
	struct cor_spec_apparmor a = {.name = name,
				      .manager = manager,
				      .abi = installed("abi/3.0"),
				      .tunables = installed("tunables/global"),
				      .base = installed("abstractions/base")};

	if (!manager)
		return NULL;
	if (cor_find_program("rootlesskit", NULL, &rootlesskit) == 0 &&
	    !strpbrk(rootlesskit, " \t\n\"\\,{}[]*?^#"))
		a.rootlesskit = rootlesskit;
	return cor_spec_apparmor_text(&a);
}

/* A file without a name, to be read from its beginning. */
static int text_file(const char *text, struct cor_error *err)
{
	_cleanup_close_ int fd = memfd_create("apparmor", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : cor_pwrite_full(fd, text, strlen(text), 0);

	return r < 0 ? cor_error_errno(err, r, "memfd") : TAKE_FD(fd);
}

/* Runs the parser on text; what it says goes into the error. */
static int run_parser(const char *text, struct cor_error *err)
{
	static const char *const sbin[] = {"/usr/sbin", "/sbin", NULL};
	char *const argv[] = {(char[]){PARSER}, (char[]){"-Kr"}, NULL};
	_cleanup_free_ char *program = NULL, *said = NULL;
	_cleanup_close_ int in = -1, out = -1;
	int ends[2], status = 0, r;
	pid_t pid;

	if (cor_find_program(PARSER, sbin, &program) < 0)
		return cor_error_set(err, COR_NOT_FOUND, PARSER ": executable file not found in PATH");
	in = text_file(text, err);
	if (in < 0)
		return in;
	if (cor_pipe(ends) < 0)
		return cor_error_errno(err, errno, "pipe");
	out = ends[0];
	r = cor_spawn(&(struct cor_spawn){.path = program,
					  .argv = argv,
					  .cwd_fd = -1,
					  .fds = {in, ends[1], ends[1]},
					  .nfds = 3,
					  .default_signals = true},
		      &pid, NULL, err);
	cor_close(ends[1]);
	if (r < 0)
		return r;
	(void)cor_read_fd(out, 64u << 10, &said, NULL, NULL);
	out = cor_close(out);
	r = cor_wait_exit(pid, &status);
	if (r < 0)
		return cor_error_errno(err, r, "wait for " PARSER);
	if (status == 0)
		return 0;
	if (said)
		said[strcspn(said, "\n")] = '\0';
	return cor_error_set(err, COR_FAILED_PRECONDITION, PARSER ": exit status %d: %.512s", status,
			     said ? said : "");
}

int cor_spec_apparmor_load(const char *name, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	bool loaded;
	int r = is_loaded(name, &loaded, err);

	if (r < 0 || loaded)
		return r;
	text = make_text(name);
	if (!text)
		return cor_error_oom(err);
	r = run_parser(text, err);
	return r < 0 ? cor_error_wrap(err, r, "load apparmor profile %s", name) : 0;
}
