/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus through a fuzz target without libFuzzer: every file named, and every file in each directory named. So
 * the corpora are ordinary tests with every compiler. Fails when nothing was replayed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "replay: %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* Exactly as large as the input, so that a sanitizer sees a read past its end. */
	uint8_t *data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	ssize_t n = data ? pread(fd, data, (size_t)st.st_size, 0) : -1;
	close(fd);
	if (n != st.st_size) {
		fprintf(stderr, "replay: %s: short read\n", name);
		free(data);
		return -1;
	}
	LLVMFuzzerTestOneInput(data, (size_t)n);
	free(data);
	return 1;
}

static int replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;
	if (!dir)
		return errno == ENOTDIR ? replay_file(AT_FDCWD, path) : -1;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		int r = replay_file(dirfd(dir), entry->d_name);
		if (r < 0) {
			count = -1;
			break;
		}
		count += r;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i < argc; i++) {
		int r = replay_directory(argv[i]);
		if (r < 0) {
			fprintf(stderr, "replay: %s failed\n", argv[i]);
			return 1;
		}
		total += r;
	}
	if (total == 0) {
		fprintf(stderr, "replay: nothing to replay\n");
		return 1;
	}
	printf("replayed %d inputs\n", total);
	return 0;
}
