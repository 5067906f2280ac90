/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of CDI files, read once. Invariants:
 *  1. A file that cannot be read or is refused never stands in the way of another one; it is remembered with its reason.
 *  2. A device is what the file of the highest priority says; two files of one directory that both have it make it
 *     unresolvable.
 *  3. Only regular files are opened for reading: neither a FIFO nor a device node can hold up or be changed by this.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "cdi/internal.h"

const char *const cor_cdi_default_dirs[] = {"/etc/cdi", "/var/run/cdi", NULL};

struct file {
	char *path, *kind;
	int priority;
	json_t *doc;
};

struct problem {
	char *kind; /* NULL: unknown, so it may be any */
	char *text; /* "<path>: <why>" */
};

struct cor_cdi {
	struct file *files;
	struct problem *problems;
	size_t n_files, files_cap, n_problems, problems_cap;
	char **vendors;
};

struct cor_cdi *cor_cdi_free(struct cor_cdi *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_files; i++) {
		free(c->files[i].path);
		free(c->files[i].kind);
		json_decref(c->files[i].doc);
	}
	for (size_t i = 0; i < c->n_problems; i++) {
		free(c->problems[i].kind);
		free(c->problems[i].text);
	}
	free(c->files);
	free(c->problems);
	cor_strv_free(c->vendors);
	free(c);
	return NULL;
}

/* ---- reading ---- */

/* Consumes kind. */
static int add_problem(struct cor_cdi *c, const char *path, char *kind_take, const struct cor_error *why,
		       struct cor_error *err)
{
	_cleanup_free_ char *kind = kind_take, *text = cor_asprintf("%s: %s", path, why->message);

	if (!text || cor_grow(&c->problems, &c->problems_cap, c->n_problems + 1, sizeof(*c->problems)) < 0)
		return cor_error_oom(err);
	cor_debug("CDI: %s", text);
	c->problems[c->n_problems++] = (struct problem){.kind = TAKE_PTR(kind), .text = TAKE_PTR(text)};
	return 0;
}

/* Looks before it opens (invariant 3); what was looked at is what is opened. */
static int open_regular(int dirfd, const char *name, struct cor_error *err)
{
	_cleanup_close_ int path_fd = openat(dirfd, name, O_PATH | O_CLOEXEC);
	char self[40];
	struct stat st;
	int fd;

	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return cor_error_errno(err, errno, "open");
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "not a regular file");
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = openat(AT_FDCWD, self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? cor_error_errno(err, errno, "open") : fd;
}

static int load(int dirfd, const char *name, json_t **ret, char **ret_kind, struct cor_error *err)
{
	_cleanup_close_ int fd = open_regular(dirfd, name, err);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = fd;

	if (r >= 0)
		r = cor_read_fd(fd, COR_CDI_FILE_MAX, &text, &len, err);
	return r < 0 ? r : cor_cdi_parse(text, len, ret, ret_kind, err);
}

static int add_vendor(struct cor_cdi *c, const char *kind, struct cor_error *err)
{
	_cleanup_free_ char *vendor = strndup(kind, strcspn(kind, "/"));

	if (!vendor)
		return cor_error_oom(err);
	if (cor_strv_contains(c->vendors, vendor))
		return 0;
	return cor_strv_push_take(&c->vendors, TAKE_PTR(vendor)) < 0 ? cor_error_oom(err) : 0;
}

