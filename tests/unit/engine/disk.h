/* SPDX-License-Identifier: Apache-2.0 */
/* The fixture with its root on an ext4 file system of its own, in a file behind a loop device. */
#ifndef TESTS_ENGINE_DISK_H
#define TESTS_ENGINE_DISK_H

#include "fixture.h"

/* Where there are no loop devices f->s stays NULL. */
int setup_disk(void **state, int megabytes);
int teardown_disk(void **state);
/* What a power loss does: what is not on disk by now never comes there; then the file system is mounted again and the engine
 * opened. */
void lose_power(struct fixture *f);
/* Its two halves: between them nothing can be written. */
void cut_power(struct fixture *f);
void restore_power(struct fixture *f);

#define needs_disk(f)                                \
	do {                                         \
		if (!(f)->s)                         \
			skip(); /* no loop device */ \
	} while (0)

#endif
