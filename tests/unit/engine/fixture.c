/* SPDX-License-Identifier: Apache-2.0 */
/* See fixture.h. */
#include "fixture.h"

#include <dirent.h>

int count_entries(struct fixture *f, const char *sub)
{
	char path[200];
	int n = 0;
	snprintf(path, sizeof(path), "%s/%s", f->root, sub);
	DIR *d = opendir(path);
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

void in_processes(struct fixture *f, int n, int (*fn)(struct fixture *f, int i))
{
	pid_t pids[64];
	assert_true(n <= 64);
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			/* A failed assertion ends this process, not just the test in it. */
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			int r = fn(f, i);
			fflush(NULL);
			_exit(r);
		}
	}
	int bad = 0;
	for (int i = 0; i < n; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		bad += status != 0;
	}
	assert_int_equal(bad, 0);
}
