/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one stream shape used everywhere.
 */
#ifndef LOCI_IO_H
#define LOCI_IO_H

#include "loci/api.h"
#include "loci/error.h"

LOCI_BEGIN_DECLS

/** Returns > 0 bytes, 0 at the end, < 0 an enum loci_code with err filled. May block. */
typedef ssize_t (*loci_read_fn)(void *arg, void *buf, size_t n, struct loci_error *err);

struct loci_reader {
	loci_read_fn read;
	void *arg;
};

LOCI_END_DECLS
#endif
