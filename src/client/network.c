/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks of containers by CNI plugins (run --cni): ADD between create and start, DEL when the container has ended.
 *
 * Invariants:
 *  1. The record says what may have been done before it is done, and forgets it after it has been undone. So whoever comes
 *     next can clean up, wherever a process was killed.
 *  2. The network namespace is pinned from before ADD until after DEL. Plugins can take down what needs it (the bridge
 *     plugin finds the masquerading rules by the addresses in it) also when the container has ended by itself. After a
 *     reboot it is gone, and so is what was in it; DEL gets no namespace then.
 *  3. All of it happens under the container's lock, which plugins inherit: a DEL never overtakes an ADD.
 */
#include "client/network.h"

#include <errno.h>
#include <sys/file.h>

#include "base/fd.h"
#include "base/log.h"

#define SECOND  INT64_C(1000000000)
#define ADD_NS  (60 * SECOND)
#define DEL_NS  (30 * SECOND)
/* After an ADD that failed: the same plugin may not be in a state to do better. */
#define UNDO_NS (10 * SECOND)
#define LOCK_NS (90 * SECOND)

/* ---- before anything is made ------------------------------------------------------------------------------------- */

int cor_network_check(const struct cor_create_options *o, struct cor_error *err)
{
	_cleanup_cni_network_ struct cor_cni_network network = {0};
	_cleanup_json_ json_t *ports = NULL;
	int r = cor_publish_parse(o->publish, &ports, err);
	if (r < 0)
		return r;
	if (!o->cni)
		return ports ? cor_error_set(err, COR_INVALID_ARGUMENT, "--publish needs --cni") : 0;
	if (o->spec.net_host)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --cni and --net-host cannot be specified together");
	r = cor_cni_load(COR_CNI_CONFIG_DIR, &network, err);
	if (r < 0)
		return r;
	if (ports && !cor_cni_has_capability(&network, "portMappings"))
		return cor_error_set(
			err, COR_FAILED_PRECONDITION,
			"--publish: no plugin of network \"%s\" in %s has the capability portMappings",
			network.name, COR_CNI_CONFIG_DIR);
	return 0;
}

int cor_network_check_spec(const struct cor_create_options *o, const json_t *spec, struct cor_error *err)
{
	const json_t *list = json_object_get(json_object_get(spec, "linux"), "namespaces");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *type = json_string_value(json_object_get(json_array_get(list, i), "type"));
		if (type && streq(type, "network"))
			return 0;
	}
	return o->cni ? cor_error_set(err, COR_INVALID_ARGUMENT,
				      "--cni: the spec gives the container no network namespace of its own")
		      : 0;
}

