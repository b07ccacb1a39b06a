/* SPDX-License-Identifier: Apache-2.0 */
/* The mount options of config.md "Linux mount options" in the terms of the new mount API. */
#ifndef LOCI_RUNTIME_MOUNT_OPTIONS_H
#define LOCI_RUNTIME_MOUNT_OPTIONS_H

#include "core/spec/runtime_config.h"

enum loci__mount_flag {
	LOCI_MOUNT_BIND = 1 << 0,
	LOCI_MOUNT_REC = 1 << 1, /* rbind */
	LOCI_MOUNT_REMOUNT = 1 << 2
};

/* What one mount asks for: attributes of this mount and, apart, of all below it; propagation; and
 * what goes to the file system, in order. */
struct loci__mount_options {
	unsigned flags; /* enum loci__mount_flag */
	uint64_t attr_set, attr_clr;
	uint64_t rec_set, rec_clr; /* the r… forms */
	uint64_t propagation;      /* MS_*, or 0: as it comes */
	bool propagation_rec;
	struct loci__strings data; /* "key=value" or "flag" */
};

/* `where`: "$.mounts[3]", for messages. Expected errors: UNSUPPORTED, NOMEM. */
int loci__mount_options_parse(const struct loci__strings *options, const char *where,
                              struct loci__arena *arena, struct loci__mount_options *ret,
                              struct loci_error *err);

/* Names of attribute and propagation bits, comma-separated, for printing. */
void loci__mount_attr_format(uint64_t attr, char *buf, size_t size);
const char *loci__propagation_name(uint64_t propagation);
/* "rslave" and "slave" to MS_SLAVE; 0 when unknown. */
uint64_t loci__propagation_parse(const char *name, bool *ret_rec);

#endif
