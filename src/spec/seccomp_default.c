/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default seccomp profile: what containerd 2.3 allows a container (contrib/seccomp, with the additions up to Linux
 * 6.13), computed from the bounding capabilities and the machine's architecture. Everything else fails with EPERM, except
 * clone3, which without CAP_SYS_ADMIN fails with ENOSYS so that the C library falls back to clone, whose flags can be
 * looked at.
 *
 * Names are words in one string each rather than arrays of pointers: nothing to relocate when the program starts, and
 * a new system call is one word. A runtime skips names that its libseccomp does not know. Upstream allows ptrace and its
 * kin from Linux 4.8 on; older kernels cannot run Coracle, so they are simply allowed.
 */
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include "spec/internal.h"

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

static const char always[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 "
	"clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
	"clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 "
	"dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	"epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 "
	"fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat "
	"fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 "
	"fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 "
	"futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 "
	"geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp "
	"getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit "
	"get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday "
	"getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
	"io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set "
	"io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self "
	"lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek "
	"lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat lstat64 "
	"madvise membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 "
	"mlockall map_shadow_stack mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive "
	"mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
	"msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect "
	"open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free "
	"pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease "
	"pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv "
	"recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename "
	"renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
	"rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
	"rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max "
	"sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
	"sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select "
	"semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto "
	"setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid "
	"setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
	"setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 "
	"setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask "
	"sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink "
	"symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete "
	"timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate "
	"truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 "
	"utimes vfork vmsplice wait4 waitid waitpid write writev";
static const char since_4_8[] = "process_vm_readv process_vm_writev ptrace";

#if defined(__x86_64__)
#define ARCHES     "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32"
#define ARCH_CALLS "arch_prctl modify_ldt"
#elif defined(__i386__)
#define ARCHES     ""
#define ARCH_CALLS "modify_ldt"
#elif defined(__aarch64__)
#define ARCHES     "SCMP_ARCH_ARM SCMP_ARCH_AARCH64"
#define ARCH_CALLS "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
#elif defined(__arm__)
#define ARCHES     ""
#define ARCH_CALLS "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
#elif defined(__s390x__)
#define ARCHES     "SCMP_ARCH_S390 SCMP_ARCH_S390X"
#define ARCH_CALLS "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHES     ""
#define ARCH_CALLS "sync_file_range2 swapcontext"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHES     "SCMP_ARCH_RISCV64"
#define ARCH_CALLS "riscv_flush_icache riscv_hwprobe"
#elif defined(__loongarch64)
#define ARCHES     "SCMP_ARCH_LOONGARCH64"
#define ARCH_CALLS ""
#elif defined(__mips64) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHES     "SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL64N32"
#define ARCH_CALLS ""
#elif defined(__mips64)
#define ARCHES     "SCMP_ARCH_MIPS SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32"
#define ARCH_CALLS ""
#else
#define ARCHES     ""
#define ARCH_CALLS ""
#endif
/* Which argument of clone(2) has the flags. */
#if defined(__s390__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* What each capability of the bounding set allows on top, in the order of that set. */
static const struct {
	const char *cap, *calls;
} by_capability[] = {
	{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
	{"CAP_SYS_ADMIN",
	 "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
	 "mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
	 "setdomainname sethostname setns syslog umount umount2 unshare"},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_MODULE", "delete_module init_module finit_module"},
	{"CAP_SYS_PACCT", "acct"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
	{"CAP_SYS_RAWIO", "iopl ioperm"},
	{"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"CAP_SYSLOG", "syslog"},
	{"CAP_BPF", "bpf"},
	{"CAP_PERFMON", "perf_event_open"},
};

#define NEW_NAMESPACES                                                                                       \
	((int64_t)(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
		   CLONE_NEWCGROUP))

struct condition {
	const char *call;
	int64_t value;
	const char *op;
};
/* Sockets of every family but AF_ALG and AF_VSOCK, as three ranges: a runtime makes a rule of its own of each condition on
 * the same argument, and takes them as alternatives, so "neither of the two" cannot be said. And the personalities that
 * change nothing: Linux, 32-bit Linux, both without the 2.6 disguise (UNAME26), and the question. */
static const struct condition conditions[] = {
	{"socket", AF_ALG, "SCMP_CMP_LT"},       {"socket", AF_ALG + 1, "SCMP_CMP_EQ"},
	{"socket", AF_VSOCK, "SCMP_CMP_GT"},     {"personality", 0x0, "SCMP_CMP_EQ"},
	{"personality", 0x0008, "SCMP_CMP_EQ"},  {"personality", 0x20000, "SCMP_CMP_EQ"},
	{"personality", 0x20008, "SCMP_CMP_EQ"}, {"personality", 0xffffffff, "SCMP_CMP_EQ"},
};

/* The words of a string as an array; NULL when out of memory. */
static json_t *words(const char *s)
{
	_cleanup_json_ json_t *array = json_array();

	while (array && *s) {
		size_t n = strcspn(s, " ");

		if (json_array_append_new(array, json_stringn_nocheck(s, n)) < 0)
			return NULL;
		s += n;
		s += *s == ' ';
	}
	return TAKE_PTR(array);
}

static json_t *rule(const char *names, const char *action)
{
	return json_pack("{s:o, s:s}", "names", words(names), "action", action);
}

/* names: nothing to allow when empty. */
static int allow(json_t *rules, const char *names, struct cor_error *err)
{
	return *names ? cor_spec_push(rules, rule(names, "SCMP_ACT_ALLOW"), err) : 0;
}

static int allow_if(json_t *rules, const struct condition *c, struct cor_error *err)
{
	json_t *r =
		json_pack("{s:[s], s:s, s:[{s:i, s:I, s:s}]}", "names", c->call, "action", "SCMP_ACT_ALLOW",
			  "args", "index", 0, "value", (json_int_t)c->value, "op", c->op);

	return cor_spec_push(rules, r, err);
}

/* clone without new namespaces, and no clone3 at all. */
static int limit_clone(json_t *rules, struct cor_error *err)
{
	json_t *no_clone3;
	int r = cor_spec_push(rules,
			      json_pack("{s:[s], s:s, s:[{s:i, s:I, s:s}]}", "names", "clone", "action",
					"SCMP_ACT_ALLOW", "args", "index", CLONE_FLAGS_ARG, "value",
					(json_int_t)NEW_NAMESPACES, "op", "SCMP_CMP_MASKED_EQ"),
			      err);

	if (r < 0)
		return r;
	no_clone3 = json_pack("{s:[s], s:s, s:i}", "names", "clone3", "action", "SCMP_ACT_ERRNO", "errnoRet",
			      ENOSYS);
	return cor_spec_push(rules, no_clone3, err);
}

static int allow_capabilities(json_t *rules, const json_t *bounding, struct cor_error *err)
{
	const json_t *cap;
	bool admin = false;
	size_t i;
	int r = 0;

	json_array_foreach(bounding, i, cap)
	{
		const char *name = json_string_value(cap);

		for (size_t k = 0; r >= 0 && name && k < ARRAY_SIZE(by_capability); k++)
			if (streq(name, by_capability[k].cap))
				r = allow(rules, by_capability[k].calls, err);
		if (r < 0)
			return r;
		admin = admin || (name && streq(name, "CAP_SYS_ADMIN"));
	}
	return admin ? 0 : limit_clone(rules, err);
}

static int fill_rules(json_t *rules, const json_t *bounding, struct cor_error *err)
{
	int r = allow(rules, always, err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(conditions); i++)
		r = allow_if(rules, &conditions[i], err);
	if (r >= 0)
		r = allow(rules, since_4_8, err);
	if (r >= 0)
		r = allow(rules, ARCH_CALLS, err);
	return r < 0 ? r : allow_capabilities(rules, bounding, err);
}

int cor_spec_seccomp_default(const json_t *bounding, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *profile = json_pack("{s:s}", "defaultAction", "SCMP_ACT_ERRNO");
	json_t *rules = NULL;
	int r = 0;

	if (!profile)
		return cor_error_oom(err);
	if (*ARCHES)
		r = cor_spec_put(profile, "architectures", words(ARCHES), err);
	if (r >= 0)
		r = cor_spec_array(profile, "syscalls", &rules, err);
	if (r >= 0)
		r = fill_rules(rules, bounding, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(profile);
	return 0;
}
