/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcoracle: run OCI images as containers from a C program, with the engine inside (no daemon).
 *
 * The library prints nothing, exits never, installs no signal handler, keeps no global state and reaps no child that it
 * did not start. A client is for one thread at a time; any number of clients and processes may work on one store.
 *
 * Functions return >= 0, or a negative errno with *err filled (see coracle/error.h). Handles are freed by their _free
 * functions, which take NULL and return NULL. A pointer-to-pointer output is the caller's and untouched on failure.
 */
#ifndef CORACLE_CORACLE_H
#define CORACLE_CORACLE_H

#include <stddef.h>
#include <stdint.h>

#include "coracle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COR_API __attribute__((visibility("default")))
#else
#define COR_API
#endif

/* "0.1.0" */
COR_API const char *cor_version(void);

struct cor_client;

struct cor_client_options {
	size_t size;             /* sizeof(struct cor_client_options): lets the struct grow */
	const char *root;        /* NULL: /var/lib/coracle */
	const char *state;       /* NULL: /run/coracle */
	const char *ns;          /* NULL: "default" */
	const char *snapshotter; /* NULL: overlayfs, or native where that cannot work */
};

/* Opens the store (made when missing). Needs root: COR_PERMISSION_DENIED otherwise. options NULL: all defaults. */
COR_API int cor_client_open(const struct cor_client_options *options, struct cor_client **ret,
			    struct cor_error *err);
COR_API struct cor_client *cor_client_free(struct cor_client *client);

/* Reads an OCI layout or `docker save` archive (tar: plain, gzip or zstd) from fd to its end and records its images;
 * base_name (may be NULL) names those that have only a tag. The number of images. */
COR_API int cor_client_import(struct cor_client *client, int fd, const char *base_name,
			      struct cor_error *err);

/* Calls fn with each image's name and manifest digest; fn returns non-zero to stop. */
COR_API int cor_client_images(struct cor_client *client,
			      int (*fn)(const char *name, const char *digest, void *data), void *data,
			      struct cor_error *err);

struct cor_process;

struct cor_process_options {
	size_t size;             /* sizeof(struct cor_process_options) */
	const char *image;       /* name of an image in the store */
	const char *id;          /* the container's */
	const char *const *args; /* NULL-terminated; NULL: the image's own command */
	const char *const *env;  /* NULL-terminated "K=V"; NULL: none besides the image's */
	int stdio[3]; /* handed to the process as they are (still the caller's to close); -1: /dev/null */
	const char *runtime; /* runc-compatible binary; NULL: runc, else crun */
};

/* Makes the container and starts its process. A failure leaves nothing behind. */
COR_API int cor_process_start(struct cor_client *client, const struct cor_process_options *options,
			      struct cor_process **ret, struct cor_error *err);
/* A descriptor that polls readable once the process has exited; owned by the handle. */
COR_API int cor_process_fd(const struct cor_process *process);
COR_API int cor_process_kill(struct cor_process *process, int sig, struct cor_error *err);
/* Blocks until it has exited; *ret_status is 0-255, 128 + n for signal n. */
COR_API int cor_process_wait(struct cor_process *process, uint32_t *ret_status, struct cor_error *err);
/* Removes what is left of it: task, container record, snapshot. A process that still runs is killed first. */
COR_API int cor_process_remove(struct cor_process *process, struct cor_error *err);
/* Lets go of the handle only; the container stays as it is. */
COR_API struct cor_process *cor_process_free(struct cor_process *process);

#ifdef __cplusplus
}
#endif
#endif
