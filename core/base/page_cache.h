/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a file would have to be waited for, and waiting for them where that holds up
 * nobody. */
#ifndef LOCI_BASE_PAGE_CACHE_H
#define LOCI_BASE_PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* pread(2) of what is in memory; -1 with EAGAIN where nothing is. */
ssize_t loci__pread_cached(int fd, void *p, size_t n, uint64_t offset);
/* Whether the first or the last of n bytes has to come from the disk; asking may begin to read it.
 * Where the file system cannot tell, none has. */
bool loci__is_cold(int fd, uint64_t offset, size_t n);
/* Waits until n bytes are in memory. What fails here will fail for whoever reads. */
void loci__warm(int fd, uint64_t offset, size_t n);

#endif