static int add_file(struct cor_cdi *c, int dirfd, const char *path, int priority, char *const *kinds,
		    struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *kind = NULL, *copy = NULL;
	struct cor_error why = {0};
	int r = load(dirfd, cor_path_base(path), &doc, &kind, &why);

	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return add_problem(c, path, TAKE_PTR(kind), &why, err);
	free(kind);
	kind = strdup(json_string_value(json_object_get(doc, "kind")));
	copy = strdup(path);
	if (!kind || !copy)
		return cor_error_oom(err);
	r = add_vendor(c, kind, err);
	if (r < 0 || !cor_strv_contains(kinds, kind))
		return r;
	if (cor_grow(&c->files, &c->files_cap, c->n_files + 1, sizeof(*c->files)) < 0)
		return cor_error_oom(err);
	c->files[c->n_files++] = (struct file){
		.path = TAKE_PTR(copy), .kind = TAKE_PTR(kind), .priority = priority, .doc = TAKE_PTR(doc)};
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of what may be CDI files, sorted. Consumes fd. */
static int list_names(int fd_take, char ***ret, struct cor_error *err)
{
	_cleanup_strv_ char **names = cor_new0(char *, COR_CDI_DIR_MAX + 1);
	DIR *dir = fdopendir(fd_take);
	struct dirent *e;
	size_t n = 0;
	int r = 0;

	if (!dir)
		cor_close(fd_take);
	if (!dir || !names)
		r = cor_error_oom(err);
	while (r >= 0 && (errno = 0, e = readdir(dir))) {
		if (e->d_type == DT_DIR ||
		    (!cor_endswith(e->d_name, ".json") && !cor_endswith(e->d_name, ".yaml")))
			continue;
		if (n == COR_CDI_DIR_MAX)
			r = cor_error_set(err, COR_RESOURCE_EXHAUSTED, "more than %d files", COR_CDI_DIR_MAX);
		else if (!(names[n++] = strdup(e->d_name)))
			r = cor_error_oom(err);
	}
	if (r >= 0 && errno)
		r = cor_error_errno(err, errno, "read");
	if (dir)
		closedir(dir);
	if (r < 0)
		return r;
	qsort(names, n, sizeof(*names), compare_names);
	*ret = TAKE_PTR(names);
	return 0;
}

static int add_dir(struct cor_cdi *c, const char *dir, int priority, char *const *kinds,
		   struct cor_error *err)
{
	_cleanup_close_ int fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ char **names = NULL;
	struct cor_error why = {0};
	int r = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		r = cor_error_errno(&why, errno, "open");
	else
		r = list_names(fcntl(fd, F_DUPFD_CLOEXEC, 0), &names, &why);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return add_problem(c, dir, NULL, &why, err);
	for (size_t i = 0; r >= 0 && names[i]; i++) {
		_cleanup_free_ char *path = cor_path_join(dir, names[i]);

		r = path ? add_file(c, fd, path, priority, kinds, err) : cor_error_oom(err);
	}
	return r;
}

int cor_cdi_open(char *const *dirs, char *const *kinds, struct cor_cdi **ret, struct cor_error *err)
{
	_cleanup_(cor_cdi_freep) struct cor_cdi *c = cor_new0(struct cor_cdi, 1);
	int r = c ? 0 : cor_error_oom(err);

	for (int i = 0; r >= 0 && dirs[i]; i++)
		r = add_dir(c, dirs[i], i, kinds, err);
	if (r >= 0)
		*ret = TAKE_PTR(c);
	return r;
}

bool cor_cdi_has_vendor(const struct cor_cdi *c, const char *vendor)
{
	return cor_strv_contains(c->vendors, vendor);
}

const char *cor_cdi_problem(const struct cor_cdi *c, const char *kind, size_t i)
{
	for (size_t k = 0; k < c->n_problems; k++) {
		const struct problem *p = &c->problems[k];

		if ((kind && p->kind ? streq(p->kind, kind) : kind == p->kind) && i-- == 0)
			return p->text;
	}
	return NULL;
}

/* ---- resolving ---- */

static const json_t *device_in(const struct file *f, const char *kind, size_t kind_len, const char *name)
{
	json_t *device;
	size_t i;

	if (strlen(f->kind) != kind_len || strncmp(f->kind, kind, kind_len) != 0)
		return NULL;
	json_array_foreach(
		json_object_get(f->doc, "devices"), i,
		device) if (streq(json_string_value(json_object_get(device, "name")), name)) return device;
	return NULL;
}

/* The device's file, *ret_device in it; NULL: none, or a conflict of *ret_conflict (then not NULL). */
static const struct file *find(const struct cor_cdi *c, const char *qualified, const json_t **ret_device,
			       const struct file *ret_conflict[2])
{
	size_t kind_len = strcspn(qualified, "=");
	const struct file *best = NULL;

	ret_conflict[0] = ret_conflict[1] = NULL;
	for (size_t i = 0; i < c->n_files; i++) { /* in order of priority */
		const struct file *f = &c->files[i];
		const json_t *device = device_in(f, qualified, kind_len, qualified + kind_len + 1);

		if (!device)
			continue;
		if (best && best->priority == f->priority) {
			ret_conflict[0] = best;
			ret_conflict[1] = f;
			return NULL;
		}
		best = f;
		*ret_device = device;
	}
	return best;
}

static int merge(json_t *into, const json_t *edits, struct cor_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)edits, key, value)
	{
		json_t *list = json_object_get(into, key);
		int r;

		/* Lists grow; the one object there is, intelRdt, is replaced as a whole. */
		if (!json_is_array(value)) {
			r = json_object_set(into, key, value);
		} else {
			if (!list) {
				list = json_array();
				if (json_object_set_new(into, key, list) < 0)
					return cor_error_oom(err);
			}
			r = json_array_extend(list, value);
		}
		if (r < 0)
			return cor_error_oom(err);
	}
	return 0;
}

