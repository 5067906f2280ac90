/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/cdi: from a file's bytes to a checked document. Everything here takes hostile input. */
#ifndef COR_CDI_INTERNAL_H
#define COR_CDI_INTERNAL_H

#include "cdi/cdi.h"

/* Bounds. Real files have some kilobytes and a few hundred values. */
#define COR_CDI_FILE_MAX (4u << 20) /* bytes of one file */
#define COR_CDI_LIST_MAX 10000      /* items of one list: some are compared with one another */
#define COR_CDI_DIR_MAX  4096       /* files in one directory */

/* A foreign string for a message: in double quotes, control characters escaped, cut when long. buf >= 96 bytes; returns buf. */
#define COR_CDI_QUOTE_MAX 96
const char *cor_cdi_quote(const char *s, char buf[COR_CDI_QUOTE_MAX]);

/* ---- name.c: messages are the Go library's ---- */
int cor_cdi_check_vendor(const char *vendor, struct cor_error *err);
int cor_cdi_check_class(const char *class, struct cor_error *err);
int cor_cdi_check_device(const char *name, struct cor_error *err);
/* "vendor/class" at its first slash; "" and the whole when there is none. Both copies are the caller's. */
int cor_cdi_split_kind(const char *kind, char **ret_vendor, char **ret_class, struct cor_error *err);

/* ---- schema.c ---- */
/* The same document with the specification's names and types only. What is unknown, of the wrong type or out of range is
 * INVALID_ARGUMENT, named from the outside in ("devices[0]: name: expected string"). */
int cor_cdi_schema(json_t *raw, json_t **ret, struct cor_error *err);

/* ---- validate.c ---- */
/* The rules about a document of the right shape: version, kind, annotations, devices, edits. */
int cor_cdi_validate(const json_t *doc, struct cor_error *err);

/* All three. *ret_kind (may be NULL): the document's kind as far as it could be read, also when it is refused; NULL else. */
int cor_cdi_parse(const char *text, size_t len, json_t **ret, char **ret_kind, struct cor_error *err);

#endif
