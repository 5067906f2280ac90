/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing tar streams (POSIX pax and ustar, GNU, V7). Contract of layer/tar_read.c, tar_pax.c,
 * tar_sparse.c and tar_write.c.
 *
 * The reader is strict where another reader might disagree about where an entry ends:
 *  1. Names are bytes and are handed out as they are stored (not cleaned, not converted, a trailing slash kept). They
 *     never contain a NUL.
 *  2. Every entry has one effective size, used for reading and for skipping alike: the pax record if there is one,
 *     else the header's. Links, devices, fifos and directories have no data, whatever their size field says.
 *  3. A bad checksum, number, pax record, extension of more than 1 MiB, sparse map that is not ordered, does not fit
 *     the file or does not match the stored data, an extension header without an entry after it, an unknown entry
 *     type and a stream that ends inside an entry are errors: DATA_LOSS for what is cut off or corrupt,
 *     INVALID_ARGUMENT for what is unsupported or out of range. The one line names the entry and the byte offset of
 *     its header. After an error every further call fails with the same errno.
 *  4. Memory is bounded: 1 MiB for each kind of extension (64 KiB for all global pax records together), plus the
 *     read buffer.
 *
 * The end: a zero block (followed by another one, or by the end of the stream), or the end of the stream at a header
 * boundary, as Go's archive/tar has it. What follows the end-of-archive blocks is not looked at.
 */
#ifndef COR_LAYER_TAR_H
#define COR_LAYER_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layer/layer.h"

#define COR_TAR_BLOCK         512
#define COR_TAR_EXTENSION_MAX (1024 * 1024)

enum cor_tar_type {
	COR_TAR_FILE, /* '0', NUL, '7' and GNU's sparse 'S' */
	COR_TAR_HARDLINK,
	COR_TAR_SYMLINK,
	COR_TAR_CHAR,
	COR_TAR_BLOCK_DEVICE,
	COR_TAR_DIRECTORY, /* '5', and V7's NUL type with a trailing slash */
	COR_TAR_FIFO,
};

struct cor_tar_xattr {
	char *name; /* "security.capability" */
	void *value;
	size_t len;
};

/* A run of data in a sparse file; what lies between runs is a hole. */
struct cor_tar_extent {
	uint64_t offset, length;
};

struct cor_tar_entry {
	char *name;     /* never NULL, may be "" */
	char *linkname; /* never NULL; "" unless a link */
	enum cor_tar_type type;
	uint32_t mode;     /* permission, setuid, setgid and sticky bits only (07777) */
	uint32_t uid, gid; /* never (uint32_t)-1 */
	uint64_t
		size; /* of the file as it will be, holes included; 0 for everything but files; at most INT64_MAX */
	int64_t mtime_sec; /* may be negative */
	uint32_t mtime_nsec;
	bool has_atime;
	int64_t atime_sec;
	uint32_t atime_nsec;
	uint32_t devmajor,
		devminor; /* devices only: within Linux's 12 and 20 bits, else the entry is an error */
	struct cor_tar_xattr *xattrs;
	size_t n_xattrs;
	bool sparse;
	struct cor_tar_extent *extents; /* when sparse: ordered, without overlaps, inside size */
	size_t n_extents;
	uint64_t offset; /* of this entry's first (extension) header in the stream, for messages */
};

struct cor_tar_reader;

/* Reads from source as needed, never more than the stream's end. 0 or -ENOMEM. */
int cor_tar_reader_open(cor_read_fn source, void *source_data, struct cor_tar_reader **ret,
			struct cor_error *err);
struct cor_tar_reader *cor_tar_reader_free(struct cor_tar_reader *t);
COR_DEFINE_CLEANUP(struct cor_tar_reader, cor_tar_reader_free)

/* The next entry (unread data of the one before is skipped). 1: *ret is borrowed and valid until the next call of
 * cor_tar_next or free; 0: the end of the archive; -errno. */
int cor_tar_next(struct cor_tar_reader *t, const struct cor_tar_entry **ret, struct cor_error *err);

/* The current entry's contents in order, holes as zeros: bytes (> 0), 0 at its end, -errno. Do not mix with
 * cor_tar_read_data in one entry. */
ssize_t cor_tar_read(struct cor_tar_reader *t, void *buf, size_t n, struct cor_error *err);

/* The same without a copy and without the holes: a borrowed piece (valid until the next call on t) and its place in
 * the file. 1, 0 at the entry's end, -errno. */
int cor_tar_read_data(struct cor_tar_reader *t, const void **ret, size_t *ret_n, uint64_t *ret_offset,
		      struct cor_error *err);

/* The whole contents of the current entry as a NUL-terminated string (the caller's); more than max bytes is
 * RESOURCE_EXHAUSTED. */
int cor_tar_read_all(struct cor_tar_reader *t, size_t max, char **ret, size_t *ret_len,
		     struct cor_error *err);

/* Reads and discards the source up to its end of stream (padding after the archive). 0 or -errno. */
int cor_tar_drain(struct cor_tar_reader *t, struct cor_error *err);

/* Bytes of the stream consumed so far. */
uint64_t cor_tar_offset(const struct cor_tar_reader *t);

/*
 * The writer: ustar headers; a pax header before them for what ustar cannot hold (names over 100/255 bytes, ids and
 * sizes beyond octal, nanosecond or negative times, xattrs, non-ASCII is not converted). Deterministic: equal entries
 * give equal bytes. Sparse maps are not written (`sparse` is ignored; write the contents).
 */
struct cor_tar_writer;
int cor_tar_writer_open(cor_write_fn sink, void *sink_data, struct cor_tar_writer **ret,
			struct cor_error *err);
struct cor_tar_writer *cor_tar_writer_free(struct cor_tar_writer *w);
COR_DEFINE_CLEANUP(struct cor_tar_writer, cor_tar_writer_free)
/* name NULL or linkname NULL count as "". The entry before must have got all of its size. */
int cor_tar_write_entry(struct cor_tar_writer *w, const struct cor_tar_entry *e, struct cor_error *err);
/* Contents of the entry just written; more than its size is INVALID_ARGUMENT. */
int cor_tar_write_data(struct cor_tar_writer *w, const void *buf, size_t n, struct cor_error *err);
/* n zero bytes of contents (holes). */
int cor_tar_write_zeros(struct cor_tar_writer *w, uint64_t n, struct cor_error *err);
/* Two zero blocks and the flush. */
int cor_tar_writer_finish(struct cor_tar_writer *w, struct cor_error *err);

#endif