/* ": <file>: <why>" for the problem that most likely is the reason, or nothing. */
static void add_reason(const struct cor_cdi *c, const char *qualified, const struct file *const conflict[2],
		       struct cor_buf *text)
{
	size_t kind_len = strcspn(qualified, "=");
	const struct problem *unknown = NULL, *same = NULL;

	if (conflict[0]) {
		cor_buf_printf(text, ": conflicting device \"%s\" (specs \"%s\", \"%s\")", qualified,
			       conflict[0]->path, conflict[1]->path);
		return;
	}
	for (size_t i = 0; i < c->n_problems; i++) {
		const struct problem *p = &c->problems[i];

		if (!p->kind)
			unknown = unknown ? unknown : p;
		else if (strlen(p->kind) == kind_len && strncmp(p->kind, qualified, kind_len) == 0)
			same = same ? same : p;
	}
	if (same || unknown)
		cor_buf_printf(text, ": %s", same ? same->text : unknown->text);
}

/* Names what cannot be resolved. 0 when all can. */
static int check_resolvable(const struct cor_cdi *c, char *const *names, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf list = {0}, reason = {0};
	const struct file *conflict[2];
	const json_t *device;

	for (; *names; names++) {
		if (find(c, *names, &device, conflict))
			continue;
		cor_buf_printf(&list, "%s%s", list.len ? ", " : "", *names);
		if (!reason.len)
			add_reason(c, *names, conflict, &reason);
	}
	if (!list.len)
		return 0;
	if (list.failed || reason.failed)
		return cor_error_oom(err);
	return cor_error_set(err, COR_NOT_FOUND, "unresolvable CDI devices %s%s", list.data,
			     reason.len ? reason.data : "");
}

int cor_cdi_resolve(const struct cor_cdi *c, char *const *names, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *edits = json_object();
	_cleanup_free_ bool *used = cor_new0(bool, c->n_files + 1);
	int r;

	if (!edits || !used)
		return cor_error_oom(err);
	r = check_resolvable(c, names, err);
	for (; r >= 0 && *names; names++) {
		const struct file *conflict[2], *f;
		const json_t *device = NULL;

		f = find(c, *names, &device, conflict);
		if (!used[f - c->files])
			r = merge(edits, json_object_get(f->doc, "containerEdits"), err);
		used[f - c->files] = true;
		if (r >= 0)
			r = merge(edits, json_object_get(device, "containerEdits"), err);
	}
	if (r >= 0)
		*ret = TAKE_PTR(edits);
	return r;
}
