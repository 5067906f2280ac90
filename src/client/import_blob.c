/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing an import's blobs. Each gets an ingest ref of its own: two imports at once never wait for one another (one
 * may hang on a pipe), and a name from a hostile archive never becomes a ref.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <stdio.h>

#define STALE_MAX 64

struct stale {
	char *refs[STALE_MAX];
	size_t n;
};

static int note_stale(const struct cor_ingest_status *status, void *data)
{
	struct stale *stale = data;

	if (cor_startswith(status->ref, COR_IMPORT_REF) || cor_startswith(status->ref, COR_UNPACK_REF)) {
		stale->refs[stale->n] = strdup(status->ref);
		if (!stale->refs[stale->n])
			return -ENOMEM;
		stale->n++;
	}
	return stale->n == STALE_MAX;
}

void cor_import_reap(struct cor_services *s)
{
	struct stale stale = {0};

	(void)s->content->ingests(s, note_stale, &stale, NULL);
	for (size_t i = 0; i < stale.n; i++) {
		(void)s->content->abort(s, stale.refs[i], NULL);
		free(stale.refs[i]);
	}
}

int cor_import_writer(struct cor_import *im, int64_t size, const char *expected, struct cor_writer **ret,
		      struct cor_error *err)
{
	char ref[64];

	snprintf(ref, sizeof(ref), COR_IMPORT_REF "%s-%u", im->unique, im->n_refs++);
	return im->s->content->writer(im->s, ref, size, expected, false, ret, err);
}

bool cor_import_is_known(int r, struct cor_error *err)
{
	if (r != -EEXIST)
		return false;
	cor_error_clear(err);
	return true;
}

int cor_import_commit(struct cor_writer *w, int64_t size, const char *expected, const struct cor_map *labels,
		      char ret_digest[COR_DIGEST_MAX], struct cor_error *err)
{
	_cleanup_free_ char *digest = NULL;
	struct cor_error e = {0};
	int r;

	r = w->ops->commit(w, size, expected, labels, &digest, &e);
	w->ops->free(w, true);
	if (r < 0 && !(e.code == COR_ALREADY_EXISTS && (digest || expected))) {
		if (err)
			*err = e;
		return r;
	}
	snprintf(ret_digest, COR_DIGEST_MAX, "%s", digest ? digest : expected);
	return 0;
}

int cor_import_put(struct cor_import *im, const char *text, size_t len, const char *media_type,
		   const struct cor_map *labels, struct cor_descriptor *ret, struct cor_error *err)
{
	char digest[COR_DIGEST_MAX], got[COR_DIGEST_MAX];
	struct cor_descriptor d = {.size = (int64_t)len};
	struct cor_writer *w = NULL;
	int r;

	cor_digest_of(text, len, digest);
	r = cor_import_writer(im, (int64_t)len, digest, &w, err);
	if (cor_import_is_known(r, err)) {
		r = labels ? im->s->content->label(im->s, digest, labels, false, err) : 0;
	} else if (r >= 0) {
		r = w->ops->write(w, text, len, err);
		if (r < 0)
			w->ops->free(w, true);
		else
			r = cor_import_commit(w, (int64_t)len, digest, labels, got, err);
	}
	if (r < 0)
		return r;
	d.media_type = strdup(media_type);
	d.digest = strdup(digest);
	if (!d.media_type || !d.digest) {
		cor_descriptor_done(&d);
		return cor_error_oom(err);
	}
	*ret = d;
	return 0;
}
