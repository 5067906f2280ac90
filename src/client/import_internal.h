/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of src/client/import*.c. Every import has the same course, under one operation lease:
 *
 *   source (tar stream, directory, root file system) -> blobs in the content store + the text of an index
 *     -> import_walk.c: what of it is wanted here, verified and labelled  -> unpacked  -> image records
 *
 * Records come last: an import that fails leaves nothing that has a name, and its blobs are garbage.
 */
#ifndef COR_CLIENT_IMPORT_INTERNAL_H
#define COR_CLIENT_IMPORT_INTERNAL_H

#include "client/client.h"
#include "oci/digest.h"

#define COR_IMPORT_JSON_MAX    (20u << 20) /* index.json, manifest.json, oci-layout */
#define COR_IMPORT_ENTRIES_MAX 100000      /* files in an archive */
#define COR_ANNOTATION_NAME    "io.containerd.image.name"
#define COR_ANNOTATION_REF     "org.opencontainers.image.ref.name"

struct cor_import_image {
	char *name;
	struct cor_descriptor target;
};

struct cor_import {
	struct cor_services *s;
	const struct cor_import_options *o;
	cor_imported_fn fn;
	void *data;
	/* Brings a blob of the source into the content store (NULL: they all are there already). */
	int (*fetch)(struct cor_import *im, const struct cor_descriptor *desc, struct cor_error *err);
	void *source;

	bool all; /* every platform */
	struct cor_platform want;
	char base[256];  /* for names from tags and digests */
	char unique[17]; /* makes this import's ingest refs its own */
	unsigned n_refs;
	struct cor_map
		seen; /* digests of documents walked -> "1" when there is a wanted manifest below, else "0" */
	struct cor_map fetched; /* digests that fetch has brought */
	struct cor_import_image *images;
	size_t n, cap;
};

/* ---- import.c: the course ---- */
/* Checks options, takes the lease. */
int cor_import_begin(struct cor_import *im, struct cor_error *err);
/* Ends the lease; after a failure (r < 0) also collects what the import has left. Returns r. */
int cor_import_end(struct cor_import *im, int r);
/* From the index's text to recorded images. */
int cor_import_index(struct cor_import *im, const char *text, size_t len, struct cor_error *err);
/* Adds an image to be recorded. */
int cor_import_add(struct cor_import *im, const char *name, const struct cor_descriptor *target,
		   struct cor_error *err);
/* Unpacks (unless no_unpack) and records what was added. */
int cor_import_record(struct cor_import *im, struct cor_error *err);

/* ---- import_blob.c ---- */
#define COR_IMPORT_REF "import-"
#define COR_UNPACK_REF "unpack-"
/* Removes what killed imports and unpacks have left of their ingests: their refs are never taken up again. The ones of
 * living processes are locked and stay. */
void cor_import_reap(struct cor_services *s);
/* A writer with a ref of its own. ALREADY_EXISTS when the expected blob is there (and leased now): nothing to write. */
int cor_import_writer(struct cor_import *im, int64_t size, const char *expected, struct cor_writer **ret,
		      struct cor_error *err);
/* Whether r is that ALREADY_EXISTS; err is cleared then. */
bool cor_import_is_known(int r, struct cor_error *err);
/* Commits and frees w, also on failure. A blob that exists already is a success. */
int cor_import_commit(struct cor_writer *w, int64_t size, const char *expected, const struct cor_map *labels,
		      char ret_digest[COR_DIGEST_MAX], struct cor_error *err);
/* A small blob from memory; fills digest and size of ret (media_type is copied in). */
int cor_import_put(struct cor_import *im, const char *text, size_t len, const char *media_type,
		   const struct cor_map *labels, struct cor_descriptor *ret, struct cor_error *err);

/* ---- import_walk.c ---- */
/* Walks down from desc: fetches, checks and labels everything of the wanted platforms. 1: there was a
 * manifest for them, 0: there was none. */
int cor_import_walk(struct cor_import *im, const struct cor_descriptor *desc, struct cor_error *err);

/* ---- import_names.c: no I/O ---- */
/* The image name for a descriptor of the index, "" for none. explicit_base: base was given by the user, so that full
 * references which are not below it give no name. *ret is the caller's. */
int cor_import_ref_name(const struct cor_map *annotations, const char *base, bool explicit_base, char **ret,
			struct cor_error *err);

/* ---- import_layout.c ---- */
/* The contents of an oci-layout file: version 1.0.0 only. */
int cor_import_check_layout(const char *text, size_t len, struct cor_error *err);

/* ---- import_docker.c ---- */
struct cor_docker_image {
	char *config;
	char **repo_tags, **layers;
};
struct cor_docker_images {
	struct cor_docker_image *items;
	size_t n;
};
void cor_docker_images_done(struct cor_docker_images *d);
/* Parses manifest.json of `docker save`. */
int cor_docker_images_parse(const char *text, size_t len, struct cor_docker_images *ret,
			    struct cor_error *err);
/* Finds the blob that a file name of the archive stands for; NOT_FOUND. */
typedef int (*cor_docker_lookup_fn)(const char *name, char ret_digest[COR_DIGEST_MAX], int64_t *ret_size,
				    void *data);
/* Makes the manifests and the index that stand for the archive, as containerd does. *ret is the index's text. */
int cor_import_docker(struct cor_import *im, const struct cor_docker_images *d, cor_docker_lookup_fn lookup,
		      void *data, char **ret, struct cor_error *err);

#endif
