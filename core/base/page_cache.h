/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a file would have to be waited for, and waiting for them where that holds up
 * nobody. */
#ifndef LOCI_BASE_PAGE_CACHE_H
#define LOCI_BASE_PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* pread(2) of what is in memory; -1 with EAGAIN where nothing is, EOPNOTSUPP where the file system
 * cannot tell. */
ssize_t loci__page_cache_read(int fd, void *p, size_t n, uint64_t offset);
/* Whether one of these of n > 0 bytes has to come from the disk: the first, each step behind it,
 * the last. Asking may begin to read it. Where the file system cannot tell, none has. */
bool loci__page_cache_lacks(int fd, uint64_t offset, size_t n, size_t step);
/* Waits until n bytes, or those up to the file's end, are in memory. 0, or -1 with errno. */
int loci__page_cache_fill(int fd, uint64_t offset, size_t n);

#endif
