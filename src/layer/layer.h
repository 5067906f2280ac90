/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: a compressed tar stream placed into a directory (apply), and the difference of two directories written as a
 * tar stream (diff). See threats.md part 1 for what apply must withstand.
 *
 * We read tar with our own reader (layer/tar.h), not libarchive: file names in layers are bytes, and libarchive
 * normalises UTF-8 names in PAX headers to NFC, which merges files that differ; and a malformed extension must be an error.
 */
#ifndef COR_LAYER_LAYER_H
#define COR_LAYER_LAYER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "oci/digest.h"

/* Pull-style byte source: up to n bytes into buf, 0 at the end, -errno (err set). */
typedef ssize_t (*cor_read_fn)(void *data, void *buf, size_t n, struct cor_error *err);
/* Push-style byte sink: all n bytes or -errno. */
typedef int (*cor_write_fn)(void *data, const void *buf, size_t n, struct cor_error *err);

enum cor_compression { COR_COMPRESSION_NONE, COR_COMPRESSION_GZIP, COR_COMPRESSION_ZSTD };
/* From the first bytes of a stream: gzip, zstd, or none. Known but unsupported ones (xz, bzip2, lz4) give
 * UNIMPLEMENTED "unsupported compression xz". need >= 10 bytes where the stream has them. */
int cor_compression_detect(const void *head, size_t n, enum cor_compression *ret, struct cor_error *err);

/* Decompressing reader over a source, detecting the compression. Truncated or corrupt input: DATA_LOSS. Multi-member gzip and
 * multi-frame zstd are read through; trailing garbage after a gzip member is an error; zero padding is not. */
struct cor_decompress;
int cor_decompress_open(cor_read_fn source, void *source_data, struct cor_decompress **ret,
			struct cor_error *err);
enum cor_compression cor_decompress_kind(const struct cor_decompress *d);
ssize_t cor_decompress_read(struct cor_decompress *d, void *buf, size_t n, struct cor_error *err);
struct cor_decompress *cor_decompress_free(struct cor_decompress *d);

/* Compressing writer (gzip through zlib-compatible ISA-L or zlib; zstd level 3) over a sink. */
struct cor_compress;
int cor_compress_open(enum cor_compression kind, cor_write_fn sink, void *sink_data,
		      struct cor_compress **ret, struct cor_error *err);
int cor_compress_write(struct cor_compress *c, const void *buf, size_t n, struct cor_error *err);
int cor_compress_finish(struct cor_compress *c, struct cor_error *err);
struct cor_compress *cor_compress_free(struct cor_compress *c);

enum cor_whiteout_style {
	COR_WHITEOUT_OVERLAY, /* char 0:0 nodes and trusted.overlay.opaque on directories (overlay upper directory) */
	COR_WHITEOUT_REMOVE /* what is below is really removed (a full tree: native snapshots, bind mounts) */
};
struct cor_apply_options {
	enum cor_whiteout_style whiteouts;
	const int *
		lower_fds; /* directories below, nearest first: sources for hardlinks to lower files (copied up) */
	size_t n_lower;
	uint64_t max_bytes;   /* of file data; 0: no limit but the disk */
	uint64_t max_entries; /* 0: 10 million default */
	bool userxattr;       /* user.overlay.* instead of trusted.overlay.* */
};
struct cor_apply_result {
	char diff_id
		[COR_DIGEST_MAX]; /* SHA-256 of the whole uncompressed stream, trailing padding included */
	uint64_t bytes, entries;
};
/* Places a layer below rootfd (an existing directory). Reads source to its very end. Not durable by itself (the caller
 * syncs). On failure the tree below rootfd is in an undefined partial state but nothing outside it was touched. */
int cor_layer_apply(int rootfd, cor_read_fn source, void *source_data, const struct cor_apply_options *opts,
		    struct cor_apply_result *ret, struct cor_error *err);

/* Writes upper minus lower as an uncompressed OCI layer tar (whiteouts as .wh. files; PAX where ustar does not suffice;
 * xattrs as SCHILY.xattr, overlay's own xattrs left out; sorted names; hardlinks kept within the layer).
 * lowerfd -1: all of upper. Both are plain directory trees (mounted snapshots). */
int cor_layer_diff(int lowerfd, int upperfd, cor_write_fn sink, void *sink_data, struct cor_error *err);

#endif
