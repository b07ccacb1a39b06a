/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/lease.h"

#include "core/base/clock.h"
#include "core/base/logger.h"
#include "core/store/store.h"

#include <pthread.h>
#include <stdlib.h>

/* Renewals under way: a direct-mapped table; a collision only costs a second write. */
#define CACHE_SLOTS 1024

struct slot {
	struct loci_digest digest;
	uint64_t queued_at; /* seconds since the epoch */
};

struct loci__lease_cache {
	pthread_mutex_t lock;
	struct slot slots[CACHE_SLOTS];
};

struct loci__lease_cache *loci__lease_cache_new(void)
{
	struct loci__lease_cache *c = calloc(1, sizeof(*c));
	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void loci__lease_cache_free(struct loci__lease_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int loci__lease_get(struct loci__txn *t, const struct loci_digest *d, uint64_t *ret_until,
                    struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	int rc = loci__txn_get_u64(t, LOCI_INDEX_LEASE, &k, ret_until, err);
	if (rc == LOCI_E_NOT_FOUND) {
		*ret_until = 0;
		rc = 0;
	}
	return rc;
}

int loci__lease_put(struct loci__txn *t, const struct loci_digest *d, uint64_t until,
                    struct loci_error *err)
{
	uint64_t now_until;
	int rc = loci__lease_get(t, d, &now_until, err);
	if (rc < 0 || now_until >= until)
		return rc;
	struct loci__key k = loci__key_of_digest(d);
	return loci__txn_put_u64(t, LOCI_INDEX_LEASE, &k, until, err);
}

uint64_t loci__lease_until(const struct loci_store *st)
{
	return loci__clock_epoch() + st->opts.lease_s;
}

struct renewal {
	struct loci_digest digest;
	uint64_t until;
};

static int renew_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct renewal *r = arg;
	return loci__lease_put(t, &r->digest, r->until, err);
}

/* Claims the slot; false when a renewal of this digest is young enough. */
static bool cache_claim(struct loci__lease_cache *c, const struct loci_digest *d, uint64_t now,
                        uint64_t every, struct slot *ret_old)
{
	struct slot *s = &c->slots[(d->bytes[0] | d->bytes[1] << 8) % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	bool young = loci_digest_equal(&s->digest, d) && now - s->queued_at < every;
	*ret_old = *s;
	if (!young)
		*s = (struct slot){*d, now};
	pthread_mutex_unlock(&c->lock);
	return !young;
}

static void cache_drop(struct loci__lease_cache *c, const struct loci_digest *d)
{
	struct slot *s = &c->slots[(d->bytes[0] | d->bytes[1] << 8) % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	if (loci_digest_equal(&s->digest, d))
		s->queued_at = 0;
	pthread_mutex_unlock(&c->lock);
}

void loci__lease_renew(struct loci_store *st, const struct loci_digest *d, uint64_t until)
{
	uint64_t now = loci__clock_epoch();
	uint64_t quarter = st->opts.lease_s / 4;
	struct slot old;
	if (until >= now + st->opts.lease_s - quarter)
		return;
	if (!cache_claim(st->sh->leases, d, now, quarter ? quarter : 1, &old))
		return;
	struct renewal *r = malloc(sizeof(*r));
	struct loci_error err = {0};
	int rc = LOCI_E_NOMEM;
	if (r) {
		*r = (struct renewal){*d, now + st->opts.lease_s};
		rc = loci__writer_post(st->sh->writer, renew_op, r, &err);
	}
	if (rc < 0) {
		free(r);
		cache_drop(st->sh->leases, d);
		loci__log_error(st->opts.log, LOCI_LOG_WARN, "store", "renew a lease", &err);
	}
}
