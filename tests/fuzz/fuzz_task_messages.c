/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the Task service, of our own and of runc's options, unpacked within the bound: the first byte says which.
 * What unpacks must pack, and what is unpacked from that packs to as many bytes. (It may not unpack: protobuf-c keeps unknown
 * fields with a tag of zero, and writes them so that it does not read them itself.)
 */
#include <stdint.h>
#include <stdlib.h>

#include "coracle_shim.pb-c.h"
#include "rpc/message.h"
#include "runc_options.pb-c.h"
#include "task_v2.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TASK(name) &containerd__task__v2__##name##__descriptor
static const ProtobufCMessageDescriptor *const types[] = {
	TASK(create_task_request),
	TASK(create_task_response),
	TASK(delete_request),
	TASK(delete_response),
	TASK(exec_process_request),
	TASK(resize_pty_request),
	TASK(state_request),
	TASK(state_response),
	TASK(kill_request),
	TASK(close_iorequest),
	TASK(pids_request),
	TASK(pids_response),
	TASK(checkpoint_task_request),
	TASK(update_task_request),
	TASK(start_request),
	TASK(wait_response),
	TASK(stats_response),
	TASK(connect_response),
	TASK(shutdown_request),
	&coracle__shim__v1__attach_request__descriptor,
	&coracle__shim__v1__attach_response__descriptor,
	&containerd__runc__v1__options__descriptor,
	&containerd__runc__v1__checkpoint_options__descriptor,
	&containerd__runc__v1__process_details__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	ProtobufCMessage *m = NULL, *again = NULL;
	uint8_t *packed = NULL, *twice = NULL;
	size_t n, k;
	if (cor_message_unpack(type, data + 1, size - 1, &m, NULL) < 0)
		return 0;
	if (cor_message_pack(m, &packed, &n) < 0)
		abort();
	if (cor_message_unpack(type, packed, n, &again, NULL) == 0 &&
	    (cor_message_pack(again, &twice, &k) < 0 || n != k))
		abort();
	free(packed);
	free(twice);
	cor_message_free(m);
	cor_message_free(again);
	return 0;
}
