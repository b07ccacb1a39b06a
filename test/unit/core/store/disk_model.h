/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that loses its power. What a process does to a directory is recorded, call by call, and
 * can be replayed up to any of them, to what a disk may have then: everything that was synced, and
 * of the rest any pages of the writes and any first part of what was done in each directory. That
 * is less than journals of ext4 or XFS would keep: no order between files, none between
 * directories, a file's sync says nothing of its name.
 *
 * The calls stand before the C library's, for the store and for LMDB. What is only mapped is not
 * seen: LMDB's lock file, which it makes anew.
 */
#ifndef LOCI_TEST_STORE_DISK_MODEL_H
#define LOCI_TEST_STORE_DISK_MODEL_H

#include <stdint.h>

/* From now on, below this directory, which is empty. */
void disk_record(const char *dir);
void disk_stop(void);
void disk_forget(void);
/* Calls so far. */
unsigned disk_calls(void);
/* Into the directory `to`, which is made: the first n calls, then the cut. Another seed, another
 * choice of what got to the disk. */
void disk_replay(unsigned n, uint64_t seed, const char *to);

#endif
