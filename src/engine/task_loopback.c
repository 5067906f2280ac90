/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loopback device of a restored container. runc leaves networks out of checkpoints: after a restore a network namespace of
 * the container's own is empty, its loopback down, where a new container's is up.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/path.h"
#include "engine/task_internal.h"
#include "oci/json.h"

/* A network namespace that was made for the container alone. */
static bool has_own_network(const char *spec)
{
	_cleanup_json_ json_t *doc = NULL;
	json_t *list, *ns;
	size_t i;
	if (cor_json_parse(spec, strlen(spec), "config.json", &doc, NULL) < 0)
		return false;
	list = json_object_get(json_object_get(doc, "linux"), "namespaces");
	json_array_foreach(list, i, ns)
	{
		const char *type = json_string_value(json_object_get(ns, "type"));
		if (type && streq(type, "network"))
			return cor_empty(json_string_value(json_object_get(ns, "path")));
	}
	return false;
}

static int bring_up(void)
{
	struct ifreq lo = {.ifr_name = "lo"};
	_cleanup_close_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &lo) < 0)
		return -errno;
	lo.ifr_flags = (short)(lo.ifr_flags | IFF_UP);
	return ioctl(sock, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

int cor_task_loopback_up(const char *spec, pid_t pid, struct cor_error *err)
{
	char path[48];
	int r;
	if (!has_own_network(spec))
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	_cleanup_close_ int own = openat(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int theirs = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (theirs < 0 && errno == ENOENT)
		return 0; /* it has ended already */
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET) < 0)
		return cor_error_errno(err, errno, "network of the restored container");
	r = bring_up();
	if (setns(own, CLONE_NEWNET) < 0)
		return cor_error_errno(err, errno, "leave the network of the restored container");
	return r < 0 ? cor_error_errno(err, r, "loopback of the restored container") : 0;
}
