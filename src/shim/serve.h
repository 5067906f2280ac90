/* SPDX-License-Identifier: Apache-2.0 */
/* What both ways of starting share: a shim is set up in its bundle and serves until there is nothing left to do. */
#ifndef COR_SHIM_SERVE_H
#define COR_SHIM_SERVE_H

#include "shim/shim.h"

/* Before anything is allocated: malloc's bounds, the umask, signals that are of no interest. */
void cor_shim_prepare_process(struct cor_shim *s);
/* s->bundle, s->ns and s->id are set. Serves on listen_fd and, unless -1, first_fd (both taken). Leaves shim.pid. */
int cor_shim_set_up(struct cor_shim *s, int listen_fd, int first_fd, struct cor_error *err);
/* Runs the loop to its end. */
int cor_shim_loop(struct cor_shim *s, struct cor_error *err);
/* Closes what set_up opened, removes shim.pid. */
void cor_shim_tear_down(struct cor_shim *s);

#endif
