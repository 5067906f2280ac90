/* SPDX-License-Identifier: Apache-2.0 */
/* `namespaces`: create, list, remove, label. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/table.h"
#include "cmd/text.h"
#include "oci/identifier.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static int need_name(int argc, char **args, struct cor_error *err)
{
	if (argc < 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "please specify a namespace");
	return cor_identifier_validate(NULL, args[0], err);
}

/* ---- create ---- */

static int run_create(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_services *s;

	int r = need_name(argc, args, err);
	if (r >= 0)
		r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	return r < 0 ? r : s->namespaces->create(s, args[0], &labels, err);
}

static const struct cor_command create = {
	.name = "create",
	.aliases = "c",
	.usage = "create a new namespace",
	.args_usage = "<name> [<key>=<value> ...]",
	.description = "Creates a namespace; its name must not be taken. Namespaces are also made by their "
		       "first use.",
	.run = run_create,
};

/* ---- list ---- */

struct list_options {
	bool quiet;
};
static const struct cor_option list_options[] = {
	COR_OPT(struct list_options, COR_OPT_BOOL, quiet, "quiet", "q", "print only the namespace name"),
	COR_OPT_END,
};

struct listing {
	FILE *out; /* quiet; else NULL */
	struct cor_table table;
};

static int add_row(const char *name, const struct cor_map *labels, void *data)
{
	struct listing *l = data;

	if (l->out) {
		cor_text_line(l->out, name);
		return 0;
	}
	_cleanup_free_ char *text = cor_labels_format(labels, "");
	if (!text)
		return -ENOMEM;
	cor_table_row(&l->table, name, text);
	return 0;
}

static int run_list(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct list_options *o = opts;
	struct listing l = {.out = o->quiet ? ctx->out : NULL, .table = COR_TABLE(1, 1)};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	cor_table_row(&l.table, "NAME", "LABELS");
	if (r >= 0)
		r = s->namespaces->walk(s, add_row, &l, err);
	if (r >= 0 && !o->quiet && cor_table_print(&l.table, ctx->out) < 0)
		r = cor_error_oom(err);
	cor_table_done(&l.table);
	return r;
}

static const struct cor_command list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list namespaces",
	.args_usage = "[flags]",
	.options = list_options,
	.options_size = sizeof(struct list_options),
	.run = run_list,
};

/* ---- remove ---- */

struct remove_options {
	bool cgroup;
};
static const struct cor_option remove_options[] = {
	COR_OPT(struct remove_options, COR_OPT_BOOL, cgroup, "cgroup", "c", "delete the namespace's cgroup"),
	COR_OPT_END,
};

static int remove_directory(int dirfd, const char *hierarchy, const char *name, struct cor_error *err)
{
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return cor_error_errno(err, errno, "remove cgroup %s/%s/%s", CGROUP_ROOT, hierarchy, name);
}

/* Version 1, or both side by side: each directory below the mount is a hierarchy. */
static int remove_from_hierarchies(int root, const char *name, struct cor_error *err)
{
	int r = 0, copy = fcntl(root, F_DUPFD_CLOEXEC, 3);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		r = cor_error_errno(err, errno, "open %s", CGROUP_ROOT);
		cor_close(copy);
		return r;
	}
	for (struct dirent *d; r >= 0 && (d = readdir(dir));) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		_cleanup_close_ int hierarchy =
			openat(root, d->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (hierarchy >= 0)
			r = remove_directory(hierarchy, d->d_name, name, err);
	}
	closedir(dir);
	return r;
}

/* The containers' cgroups are /<namespace>/<id>; runtimes leave the parent behind. */
static int remove_cgroup(const char *name, struct cor_error *err)
{
	struct statfs fs;
	_cleanup_close_ int root = openat(AT_FDCWD, CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || fstatfs(root, &fs) < 0)
		return cor_error_errno(err, errno, "open %s", CGROUP_ROOT);
	if (fs.f_type == CGROUP2_SUPER_MAGIC)
		return remove_directory(root, ".", name, err);
	return remove_from_hierarchies(root, name, err);
}

static int remove_one(struct cor_services *s, const char *name, bool cgroup, struct cor_error *err)
{
	int r = cor_identifier_validate("namespace", name, err);

	if (r >= 0)
		r = s->namespaces->remove(s, name, err);
	/* As ctr: one that is not there is fine. */
	if (r < 0 && cor_error_is(err, COR_NOT_FOUND)) {
		cor_error_clear(err);
		r = 0;
	}
	return r >= 0 && cgroup ? remove_cgroup(name, err) : r;
}

static int run_remove(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct remove_options *o = opts;
	struct cor_services *s;
	int first = 0;

	int r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		struct cor_error e = {0};
		r = remove_one(s, args[i], o->cgroup, &e);
		if (r >= 0) {
			cor_text_line(ctx->out, args[i]);
			continue;
		}
		cor_error_wrap(&e, r, "unable to delete %s", args[i]);
		if (first < 0) {
			cor_log(COR_LOG_ERROR, "%s", e.message);
			continue;
		}
		first = r;
		*err = e;
	}
	return first;
}

static const struct cor_command remove_ = {
	.name = "remove",
	.aliases = "rm",
	.usage = "remove one or more namespaces",
	.complete = "NAMESPACE",
	.args_usage = "[flags] <name> [<name>, ...]",
	.description = "Removes namespaces, which must be empty.",
	.options = remove_options,
	.options_size = sizeof(struct remove_options),
	.run = run_remove,
};

/* ---- label ---- */

static int run_label(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_services *s;

	int r = need_name(argc, args, err);
	if (r >= 0)
		r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	return r < 0 || labels.n == 0 ? r : s->namespaces->label(s, args[0], &labels, err);
}

static const struct cor_command label = {
	.name = "label",
	.usage = "set and clear labels for a namespace",
	.complete = "NAMESPACE",
	.args_usage = "<name> [<key>=<value>, ...]",
	.description = "Sets labels; an empty value clears one.",
	.run = run_label,
};

static const struct cor_command *const commands[] = {&create, &list, &remove_, &label, NULL};

const struct cor_command cor_cmd_namespaces = {
	.name = "namespaces",
	.aliases = "namespace,ns",
	.usage = "manage namespaces",
	.subcommands = commands,
};
