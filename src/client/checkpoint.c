/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making checkpoints: of a task (`tasks checkpoint`), and of a container with as much of it as was asked for
 * (`containers checkpoint`).
 *
 * The task is paused for as long as it takes, so that memory and files belong together, and goes on afterwards. Where it is to
 * end it is killed last, when the checkpoint is safe: whatever fails leaves it running, and of the checkpoint nothing.
 */
#include "client/checkpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "rpc/shim_api.h"
#include "rpc/wire.h"

#define IMAGE_LABEL "containerd.io/checkpoint"
/* containerd.runc.v1.CheckpointOptions: bool file_locks = 5 */
#define FILE_LOCKS  5

/* *ret_thaw: it was not paused before. */
static int freeze(struct cor_services *s, const char *id, bool *ret_thaw, struct cor_error *err)
{
	struct cor_task t = {0};
	int r = s->tasks->state(s, id, NULL, &t, err);
	if (r < 0)
		return r;
	enum cor_task_status status = t.status;
	cor_task_done(&t);
	if (status == COR_TASK_PAUSED)
		return 0;
	if (status == COR_TASK_STOPPED)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot checkpoint a stopped container: failed precondition");
	if (status == COR_TASK_CREATED)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot checkpoint a task in created state: failed precondition");
	r = s->tasks->pause(s, id, err);
	if (r >= 0)
		*ret_thaw = true;
	return r;
}

static void thaw(struct cor_services *s, const char *id)
{
	struct cor_error e = {0};
	if (s->tasks->resume(s, id, &e) < 0 && e.code != COR_NOT_FOUND)
		cor_warn("resume task %s: %s", id, e.message);
}

static int end_task(struct cor_services *s, const char *id, struct cor_error *err)
{
	struct cor_task_exit ended;
	struct cor_error e = {0};
	int r = s->tasks->kill(s, id, NULL, SIGKILL, true, &e);
	if (r < 0 && e.code != COR_NOT_FOUND) {
		if (err)
			*err = e;
		return r;
	}
	(void)s->tasks->wait(s, id, NULL, &ended, &e);
	return 0;
}

/* What was written for a checkpoint that did not come to be is garbage: collected now rather than with the next deletion. */
static void end_lease(struct cor_services *s, bool failed)
{
	struct cor_error e = {0};
	s->leases->end(s);
	if (failed && s->gc && s->gc->run(s, false, NULL, NULL, &e) < 0)
		cor_warn("garbage is left to the next collection: %s", e.message);
}

static int add_task(struct cor_checkpoint_index *x, const struct cor_task_checkpoint *req,
		    struct cor_error *err)
{
	struct cor_checkpoint_result made = {0};
	int r = x->s->tasks->checkpoint(x->s, req, &made, err);
	if (r >= 0)
		r = cor_checkpoint_index_add(x, &made.criu, true, err);
	if (r >= 0)
		r = cor_checkpoint_index_add(x, &made.config, true, err);
	cor_checkpoint_result_done(&made);
	return r;
}

/* A signal must not leave the task paused: whoever is to be ended by one takes back first what was made. */
static void hold_signals(sigset_t *saved)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &set, saved);
}

static int check_interrupted(struct cor_services *s, const char *image, struct cor_error *err)
{
	sigset_t pending;
	sigemptyset(&pending);
	(void)sigpending(&pending);
	if (sigismember(&pending, SIGINT) <= 0 && sigismember(&pending, SIGTERM) <= 0 &&
	    sigismember(&pending, SIGHUP) <= 0 && sigismember(&pending, SIGQUIT) <= 0)
		return 0;
	(void)s->images->remove(s, image, false, NULL);
	return cor_error_set(err, COR_CANCELLED, "interrupted");
}

/* ---- tasks checkpoint ---------------------------------------------------------------------------------------- */

