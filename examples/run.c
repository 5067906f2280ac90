/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs `uname -a` in an image and prints what it said, in capitals.
 *
 *     cc run.c $(pkg-config --cflags --libs libcoracle) -o run && ./run IMAGE [ROOT STATE]
 */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include <coracle/coracle.h>

int main(int argc, char **argv)
{
	struct cor_error err = {0};
	struct cor_client_options where = {.size = sizeof(where)};
	struct cor_client *client = NULL;
	struct cor_process *process = NULL;
	const char *args[] = {"uname", "-a", NULL};
	uint32_t status = 1;
	int out[2], failed = 1;
	char c;

	if (argc < 2 || pipe(out) < 0)
		return 2;
	where.root = argc > 2 ? argv[2] : NULL;
	where.state = argc > 3 ? argv[3] : NULL;
	struct cor_process_options options = {.size = sizeof(options),
					      .image = argv[1],
					      .id = "example",
					      .args = args,
					      .stdio = {-1, out[1], 2}};
	if (cor_client_open(&where, &client, &err) >= 0 &&
	    cor_process_start(client, &options, &process, &err) >= 0) {
		close(out[1]);
		while (read(out[0], &c, 1) == 1)
			putchar(toupper((unsigned char)c));
		failed =
			cor_process_wait(process, &status, &err) < 0 || cor_process_remove(process, &err) < 0;
	}
	if (failed)
		fprintf(stderr, "run: %s\n", err.message);
	cor_process_free(process);
	cor_client_free(client);
	return failed ? 1 : (int)status;
}
