/* SPDX-License-Identifier: Apache-2.0 */
/* Filled as an active snapshot with a name of its own, then committed: see the header. */
#include "client/committed.h"

#include <inttypes.h>

#include "base/clock.h"
#include "client/import_internal.h"

int cor_is_committed(struct cor_services *s, const char *snapshotter, const char *name, struct cor_error *err)
{
	struct cor_snapshot_info info = {0};
	struct cor_error e = {0};
	int r = s->snapshots->stat(s, snapshotter, name, &info, &e);
	bool committed = r >= 0 && info.kind == COR_SNAPSHOT_COMMITTED;
	cor_snapshot_info_done(&info);
	if (r >= 0)
		return committed;
	if (e.code == COR_NOT_FOUND)
		return 0;
	if (err)
		*err = e;
	return r;
}

static char *active_key(const struct cor_committed *c)
{
	char hex[9];
	cor_random_hex(hex, 8);
	return cor_asprintf("%s-%09" PRId64 "-%s %s", c->prefix, cor_now_ns() % 1000000000, hex, c->name);
}

static int make(struct cor_services *s, const struct cor_committed *c, struct cor_error *err)
{
	const struct cor_snapshot_ops *sn = s->snapshots;
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	_cleanup_free_ char *key = active_key(c);
	struct cor_error e = {0};
	if (!key)
		return cor_error_oom(err);
	int r = sn->prepare(s, c->snapshotter, key, c->parent, c->labels, &mounts, err);
	if (r < 0)
		return cor_error_wrap(err, r, "%s %s", c->what, c->subject);
	r = c->fill(&mounts, c->data, &e);
	if (r >= 0)
		r = sn->commit(s, c->snapshotter, c->name, key, c->labels, &e);
	if (r >= 0)
		return 0;
	(void)sn->remove(s, c->snapshotter, key, NULL);
	if (e.code == COR_ALREADY_EXISTS) /* somebody with another lock was faster: the same data */
		return 0;
	if (err)
		*err = e;
	return r;
}

int cor_make_committed(struct cor_services *s, const struct cor_committed *c, struct cor_error *err)
{
	struct cor_writer *lock = NULL;
	_cleanup_free_ char *ref = cor_asprintf(COR_UNPACK_REF "%s-%s", c->snapshotter, c->name);
	if (!ref)
		return cor_error_oom(err);
	int r = s->content->writer(s, ref, 0, NULL, true, &lock, err);
	if (r < 0)
		return r;
	r = cor_is_committed(s, c->snapshotter, c->name, err);
	if (r == 0)
		r = make(s, c, err);
	lock->ops->free(lock, true);
	return r < 0 ? r : 0;
}