static int fill_task(struct cor_checkpoint_index *x, const struct cor_container *c, const char *work_path,
		     struct cor_error *err)
{
	struct cor_task_checkpoint req = {.id = c->id, .work_path = work_path};
	int r = add_task(x, &req, err);
	if (r >= 0 && !cor_empty(c->image)) {
		r = cor_checkpoint_index_add_image(x, c->image, err);
		if (r >= 0)
			r = cor_checkpoint_index_annotate(x, COR_CHECKPOINT_TASK_IMAGE, c->image, err);
	}
	if (r >= 0 && !cor_empty(c->snapshot_key))
		r = cor_checkpoint_index_add_rw(x, c, err);
	return r;
}

/* containerd's: local time, in the order of nobody's country. */
static char *image_name(const char *id)
{
	char date[32];
	struct tm tm;
	time_t now = time(NULL);
	if (!localtime_r(&now, &tm) || !strftime(date, sizeof(date), "%m-%d-%Y-%H:%M:%S", &tm))
		return NULL;
	return cor_asprintf("containerd.io/checkpoint/%s:%s", id, date);
}

static int make_task_image(struct cor_services *s, const struct cor_container *c, const char *work_path,
			   char **ret_name, struct cor_error *err)
{
	struct cor_checkpoint_index x;
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *name = image_name(c->id);
	int r = cor_checkpoint_index_init(&x, s, err);
	if (r >= 0 && (!name || cor_map_set(&labels, IMAGE_LABEL, "true") < 0))
		r = cor_error_oom(err);
	if (r >= 0)
		r = fill_task(&x, c, work_path, err);
	if (r >= 0)
		r = cor_checkpoint_index_record(&x, name, &labels, err);
	cor_checkpoint_index_done(&x);
	if (r >= 0)
		*ret_name = TAKE_PTR(name);
	return r;
}

static int checkpoint_into_image(struct cor_services *s, const struct cor_container *c,
				 const struct cor_checkpoint_task_options *o, char **ret_name,
				 struct cor_error *err)
{
	_cleanup_free_ char *name = NULL;
	bool frozen = false;
	int r = s->leases->begin(s, err);
	if (r < 0)
		return r;
	r = freeze(s, c->id, &frozen, err);
	if (r >= 0)
		r = make_task_image(s, c, o->work_path, &name, err);
	if (r >= 0)
		r = check_interrupted(s, name, err);
	if (r >= 0 && o->exit) {
		r = end_task(s, c->id, err);
		frozen = frozen && r < 0;
		if (r < 0)
			(void)s->images->remove(s, name, false, NULL);
	}
	if (frozen)
		thaw(s, c->id);
	end_lease(s, r < 0);
	if (r >= 0)
		*ret_name = TAKE_PTR(name);
	return r;
}

static int checkpoint_into_dir(struct cor_services *s, const struct cor_checkpoint_task_options *o,
			       struct cor_error *err)
{
	struct cor_checkpoint_result none = {0};
	struct cor_task_checkpoint req = {
		.id = o->id, .exit = o->exit, .image_path = o->image_path, .work_path = o->work_path};
	bool frozen = false;
	int r = freeze(s, o->id, &frozen, err);
	if (r >= 0)
		r = s->tasks->checkpoint(s, &req, &none, err);
	cor_checkpoint_result_done(&none);
	if (frozen && (r < 0 || !o->exit))
		thaw(s, o->id);
	return r;
}

int cor_checkpoint_task(struct cor_services *s, const struct cor_checkpoint_task_options *o, char **ret_name,
			struct cor_error *err)
{
	struct cor_container c = {0};
	sigset_t saved;
	int r = s->containers->get(s, o->id, &c, err);
	if (r < 0)
		return r;
	*ret_name = NULL;
	hold_signals(&saved);
	r = o->image_path ? checkpoint_into_dir(s, o, err) : checkpoint_into_image(s, &c, o, ret_name, err);
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	cor_container_done(&c);
	return r < 0 ? r : 0;
}

/* ---- containers checkpoint ----------------------------------------------------------------------------------- */

