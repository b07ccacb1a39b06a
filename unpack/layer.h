/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way of one layer, with what tests and loci_unpack_image decide beyond the public call.
 */
#ifndef LOCI_UNPACK_LAYER_H
#define LOCI_UNPACK_LAYER_H

#include "loci/unpack.h"

#define LOCI_UNPACK_MAX_BYTES   ((uint64_t)64 << 30)
#define LOCI_UNPACK_MAX_ENTRIES ((uint64_t)5000000)
#define LOCI_UNPACK_RESERVE     ((uint64_t)64 << 20)

enum loci_stages { LOCI_STAGES_AUTO, LOCI_STAGES_ONE, LOCI_STAGES_TWO };

struct loci_layer_job {
	int root_fd;
	const char *media_type;
	const struct loci_reader *in;
	int alg;                 /* of the diff ID, enum loci_digest_alg */
	enum loci_stages stages; /* threads: inflating and writing in one, or in one each */
	bool masked;             /* the umask may be anything */
};

/* opts must be filled (see loci__unpack_opts). */
int loci__unpack_run(const struct loci_layer_job *job, const struct loci_unpack_opts *opts,
                     struct loci_unpack_stats *ret, struct loci_error *err);
/* Checks the caller's options and puts the defaults in. o may be NULL. */
int loci__unpack_opts(const struct loci_unpack_opts *o, struct loci_unpack_opts *ret,
                      struct loci_error *err);
/* Cores this process may run on. */
unsigned loci__unpack_cores(void);

#endif