int cor_network_extensions(const struct cor_create_options *o, struct cor_map *ret, struct cor_error *err)
{
	_cleanup_network_record_ struct cor_network_record n = {0};
	if (!o->cni)
		return 0;
	int r = cor_publish_parse(o->publish, &n.ports, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_network_record_format(&n);
	if (!text || cor_map_set(ret, COR_NETWORK_CTR_EXTENSION, "{\"EnableCni\":true}") < 0 ||
	    (n.ports && cor_map_set(ret, COR_NETWORK_EXTENSION, text) < 0))
		return cor_error_oom(err);
	return 0;
}

bool cor_network_wanted(const struct cor_container *c)
{
	const char *text = cor_map_get(&c->extensions, COR_NETWORK_CTR_EXTENSION);
	_cleanup_json_ json_t *doc = NULL;
	return text && cor_json_parse(text, strlen(text), "", &doc, NULL) >= 0 &&
	       json_is_true(json_object_get(doc, "EnableCni"));
}

/* ---- one container's network, under its lock ----------------------------------------------------------------------- */

struct work {
	struct cor_services *s;
	const char *id;
	int lock;
	char *cni_id; /* "<namespace>-<id>", as ctr */
	struct cor_network_record record;
	struct cor_signals *signals;
	int signal; /* that stopped it, or 0 */
};

static bool stop_asked(void *data)
{
	struct work *w = data;
	w->signal = cor_signals_stop(w->signals);
	return w->signal != 0;
}

static struct cor_cni_call make_call(struct work *w, const char *netns, int64_t timeout_ns)
{
	return (struct cor_cni_call){
		.container_id = w->cni_id,
		.netns = netns,
		.interface = COR_CNI_INTERFACE,
		.port_mappings = w->record.ports,
		.timeout_ns = timeout_ns,
		.hold_fd = w->lock,
		.cancel_fd = w->signals ? w->signals->fd : -1,
		.cancelled = w->signals ? stop_asked : NULL,
		.data = w,
	};
}

/* The plugins have ended, but a daemon that one has left behind holds the lock's descriptor: to close ours is not enough. */
static void work_done(struct work *w)
{
	if (w->lock >= 0)
		(void)flock(w->lock, LOCK_UN);
	cor_close(w->lock);
	free(w->cni_id);
	cor_network_record_done(&w->record);
}

/* The lock, and what the record says now. *ret false: there is no such container, or it has no network. */
static int begin(struct work *w, bool *ret, struct cor_error *err)
{
	struct cor_container c = {0};
	struct cor_error e = {0};
	*ret = false;
	w->cni_id = cor_asprintf("%s-%s", w->s->ns, w->id);
	if (!w->cni_id)
		return cor_error_oom(err);
	int r = w->s->netns->lock(w->s, w->id, LOCK_NS, &w->lock, err);
	if (r < 0)
		return r;
	r = w->s->containers->get(w->s, w->id, &c, &e);
	if (r < 0 && e.code == COR_NOT_FOUND)
		return w->s->netns->unpin(w->s, w->id, true, err);
	if (r < 0) {
		if (err)
			*err = e;
		return r;
	}
	*ret = cor_network_wanted(&c);
	r = *ret ? cor_network_record_parse(&c, &w->record, err) : 0;
	cor_container_done(&c);
	return r;
}

static int save(struct work *w, struct cor_error *err)
{
	_cleanup_free_ char *text = cor_network_record_format(&w->record);
	if (!text)
		return cor_error_oom(err);
	return w->s->containers->set_extension(w->s, w->id, COR_NETWORK_EXTENSION,
					       streq(text, "{}") ? "" : text, err);
}

/* Back to a record without an attachment. */
static int clear(struct work *w, struct cor_error *err)
{
	struct cor_network_record *n = &w->record;
	bool had = n->attached;
	json_decref(n->result);
	free(n->netns);
	cor_cni_network_done(&n->network);
	n->result = NULL;
	n->netns = NULL;
	n->attached = false;
	return had ? save(w, err) : 0;
}

/* DEL. Not what becomes of pin and record. */
static int take_down(struct work *w, int64_t timeout_ns, struct cor_error *err)
{
	struct cor_network_record *n = &w->record;
	if (!n->attached)
		return 0;
	const char *netns = w->s->netns->pinned(w->s, w->id) ? n->netns : "";
	struct cor_cni_call call = make_call(w, netns, timeout_ns);
	int r = cor_cni_del(&n->network, &call, n->result, err);
	return r < 0 ? cor_error_wrap(err, r, "network of container %s", w->id) : 0;
}

/* ---- setting up ---------------------------------------------------------------------------------------------------- */

/* What an earlier run has left, that nobody has been there to take down. */
static int take_down_leftovers(struct work *w, struct cor_error *err)
{
	int r = take_down(w, DEL_NS, err);
	if (r >= 0)
		r = w->s->netns->unpin(w->s, w->id, false, err);
	return r < 0 ? r : clear(w, err);
}

static int set_up(struct work *w, pid_t pid, struct cor_error *err)
{
	struct cor_network_record *n = &w->record;
	int r = cor_cni_load(COR_CNI_CONFIG_DIR, &n->network, err);
	if (r >= 0)
		r = w->s->netns->pin(w->s, w->id, pid, &n->netns, err);
	if (r < 0)
		return r;
	n->attached = true;
	r = save(w, err);
	if (r < 0) { /* no plugin has run */
		n->attached = false;
		return r;
	}
	struct cor_cni_call call = make_call(w, n->netns, ADD_NS);
	r = cor_cni_add(&n->network, &call, &n->result, err);
	return r < 0 ? r : save(w, err);
}

/* Best effort: the error to tell is the one before. A second signal stops this, too. What is not down stays recorded, and
 * pinned, for whoever deletes the container. */
static void undo(struct work *w)
{
	struct cor_error e = {0};
	int signal = w->signal;
	int r = take_down(w, UNDO_NS, &e);
	w->signal = signal ? signal : w->signal;
	if (r < 0 && e.code != COR_NOT_FOUND) {
		cor_warn("%s", e.message);
		return;
	}
	/* Plugins that are not installed have done nothing. */
	cor_error_clear(&e);
	if (w->s->netns->unpin(w->s, w->id, false, &e) < 0)
		cor_warn("%s", e.message);
	(void)clear(w, &e); /* the container may be gone already */
}

int cor_network_attach(struct cor_services *s, const struct cor_container *c, pid_t pid,
		       struct cor_signals *signals, int *ret_signal, struct cor_error *err)
{
	struct work w = {.s = s, .id = c->id, .lock = -1, .signals = signals};
	bool wanted = cor_network_wanted(c);
	if (!wanted)
		return 0;
	if (!s->netns)
		return cor_error_set(err, COR_UNIMPLEMENTED, "--cni is not supported here");
	int r = begin(&w, &wanted, err);
	if (r >= 0 && !wanted)
		r = cor_error_set(err, COR_NOT_FOUND, "container \"%s\" in namespace \"%s\": not found",
				  c->id, s->ns);
	if (r >= 0)
		r = take_down_leftovers(&w, err);
	if (r >= 0) {
		r = set_up(&w, pid, err);
		if (r < 0)
			undo(&w);
	}
	if (r == -ECANCELED && ret_signal)
		*ret_signal = w.signal;
	work_done(&w);
	return r;
}

/* ---- taking down --------------------------------------------------------------------------------------------------- */

/* Between the end of the caller's task and the lock somebody may have started another one, and set up its network. */
static int has_live_task(struct cor_services *s, const char *id, struct cor_error *err)
{
	struct cor_task t = {0};
	struct cor_error e = {0};
	int r = s->tasks->state(s, id, NULL, &t, &e);
	if (r < 0 && e.code == COR_NOT_FOUND)
		return 0;
	if (r < 0) {
		if (err)
			*err = e;
		return r;
	}
	bool live = t.status == COR_TASK_CREATED || t.status == COR_TASK_RUNNING ||
		    t.status == COR_TASK_PAUSED || t.status == COR_TASK_PAUSING;
	cor_task_done(&t);
	return live;
}

bool cor_network_left(struct cor_services *s, const char *id)
{
	_cleanup_network_record_ struct cor_network_record n = {0};
	struct cor_container c = {0};
	if (!s->netns || s->containers->get(s, id, &c, NULL) < 0)
		return false;
	bool left = cor_network_wanted(&c) && cor_network_record_parse(&c, &n, NULL) >= 0 && n.attached;
	cor_container_done(&c);
	return left;
}

int cor_network_detach(struct cor_services *s, const char *id, struct cor_signals *signals,
		       struct cor_error *err)
{
	struct work w = {.s = s, .id = id, .lock = -1, .signals = signals};
	struct cor_container c = {0};
	bool wanted = false;
	/* Most containers have no network of this kind: no lock for them. */
	if (!s->netns || s->containers->get(s, id, &c, NULL) < 0)
		return 0;
	wanted = cor_network_wanted(&c);
	cor_container_done(&c);
	if (!wanted)
		return 0;
	int r = begin(&w, &wanted, err);
	if (r >= 0 && wanted) {
		r = has_live_task(s, id, err);
		wanted = r == 0;
	}
	if (r >= 0 && wanted)
		r = take_down(&w, DEL_NS, err);
	if (r >= 0 && wanted)
		r = s->netns->unpin(s, id, false, err);
	if (r >= 0 && wanted)
		r = clear(&w, err);
	work_done(&w);
	return r < 0 ? r : 0;
}

int cor_network_forget(struct cor_services *s, const struct cor_container *c, struct cor_error *err)
{
	struct work w = {.s = s, .id = c->id, .lock = -1};
	struct cor_error e = {0};
	bool wanted = cor_network_wanted(c);
	if (!wanted || !s->netns)
		return 0;
	int r = begin(&w, &wanted, err);
	if (r >= 0 && wanted) {
		r = take_down(&w, DEL_NS, &e);
		if (r < 0 && e.code == COR_NOT_FOUND) {
			cor_warn("%s", e.message);
			r = 0;
		} else if (r < 0 && err) {
			*err = e;
		}
		if (r >= 0)
			r = s->netns->unpin(s, c->id, true, err);
	}
	work_done(&w);
	return r < 0 ? r : 0;
}