static int annotate(struct cor_checkpoint_index *x, const struct cor_container *c, struct cor_error *err)
{
	_cleanup_json_ json_t *labels = cor_json_from_map(&c->labels);
	_cleanup_free_ char *text = labels ? cor_json_dump(labels) : NULL;
	if (!text)
		return cor_error_oom(err);
	int r = cor_checkpoint_index_annotate(x, COR_CHECKPOINT_IMAGE, c->image, err);
	if (r >= 0)
		r = cor_checkpoint_index_annotate(x, COR_CHECKPOINT_RUNTIME, c->runtime, err);
	if (r >= 0)
		r = cor_checkpoint_index_annotate(x, COR_CHECKPOINT_SNAPSHOTTER, c->snapshotter, err);
	return r < 0 ? r : cor_checkpoint_index_annotate(x, COR_CHECKPOINT_LABELS, text, err);
}

static int add_task_options(struct cor_checkpoint_index *x, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};
	cor_wire_put_uint(&b, FILE_LOCKS, 1);
	return b.failed ? cor_error_oom(err)
			: cor_checkpoint_index_add_any(x, COR_MT_CHECKPOINT_OPTIONS,
						       COR_CHECKPOINT_OPTIONS_TYPE, b.data, b.len, err);
}

static int fill_container(struct cor_checkpoint_index *x, const struct cor_container *c,
			  const struct cor_checkpoint_container_options *o, struct cor_error *err)
{
	const struct cor_any *options = &c->runtime_options;
	struct cor_task_checkpoint req = {.id = c->id, .file_locks = true};
	int r = annotate(x, c, err);
	if (r >= 0 && options->type_url)
		r = cor_checkpoint_index_add_any(x, COR_MT_CHECKPOINT_RUNTIME_OPTIONS, options->type_url,
						 options->value, options->len, err);
	if (r >= 0 && o->image)
		r = cor_checkpoint_index_add_image(x, c->image, err);
	if (r >= 0 && o->rw)
		r = cor_checkpoint_index_add_rw(x, c, err);
	if (r >= 0 && o->task)
		r = add_task(x, &req, err);
	return r >= 0 && o->task ? add_task_options(x, err) : r;
}

static int check_container(struct cor_services *s, const struct cor_container *c, const char *ref,
			   struct cor_error *err)
{
	struct cor_image image = {0};
	if (cor_empty(c->image) || cor_empty(c->snapshot_key))
		return cor_error_set(err, COR_NOT_FOUND, "container not created from an image: not found");
	int r = s->images->get(s, c->image, &image, err);
	cor_image_done(&image);
	if (r < 0)
		return r;
	image = (struct cor_image){0};
	if (s->images->get(s, ref, &image, NULL) >= 0) {
		cor_image_done(&image);
		return cor_error_set(err, COR_ALREADY_EXISTS, "image \"%s\": already exists", ref);
	}
	return 0;
}

static int make_container_image(struct cor_services *s, const struct cor_container *c,
				const struct cor_checkpoint_container_options *o, struct cor_error *err)
{
	struct cor_checkpoint_index x;
	struct cor_error e = {0};
	bool frozen = false;
	int r = freeze(s, c->id, &frozen, &e);
	/* Without a task there is nothing to hold still. A stopped one has ended with its files as they are. */
	if (r < 0 && !o->task && (e.code == COR_NOT_FOUND || e.code == COR_FAILED_PRECONDITION))
		r = 0;
	else if (r < 0 && err)
		*err = e;
	if (r < 0)
		return r;
	r = cor_checkpoint_index_init(&x, s, err);
	if (r >= 0)
		r = fill_container(&x, c, o, err);
	if (r >= 0)
		r = cor_checkpoint_index_record(&x, o->ref, NULL, err);
	cor_checkpoint_index_done(&x);
	if (frozen)
		thaw(s, c->id);
	return r;
}

int cor_checkpoint_container(struct cor_services *s, const struct cor_checkpoint_container_options *o,
			     struct cor_error *err)
{
	struct cor_container c = {0};
	sigset_t saved;
	int r = s->containers->get(s, o->id, &c, err);
	if (r < 0)
		return r;
	hold_signals(&saved);
	r = check_container(s, &c, o->ref, err);
	if (r >= 0)
		r = s->leases->begin(s, err);
	if (r >= 0) {
		r = make_container_image(s, &c, o, err);
		if (r >= 0)
			r = check_interrupted(s, o->ref, err);
		end_lease(s, r < 0);
	}
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	cor_container_done(&c);
	return r < 0 ? r : 0;
}
