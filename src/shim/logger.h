/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's logging binaries ("binary:///path?key=value"). */
#ifndef COR_SHIM_LOGGER_H
#define COR_SHIM_LOGGER_H

#include "shim/io.h"

/* Starts it for io: the process's output becomes its descriptors 3 and 4 (a terminal's is copied to 3); io->ready ends when
 * it is ready, io->logger is its number. */
int cor_logger_start(struct cor_io *io, const struct cor_io_request *req, const char *uri,
		     struct cor_error *err);
/* The URI's program and arguments, as an argv (strv). key and value follow each other, an empty value too. */
int cor_logger_parse(const char *uri, char ***ret, struct cor_error *err);

#endif
