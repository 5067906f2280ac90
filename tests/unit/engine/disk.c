/* SPDX-License-Identifier: Apache-2.0 */
/* See disk.h. */
#include "disk.h"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

/* Not in the exported headers: EXT4_IOC_SHUTDOWN, and its flag for "without writing the journal". */
#define SHUTDOWN            _IOR('X', 125, uint32_t)
#define SHUTDOWN_NOLOGFLUSH 2

static int run(const char *file, char *const *argv)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		_cleanup_close_ int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		execvp(file, argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

int setup_disk(void **state, int megabytes)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char image[80];
	snprintf(f->dir, sizeof(f->dir), "/tmp/cor-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(image, sizeof(image), "%s/disk", f->dir);
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	*state = f;
	_cleanup_close_ int fd = open(image, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)megabytes << 20) < 0 || mkdir(f->root, 0700) < 0)
		return -1;
	char *mkfs[] = {(char *)"mkfs.ext4", (char *)"-qF", (char *)"-m0", image, NULL};
	char *mnt[] = {(char *)"mount", (char *)"-oloop", image, f->root, NULL};
	if (run("mkfs.ext4", mkfs) != 0 || run("mount", mnt) != 0)
		return 0; /* no loop devices here: s stays NULL */
	f->s = open_services(f, NULL, &f->err);
	f->e = cor_engine_of(f->s);
	return 0;
}

int teardown_disk(void **state)
{
	struct fixture *f = *state;
	cor_services_free(f->s);
	if (f->s && umount2(f->root, MNT_DETACH) < 0)
		return -1;
	int r = cor_remove_tree_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return r;
}

void cut_power(struct fixture *f)
{
	uint32_t flags = SHUTDOWN_NOLOGFLUSH;
	_cleanup_close_ int fd = open(f->root, O_RDONLY | O_DIRECTORY);
	assert_int_equal(ioctl(fd, SHUTDOWN, &flags), 0);
}

/* From a copy of the disk: the old file system may live on, shut down, in the mount namespaces of others (any container that was
 * started meanwhile), and mounting the same device again would yield that one. */
void restore_power(struct fixture *f)
{
	char image[80], copy[84];
	char *cp[] = {(char *)"cp", (char *)"--sparse=always", image, copy, NULL};
	char *mnt[] = {(char *)"mount", (char *)"-oloop", image, f->root, NULL};
	snprintf(image, sizeof(image), "%s/disk", f->dir);
	snprintf(copy, sizeof(copy), "%s.new", image);
	assert_int_equal(run("cp", cp), 0);
	cor_services_free(f->s);
	f->s = NULL;
	assert_int_equal(umount2(f->root, MNT_DETACH), 0);
	assert_int_equal(rename(copy, image), 0);
	assert_int_equal(run("mount", mnt), 0);
	f->s = open_services(f, NULL, &f->err);
	f->e = cor_engine_of(f->s);
}

void lose_power(struct fixture *f)
{
	cut_power(f);
	restore_power(f);
}
