/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of containerd.task.v2.Task and coracle.shim.v1.Shim; see cor_shim_method_fn for the contract. */
#ifndef COR_SHIM_METHODS_H
#define COR_SHIM_METHODS_H

#include "shim/process.h"

#define COR_METHOD(name)                                                               \
	void cor_method_##name(struct cor_shim *s, const struct cor_shim_request *req, \
			       const ProtobufCMessage *m)

/* methods_create.c */
COR_METHOD(create);
COR_METHOD(run);
COR_METHOD(exec);
/* methods_process.c */
COR_METHOD(start);
COR_METHOD(remove);
COR_METHOD(state);
COR_METHOD(wait);
COR_METHOD(resize);
COR_METHOD(close_io);
COR_METHOD(attach);
/* methods_control.c */
COR_METHOD(kill);
COR_METHOD(pids);
COR_METHOD(pause);
COR_METHOD(resume);
COR_METHOD(update);
COR_METHOD(connect);
COR_METHOD(shutdown);
/* metrics.c */
COR_METHOD(stats);
/* checkpoint.c */
COR_METHOD(checkpoint);

#endif
