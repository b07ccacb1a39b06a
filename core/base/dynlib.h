/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that a program loads when it uses it. libcurl and libarchive bring dozens of others
 * along, and linking those took longer than all else at the start of a program that, most of the
 * time, calls none of them.
 *
 * The owner of a library keeps a table, a struct of pointers to functions and nothing else, and
 * their names in the same order; both come from one X-macro, so that the library's own headers say
 * the types.
 */
#ifndef LOCI_BASE_DYNLIB_H
#define LOCI_BASE_DYNLIB_H

#include "loci/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct loci__dynlib {
	const char *soname;
	const char *package; /* Debian's, for the message */
	const char *const *names;
	size_t n;
	void *table; /* n pointers; to be read when loci__dynlib_load has succeeded */
	pthread_mutex_t lock;
	atomic_bool is_loaded;
};

/* Loads it unless that is done, and fills the table; it stays until the process ends. From any
 * thread. UNSUPPORTED: it, or a function of it, is not there; another call tries again. */
int loci__dynlib_load(struct loci__dynlib *lib, struct loci_error *err);

#endif
