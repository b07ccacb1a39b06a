/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/policy.h"

#include "core/base/err.h"

#include <stdlib.h>

/* ---- one of them ----------------------------------------------------------------------------- */

static int make(struct loci__policy *p, const struct loci_registry_opts *o, struct loci_error *err)
{
	*p = (struct loci__policy){
	        .read_only = o->read_only,
	        .delete_disabled = o->delete_disabled,
	        .allow_sparse = o->allow_sparse,
	        .allow_sparse_index = o->allow_sparse_index,
	        .deny_foreign = o->deny_foreign,
	        .track_pulls = o->track_pulls,
	};
	p->limits = (struct loci__rate_limits){
	        .requests = loci__rate_make(o->requests_per_s, o->request_burst),
	        .errors = loci__rate_make(o->errors_per_s, o->error_burst),
	        .total = loci__rate_make(o->total_per_s, o->total_burst),
	};
	int r = loci__tag_rules_init(&p->immutable, o->immutable_tags, o->n_immutable_tags, err);
	if (r == 0)
		r = loci__networks_init(&p->trusted, o->trusted_proxies, o->n_trusted_proxies, err);
	return r;
}

static void done(struct loci__policy *p)
{
	loci__tag_rules_done(&p->immutable);
	loci__networks_done(&p->trusted);
	*p = (struct loci__policy){0};
}

/* ---- their slots ----------------------------------------------------------------------------- */

int loci__policies_new(struct loci__policies **ret, struct loci_error *err)
{
	struct loci__policies *all = calloc(1, sizeof(*all));
	if (!all)
		return loci__err_nomem(err);
	pthread_mutex_init(&all->changing, NULL);
	*ret = all;
	return 0;
}

void loci__policies_free(struct loci__policies *all)
{
	if (!all)
		return;
	for (unsigned i = 0; i < LOCI_POLICY_SLOTS; i++)
		done(&all->slots[i].policy);
	pthread_mutex_destroy(&all->changing);
	free(all);
}

/* With the lock held: a slot that is not the current one, and that nobody uses. */
static struct loci__policy_slot *free_slot(struct loci__policies *all)
{
	unsigned current = atomic_load(&all->current);
	for (unsigned i = 0; i < LOCI_POLICY_SLOTS; i++)
		if (i != current && atomic_load(&all->slots[i].users) == 0)
			return &all->slots[i];
	return NULL;
}

static int set(struct loci__policies *all, const struct loci_registry_opts *o,
               struct loci_error *err)
{
	struct loci__policy_slot *slot = free_slot(all);
	if (!slot)
		return loci__err_set(err, LOCI_E_BUSY, "registry: %d changes in one request's time",
		                     LOCI_POLICY_SLOTS - 1);
	done(&slot->policy);
	int r = make(&slot->policy, o, err);
	if (r < 0)
		done(&slot->policy);
	else
		atomic_store(&all->current, (unsigned)(slot - all->slots));
	return r;
}

int loci__policies_set(struct loci__policies *all, const struct loci_registry_opts *o,
                       struct loci_error *err)
{
	pthread_mutex_lock(&all->changing);
	int r = set(all, o, err);
	pthread_mutex_unlock(&all->changing);
	return r;
}

const struct loci__policy *loci__policy_get(struct loci__policies *all)
{
	for (;;) {
		unsigned i = atomic_load(&all->current);
		atomic_fetch_add(&all->slots[i].users, 1);
		if (atomic_load(&all->current) == i)
			return &all->slots[i].policy;
		/* It was replaced in between, and may be written to. */
		atomic_fetch_sub(&all->slots[i].users, 1);
	}
}

void loci__policy_put(const struct loci__policy *p)
{
	struct loci__policy_slot *slot =
	        (struct loci__policy_slot *)((char *)p -
	                                     offsetof(struct loci__policy_slot, policy));
	atomic_fetch_sub(&slot->users, 1);
}
