/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: --cap-add, --cap-drop, and the caller's own set for --privileged. The inheritable and ambient sets
 * stay empty throughout (CVE-2022-24769); only a --config file can fill them. A name that this build does not know
 * is passed on, as ctr does: the runtime knows the kernel it runs on, this table only the headers it was built with.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spec/internal.h"

#define NAME(cap) [cap] = #cap
static const char *const cap_names[] = {
	NAME(CAP_CHOWN),
	NAME(CAP_DAC_OVERRIDE),
	NAME(CAP_DAC_READ_SEARCH),
	NAME(CAP_FOWNER),
	NAME(CAP_FSETID),
	NAME(CAP_KILL),
	NAME(CAP_SETGID),
	NAME(CAP_SETUID),
	NAME(CAP_SETPCAP),
	NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE),
	NAME(CAP_NET_BROADCAST),
	NAME(CAP_NET_ADMIN),
	NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK),
	NAME(CAP_IPC_OWNER),
	NAME(CAP_SYS_MODULE),
	NAME(CAP_SYS_RAWIO),
	NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE),
	NAME(CAP_SYS_PACCT),
	NAME(CAP_SYS_ADMIN),
	NAME(CAP_SYS_BOOT),
	NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE),
	NAME(CAP_SYS_TIME),
	NAME(CAP_SYS_TTY_CONFIG),
	NAME(CAP_MKNOD),
	NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE),
	NAME(CAP_AUDIT_CONTROL),
	NAME(CAP_SETFCAP),
	NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN),
	NAME(CAP_SYSLOG),
	NAME(CAP_WAKE_ALARM),
	NAME(CAP_BLOCK_SUSPEND),
	NAME(CAP_AUDIT_READ),
	NAME(CAP_PERFMON),
	NAME(CAP_BPF),
	NAME(CAP_CHECKPOINT_RESTORE),
};
#undef NAME

/* The sets that the flags change; inheritable only ever shrinks. */
static const char *const granted_sets[] = {"bounding", "effective", "permitted"};

static int check_prefix(char *const *caps, struct cor_error *err)
{
	for (; caps && *caps; caps++)
		if (!cor_startswith(*caps, "CAP_"))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "capabilities must be specified with 'CAP_' prefix");
	return 0;
}

int cor_spec_check_caps(const struct cor_spec_options *o, struct cor_error *err)
{
	int r = check_prefix(o->cap_add, err);

	return r < 0 ? r : check_prefix(o->cap_drop, err);
}

static int capabilities(json_t *spec, json_t **ret, struct cor_error *err)
{
	json_t *process;
	int r = cor_spec_process(spec, &process, err);

	return r < 0 ? r : cor_spec_object(process, "capabilities", ret, err);
}

static ssize_t index_of(const json_t *set, const char *cap)
{
	const char *s;

	for (size_t i = 0; i < json_array_size(set); i++) {
		s = json_string_value(json_array_get(set, i));
		if (s && streq(s, cap))
			return (ssize_t)i;
	}
	return -1;
}

static void remove_cap(json_t *caps, const char *set_name, const char *cap)
{
	json_t *set = json_object_get(caps, set_name);
	ssize_t at;

	while ((at = index_of(set, cap)) >= 0)
		json_array_remove(set, (size_t)at);
	if (json_is_array(set) && json_array_size(set) == 0)
		json_object_del(caps, set_name);
}

int cor_spec_set_caps(json_t *spec, char *const *list, struct cor_error *err)
{
	json_t *caps;
	int r = capabilities(spec, &caps, err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(granted_sets); i++)
		r = cor_spec_put_strv(caps, granted_sets[i], list, err);
	if (r < 0)
		return r;
	json_object_del(caps, "inheritable");
	return 0;
}

int cor_spec_current_caps(char ***ret, struct cor_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	_cleanup_strv_ char **caps = NULL;

	if (syscall(SYS_capget, &header, data) < 0)
		return cor_error_errno(err, errno, "get the current capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(cap_names); i++)
		if (cap_names[i] && data[i / 32].effective & (UINT32_C(1) << (i % 32)))
			if (cor_strv_push(&caps, cap_names[i]) < 0)
				return cor_error_oom(err);
	*ret = TAKE_PTR(caps);
	return 0;
}

static int add_cap(json_t *caps, const char *set_name, const char *cap, struct cor_error *err)
{
	json_t *set, *name;
	int r = cor_spec_array(caps, set_name, &set, err);

	if (r < 0 || index_of(set, cap) >= 0)
		return r;
	r = cor_spec_string("cap-add", cap, &name, err);
	return r < 0 ? r : cor_spec_push(set, name, err);
}

int cor_spec_apply_cap_add(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *caps;
	int r;

	if (cor_strv_len(b->options->cap_add) == 0)
		return 0;
	r = capabilities(b->spec, &caps, err);
	for (char *const *cap = b->options->cap_add; r >= 0 && *cap; cap++)
		for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(granted_sets); i++)
			r = add_cap(caps, granted_sets[i], *cap, err);
	return r;
}

int cor_spec_apply_cap_drop(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *caps;
	int r;

	if (cor_strv_len(b->options->cap_drop) == 0)
		return 0;
	r = capabilities(b->spec, &caps, err);
	for (char *const *cap = b->options->cap_drop; r >= 0 && *cap; cap++) {
		for (size_t i = 0; i < ARRAY_SIZE(granted_sets); i++)
			remove_cap(caps, granted_sets[i], *cap);
		remove_cap(caps, "inheritable", *cap);
	}
	return r;
}
