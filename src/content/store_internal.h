/* SPDX-License-Identifier: Apache-2.0 */
/* What the content store's files share: its descriptors and the names of what is in an ingest directory. */
#ifndef COR_CONTENT_STORE_INTERNAL_H
#define COR_CONTENT_STORE_INTERNAL_H

#include "base/fd.h"
#include "content/store.h"

#define COR_STORE_LOCK   "lock"
#define COR_INGEST_DATA  "data"
#define COR_INGEST_REF   "ref"
#define COR_INGEST_TOTAL "total"
#define COR_INGEST_LOCK  "lock"
#define COR_REF_MAX      4096

struct cor_store {
	int dirfd;
	int blobsfd;  /* blobs/sha256 */
	int ingestfd; /* ingest */
};

/* Name of a ref's ingest directory: the hex SHA-256 of the ref. */
void cor_ingest_name(const char *ref, char ret[COR_DIGEST_MAX]);

/* Opens (makes when `make`) the ingest directory of a name and takes its lock, whatever others do with it meanwhile.
 * -ENOENT (err not set) when it does not exist and make is false; -EWOULDBLOCK (err not set) when busy and !wait. */
int cor_ingest_lock(struct cor_store *s, const char *name, bool make, bool wait, int *ret_dirfd,
		    int *ret_lockfd, struct cor_error *err);

/* Removes an ingest directory; the caller holds its lock. The lock's name goes last, so that nobody else is in. */
int cor_ingest_remove(struct cor_store *s, const char *name, int dirfd, struct cor_error *err);

#endif
