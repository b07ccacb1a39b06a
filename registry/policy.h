/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may change while the registry serves, in one struct that is not changed but replaced. A
 * request takes the current one and keeps it to its end, so it is judged by one set of rules.
 *
 * They live in a fixed number of slots, each with a count of its users. A request counts itself in
 * and looks again whether the slot is still the current one; a change makes another slot current
 * first and looks at the counts then. All four are sequentially consistent, so one of the two sees
 * the other: a slot that nobody was seen in is nobody's. No lock on the way of a request, nothing
 * freed under anybody's hands, and no more memory than the slots.
 */
#ifndef LOCI_REGISTRY_POLICY_H
#define LOCI_REGISTRY_POLICY_H

#include "loci/registry.h"
#include "registry/address.h"
#include "registry/rate.h"
#include "registry/tag_rule.h"

#include <pthread.h>
#include <stdatomic.h>

struct loci__policy {
	bool read_only;
	bool delete_disabled;
	bool allow_sparse;
	bool allow_sparse_index;
	bool deny_foreign;
	bool track_pulls;
	struct loci__tag_rules immutable;
	struct loci__rate_limits limits;
	struct loci__networks trusted; /* proxies that are believed */
};

/* Changes that may come while one request is still answered. */
#define LOCI_POLICY_SLOTS 8

struct loci__policy_slot {
	atomic_uint users;
	struct loci__policy policy;
};

struct loci__policies {
	pthread_mutex_t changing;
	atomic_uint current;
	struct loci__policy_slot slots[LOCI_POLICY_SLOTS];
};

int loci__policies_new(struct loci__policies **ret, struct loci_error *err);
/* Nobody may hold one any more. NULL is fine. */
void loci__policies_free(struct loci__policies *all);

/* Expected errors: INVALID with the option's name; BUSY (so many changes within one request). */
int loci__policies_set(struct loci__policies *all, const struct loci_registry_opts *o,
                       struct loci_error *err);

const struct loci__policy *loci__policy_get(struct loci__policies *all);
void loci__policy_put(const struct loci__policy *p);

#endif
