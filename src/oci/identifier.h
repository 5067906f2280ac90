/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: container, exec, lease and namespace names (an allow-list), label limits. */
#ifndef COR_OCI_IDENTIFIER_H
#define COR_OCI_IDENTIFIER_H

#include "base/error.h"

/* ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$, at most 76 characters.
 * Error texts as containerd's: `<what>: identifier "X" must match ^…$: invalid argument`. `what` e.g. "container.ID",
 * NULL for none. */
int cor_identifier_validate(const char *what, const char *id, struct cor_error *err);
/* key + value at most 4096 bytes. */
int cor_label_validate(const char *key, const char *value, struct cor_error *err);

#endif
