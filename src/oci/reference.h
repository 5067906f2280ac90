/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: docker-style normalisation ("busybox" -> "docker.io/library/busybox:latest") and validation. */
#ifndef COR_OCI_REFERENCE_H
#define COR_OCI_REFERENCE_H

#include "base/error.h"

/* distribution's ParseDockerRef as ctr import does for names: familiar names to full ones, ":latest" added when there
 * is neither tag nor digest, tag dropped when both are there. Caller frees. INVALID_ARGUMENT on bad syntax. */
int cor_reference_normalize(const char *name, char **ret, struct cor_error *err);

#endif
