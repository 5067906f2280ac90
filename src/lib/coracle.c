/* SPDX-License-Identifier: Apache-2.0 */
/* The public library: thin handles over the services and operations. Contracts in include/coracle/coracle.h. */
#include "coracle/coracle.h"

#include <errno.h>
#include <signal.h>

#include "base/fd.h"
#include "base/str.h"
#include "client/client.h"
#include "engine/engine.h"

struct cor_client {
	struct cor_services *s;
};

struct cor_process {
	struct cor_client *client;
	char *id;
	int exit_fd;
};

const char *cor_version(void)
{
	return COR_VERSION;
}

int cor_client_open(const struct cor_client_options *options, struct cor_client **ret, struct cor_error *err)
{
	struct cor_engine_options eo = {0};
	if (options) {
		if (options->size < sizeof(*options))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "cor_client_options: size is not set");
		eo.root = options->root;
		eo.state = options->state;
		eo.ns = options->ns;
		eo.snapshotter = options->snapshotter;
	}
	struct cor_client *c = cor_new0(struct cor_client, 1);
	if (!c)
		return cor_error_oom(err);
	int r = cor_engine_open(&eo, &c->s, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct cor_client *cor_client_free(struct cor_client *client)
{
	if (client)
		cor_services_free(client->s);
	free(client);
	return NULL;
}

static int count_image(const char *name, const char *digest, void *data)
{
	int *n = data;
	(void)name;
	(void)digest;
	(*n)++;
	return 0;
}

int cor_client_import(struct cor_client *client, int fd, const char *base_name, struct cor_error *err)
{
	struct cor_import_options o = {.base_name = base_name};
	int n = 0;
	int r = cor_import_stream(client->s, fd, &o, count_image, &n, err);
	return r < 0 ? r : n;
}

struct image_walk {
	int (*fn)(const char *name, const char *digest, void *data);
	void *data;
};

static int tell_image(const struct cor_image *image, void *data)
{
	struct image_walk *w = data;
	return w->fn(image->name, image->target.digest, w->data) ? 1 : 0;
}

int cor_client_images(struct cor_client *client, int (*fn)(const char *name, const char *digest, void *data),
		      void *data, struct cor_error *err)
{
	struct image_walk w = {.fn = fn, .data = data};
	return client->s->images->walk(client->s, tell_image, &w, err);
}

static int create_task(struct cor_services *s, const struct cor_process_options *o,
		       const struct cor_container *c, struct cor_error *err)
{
	_cleanup_mounts_ struct cor_mounts rootfs = {0};
	int r = s->snapshots->mounts(s, c->snapshotter, c->snapshot_key, &rootfs, err);
	if (r < 0)
		return r;
	struct cor_task_create req = {
		.id = c->id,
		.container = c,
		.rootfs = &rootfs,
		.stdio = {.kind = COR_STDIO_INHERIT, .fds = {o->stdio[0], o->stdio[1], o->stdio[2]}},
		.start = true,
	};
	r = s->tasks->create(s, &req, NULL, NULL, err);
	return r < 0 ? r : s->tasks->start(s, c->id, NULL, NULL, err);
}

/* Kills what runs, and removes task, record and snapshot. */
static int remove_all(struct cor_services *s, const char *id, struct cor_error *err)
{
	struct cor_error ignored = {0};
	struct cor_task_exit ended;
	if (s->tasks->kill(s, id, NULL, SIGKILL, true, &ignored) >= 0)
		(void)s->tasks->wait(s, id, NULL, &ended, &ignored);
	return cor_delete_container(s, id, false, err);
}

int cor_process_start(struct cor_client *client, const struct cor_process_options *o,
		      struct cor_process **ret, struct cor_error *err)
{
	struct cor_services *s = client->s;
	struct cor_container c = {0};
	if (o->size < sizeof(*o))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "cor_process_options: size is not set");
	if (cor_empty(o->image) || cor_empty(o->id))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "cor_process_options: image and id must be provided");
	/* The operations borrow string vectors without changing them. */
	char *const *args = (char *const *)(uintptr_t)o->args, *const *env = (char *const *)(uintptr_t)o->env;
	struct cor_create_options create = {
		.image = o->image,
		.runc_binary = o->runtime,
		.spec = {.id = o->id, .ns = s->ns, .args = args, .env = env, .cpu_quota = -1},
	};
	struct cor_process *p = cor_new0(struct cor_process, 1);
	if (!p || !(p->id = strdup(o->id))) {
		cor_process_free(p);
		return cor_error_oom(err);
	}
	p->client = client;
	p->exit_fd = -1;
	int r = cor_create_container(s, &create, &c, err);
	if (r < 0) {
		cor_process_free(p);
		return r;
	}
	r = create_task(s, o, &c, err);
	if (r >= 0)
		r = s->tasks->wait_fd(s, c.id, NULL, &p->exit_fd, err);
	if (r < 0) {
		(void)remove_all(s, c.id, NULL);
		cor_process_free(p);
	} else {
		*ret = p;
	}
	cor_container_done(&c);
	return r < 0 ? r : 0;
}

int cor_process_fd(const struct cor_process *process)
{
	return process->exit_fd;
}

int cor_process_kill(struct cor_process *process, int sig, struct cor_error *err)
{
	return process->client->s->tasks->kill(process->client->s, process->id, NULL, sig, false, err);
}

int cor_process_wait(struct cor_process *process, uint32_t *ret_status, struct cor_error *err)
{
	struct cor_task_exit ended = {0};
	int r = process->client->s->tasks->wait(process->client->s, process->id, NULL, &ended, err);
	if (r >= 0)
		*ret_status = ended.status;
	return r < 0 ? r : 0;
}

int cor_process_remove(struct cor_process *process, struct cor_error *err)
{
	return remove_all(process->client->s, process->id, err);
}

struct cor_process *cor_process_free(struct cor_process *process)
{
	if (process) {
		cor_close(process->exit_fd);
		free(process->id);
	}
	free(process);
	return NULL;
}
