/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader's files share: the reader's state, number fields, pax records and sparse maps. */
#ifndef COR_LAYER_TAR_INTERNAL_H
#define COR_LAYER_TAR_INTERNAL_H

#include "base/str.h"
#include "layer/tar.h"

/* Field places in a header block (POSIX ustar, and GNU where it differs). */
enum {
	TAR_NAME = 0,
	TAR_NAME_LEN = 100,
	TAR_MODE = 100,
	TAR_UID = 108,
	TAR_GID = 116,
	TAR_SIZE = 124,
	TAR_MTIME = 136,
	TAR_CHKSUM = 148,
	TAR_TYPE = 156,
	TAR_LINKNAME = 157,
	TAR_LINKNAME_LEN = 100,
	TAR_MAGIC = 257,
	TAR_DEVMAJOR = 329,
	TAR_DEVMINOR = 337,
	TAR_PREFIX = 345,
	TAR_PREFIX_LEN = 155,
	TAR_STAR_PREFIX_LEN = 131,
	TAR_STAR_TRAILER = 508,
	TAR_GNU_SPARSE = 386,
	TAR_GNU_EXTENDED = 482,
	TAR_GNU_REALSIZE = 483,
	TAR_GNU_SPARSE_SLOTS = 4,
	TAR_GNU_EXT_SLOTS = 21,
	TAR_GNU_EXT_EXTENDED = 504,
};

enum tar_format { TAR_V7, TAR_USTAR, TAR_STAR, TAR_GNU };

/* What pax records (the global ones, then the entry's own) say. Pointers go into the records' text. */
struct tar_pax {
	const char *path, *linkpath; /* NULL: not given */
	size_t path_len, linkpath_len;
	bool has_size, has_uid, has_gid, has_mtime, has_atime;
	uint64_t size;
	uint32_t uid, gid;
	int64_t mtime_sec, atime_sec;
	uint32_t mtime_nsec, atime_nsec;
	/* GNU sparse files, formats 0.0, 0.1 and 1.0 */
	bool has_sparse_size;
	uint64_t sparse_size;
	int sparse_major, sparse_minor; /* -1: not given */
	const char *sparse_name, *sparse_map;
	size_t sparse_name_len, sparse_map_len;
	bool sparse_pending; /* format 0.0: an offset waits for its numbytes */
	uint64_t sparse_offset;
};

struct cor_tar_reader {
	cor_read_fn source;
	void *source_data;
	uint8_t *buf;
	size_t pos, len;
	bool eof;        /* the source has ended */
	bool ended;      /* the archive has ended */
	int failed;      /* errno of the first error, sticky */
	uint64_t offset; /* of buf[pos] in the stream */

	struct cor_tar_entry entry;
	bool have_entry;
	size_t cap_xattrs, cap_extents;
	struct cor_buf name, linkname; /* what entry.name and entry.linkname point into */
	uint64_t stored;               /* bytes of data still to come for the entry */
	uint32_t padding;              /* behind them */
	size_t extent;                 /* read_data: the current extent and how much of it is read */
	uint64_t extent_done;
	uint64_t logical; /* cor_tar_read: place in the file */

	struct cor_buf local, global;        /* pax texts */
	struct cor_buf long_name, long_link; /* GNU's */
	bool have_local, have_long_name, have_long_link;
};

/* Sets the error ("tar entry "name" at offset N: …"), makes it sticky and returns it. */
int tar_fail(struct cor_tar_reader *t, struct cor_error *err, enum cor_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));
/* A name (of whatever bytes) fit for one line of a message, cut when long. */
void tar_quote(char out[256], const char *name);
int tar_oom(struct cor_tar_reader *t, struct cor_error *err);
/* The next whole block, consumed: 1, 0 at the end of the stream, or an error (a partial block is one). Valid until the
 * next read. */
int tar_read_block(struct cor_tar_reader *t, const uint8_t **ret, struct cor_error *err);
/* Skips what is left of the current entry. */
int tar_finish_entry(struct cor_tar_reader *t, struct cor_error *err);
/* n bytes appended to out, the padding behind them dropped. */
int tar_read_payload(struct cor_tar_reader *t, uint64_t n, struct cor_buf *out, struct cor_error *err);

/* A numeric header field: octal, or base-256 when its top bit is set. 0, -EINVAL (syntax), -ERANGE. */
int tar_number(const uint8_t *field, size_t n, int64_t *ret);
/* Decimal digits only. 0, -EINVAL, -ERANGE (above INT64_MAX). */
int tar_decimal(const char *s, size_t n, uint64_t *ret);
/* "-123.456": 0 or -EINVAL/-ERANGE; digits beyond nanoseconds are dropped. */
int tar_time(const char *s, size_t n, int64_t *ret_sec, uint32_t *ret_nsec);

/* Reads a records text into pax and the entry's xattrs and extents. 0, or an error. */
int tar_pax_parse(struct cor_tar_reader *t, const struct cor_buf *text, struct tar_pax *pax,
		  struct cor_error *err);

/* Appends a run to the entry's map. */
int tar_extent_add(struct cor_tar_reader *t, uint64_t offset, uint64_t length, struct cor_error *err);
/* Completes a GNU 'S' entry from its header (a copy) and the extension headers that follow. */
int tar_sparse_old(struct cor_tar_reader *t, const uint8_t header[COR_TAR_BLOCK], struct cor_error *err);
/* Completes a file whose pax records may describe it as sparse. */
int tar_sparse_pax(struct cor_tar_reader *t, const struct tar_pax *pax, struct cor_error *err);

#endif
