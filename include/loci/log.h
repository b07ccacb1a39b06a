/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries never print; they call this, if given.
 */
#ifndef LOCI_LOG_H
#define LOCI_LOG_H

#include "loci/api.h"

LOCI_BEGIN_DECLS

enum loci_log_level { LOCI_LOG_ERROR, LOCI_LOG_WARN, LOCI_LOG_INFO, LOCI_LOG_DEBUG };

struct loci_log_field {
	const char *key;
	const char *value;
};

struct loci_log_record {
	int level;             /* enum loci_log_level */
	const char *component; /* "registry", "unpack" … */
	const char *msg;       /* lower case, no full stop */
	const struct loci_log_field *fields;
	size_t n_fields;
};

/** Called from any thread of the library, also from several at once; the record lives for the call.
 */
typedef void (*loci_log_fn)(void *arg, const struct loci_log_record *rec);

struct loci_log {
	loci_log_fn fn;
	void *arg;
	/** Records above it are not made. Whoever lends the struct may change it meanwhile, by an
	 *  atomic store. */
	int max_level;
};

LOCI_END_DECLS
#endif
