/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Container Device Interface: devices that vendors describe in files ("vendor.com/class=name" stands for edits of
 * the OCI spec). This part finds and checks the files and says which edits a list of names stands for; src/spec makes
 * the edits. Follows the CDI specification 1.1.0 (https://github.com/cncf-tags/container-device-interface) and, where
 * that is silent, what its Go library does.
 */
#ifndef COR_CDI_CDI_H
#define COR_CDI_CDI_H

#include "oci/json.h"

/* The directories of every CDI consumer, the later one of higher priority. strv. */
extern const char *const cor_cdi_default_dirs[];

/* "vendor/class=name" by CDI's rules of characters; anything else that --device takes is a path. */
bool cor_cdi_is_qualified(const char *device);

/* What the files say. Opening never fails because of a file: those that are broken are remembered, and named when a device
 * cannot be resolved. */
struct cor_cdi;
/* kinds (strv of "vendor/class"): what will be asked for; of other kinds only the vendors are kept. */
int cor_cdi_open(char *const *dirs, char *const *kinds, struct cor_cdi **ret, struct cor_error *err);
struct cor_cdi *cor_cdi_free(struct cor_cdi *c);
COR_DEFINE_CLEANUP(struct cor_cdi, cor_cdi_free)

/* Whether any valid file is of this vendor, whatever its class. */
bool cor_cdi_has_vendor(const struct cor_cdi *c, const char *vendor);
/* "<file>: <why>" of the i-th broken file of this kind (NULL: of those, and directories, whose kind could not be read, so that
 * it may be any), in the order of reading; NULL behind the last one. Borrowed. */
const char *cor_cdi_problem(const struct cor_cdi *c, const char *kind, size_t i);

/*
 * The edits for these devices, merged in order: those of a file when its first device is met, then the device's own. One
 * object with the members of a CDI containerEdits (all may be absent), checked, names of members as in the specification,
 * numbers in their ranges. Caller json_decref's.
 * NOT_FOUND "unresolvable CDI devices a/b=c, d/e=f", followed by ": <file>: <why>" where a file that could not be read, or
 * two that conflict, may be the reason.
 */
int cor_cdi_resolve(const struct cor_cdi *c, char *const *names, json_t **ret, struct cor_error *err);

#endif
