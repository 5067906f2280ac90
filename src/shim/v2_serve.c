/* SPDX-License-Identifier: Apache-2.0 */
/* The serving process of containerd's way: the same shim as the embedded engine's, and somebody to tell its events to. */
#include <stdlib.h>

#include "base/fd.h"
#include "shim/oom.h"
#include "shim/publisher.h"
#include "shim/serve.h"
#include "shim/v2.h"

static void on_drained(void *data)
{
	cor_shim_check_idle(data);
}

int cor_v2_serve(const struct cor_v2 *v, int listen_fd, int *ready, const char *socket, struct cor_error *err)
{
	static struct cor_shim shim = {.bundle_fd = -1};
	shim.ns = v->ns;
	shim.id = v->id;
	shim.bundle = v->bundle;
	shim.debug = v->debug;
	shim.runtime_root = COR_V2_RUNTIME_ROOT;
	cor_shim_prepare_process(&shim);
	int r = cor_shim_set_up(&shim, listen_fd, -1, err);
	if (r == 0) {
		struct cor_publisher_config c = {.loop = shim.loop,
						 .ns = v->ns,
						 .ttrpc_address = getenv("TTRPC_ADDRESS"),
						 .publish_binary = v->publish_binary,
						 .address = v->address,
						 .drained = on_drained,
						 .data = &shim};
		shim.publisher = cor_publisher_new(&c);
		if (*ready >= 0) {
			(void)cor_write_full(*ready, "", 1);
			*ready = cor_close(*ready);
		}
		r = cor_shim_loop(&shim, err);
	}
	/* First: whoever starts the next one shall not find us, nor lose its socket to us. */
	if (socket)
		(void)unlinkat(AT_FDCWD, socket, 0);
	cor_shim_tear_down(&shim);
	cor_oom_stop(&shim);
	shim.publisher = cor_publisher_free(shim.publisher);
	return r;
}
