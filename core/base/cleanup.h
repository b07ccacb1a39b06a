/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound release of memory, fds and the like. Initialise at the declaration, leave with
 * loci__steal_ptr/_fd. Cleaners keep errno, accept NULL and -1, and may run twice: an early return
 * after a failing call must not lose that call's errno.
 */
#ifndef LOCI_BASE_CLEANUP_H
#define LOCI_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* unused: being released may be all that happens to it. */
#define loci__cleanup(fn) __attribute__((cleanup(fn), unused))

/* A cleaner for `type *` held in a variable, from a free function that accepts NULL. */
#define LOCI_DEFINE_CLEANUP(name, type, free_fn) \
	static inline void name(type **p)        \
	{                                        \
		int saved = errno;               \
		if (*p)                          \
			free_fn(*p);             \
		*p = NULL;                       \
		errno = saved;                   \
	}

static inline void loci__free_ptr(void *p)
{
	void **pp = p;
	free(*pp); /* glibc's free keeps errno */
	*pp = NULL;
}
#define loci__cleanup_free loci__cleanup(loci__free_ptr)

static inline void loci__close_fd(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}
#define loci__cleanup_close loci__cleanup(loci__close_fd)

LOCI_DEFINE_CLEANUP(loci__fclose_ptr, FILE, fclose)
#define loci__cleanup_file loci__cleanup(loci__fclose_ptr)
LOCI_DEFINE_CLEANUP(loci__closedir_ptr, DIR, closedir)
#define loci__cleanup_dir loci__cleanup(loci__closedir_ptr)

/* The value leaves the scope alive. */
#define loci__steal_ptr(p)                       \
	({                                       \
		__typeof__(*(p)) stolen_ = *(p); \
		*(p) = NULL;                     \
		stolen_;                         \
	})
static inline int loci__steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

#define loci__array_len(a) (sizeof(a) / sizeof((a)[0]))

#endif
