/* SPDX-License-Identifier: Apache-2.0 */
/* Starting child processes with exact descriptors, pidfds, waiting. */
#ifndef COR_BASE_PROCESS_H
#define COR_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct cor_spawn {
	const char *path; /* with a slash: that file; without: searched in PATH */
	char *const *argv;
	char *const *env; /* NULL: environ */
	int cwd_fd;       /* -1: stays */
	int fds[16];      /* child's descriptor i is a copy of fds[i]; -1: /dev/null for 0..2, closed above */
	size_t nfds;      /* everything from nfds up is closed */
	bool new_session; /* setsid */
	bool default_signals; /* signal mask emptied and handlers reset (always done for handlers) */
	pid_t pdeathsig_of; /* the caller's pid: the child is killed when the calling thread ends; 0: it is not */
};
/* Starts it; *ret_pid and, when not NULL, *ret_pidfd (O_CLOEXEC). exec failures are reported here, synchronously
 * ("exec crun: no such file or directory" -> -ENOENT). */
int cor_spawn(const struct cor_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct cor_error *err);

/* waitpid for one child, EINTR handled. Exit status as a shell has it: code, or 128 + signal. -errno on failure. */
int cor_wait_exit(pid_t pid, int *ret_status);

/* The file that execvp would run (absolute path, caller frees); also looks in extra (NULL-terminated directories)
 * after PATH. 0 or -ENOENT. */
int cor_find_program(const char *name, const char *const *extra, char **ret);

int cor_pidfd_open(pid_t pid);
int cor_pidfd_kill(int pidfd, int sig);
/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); 0 or -errno. */
int cor_process_start_time(pid_t pid, unsigned long long *ret);

/* "TERM", "SIGTERM", "term", "15", "RTMIN+3" -> number; -EINVAL. */
int cor_signal_parse(const char *s, int *ret);
/* "SIGTERM" or NULL. */
const char *cor_signal_name(int sig);

#endif
