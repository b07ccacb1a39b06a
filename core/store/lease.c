/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/lease.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "core/store/store.h"

#include <pthread.h>
#include <stdlib.h>

/* Renewals under way: a direct-mapped table; a collision only costs a second write. */
#define CACHE_SLOTS 1024
/* For so long one counts as under way. Then its row says so, or it has failed: shorter than the
 * grace of garbage collection, so that who was told "it is there" is covered by the one or the
 * other. */
#define UNDER_WAY_S 2

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

/* ---- rows ------------------------------------------------------------------------------------ */

/* until (8); of a condemned digest 0 (8) and when (8) */
bool loci__lease_parse(struct loci_slice val, struct loci__lease *ret)
{
	*ret = (struct loci__lease){0};
	if (!loci__take_u64le(&val, &ret->until))
		return false;
	return ret->until || loci__take_u64le(&val, &ret->condemned);
}

int loci__lease_get(struct loci__txn *t, const struct loci_digest *d, struct loci__lease *ret,
                    struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_LEASE, &k, &val, err);
	if (rc == LOCI_E_NOT_FOUND) {
		*ret = (struct loci__lease){0};
		return 0;
	}
	if (rc == 0 && !loci__lease_parse(val, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a lease is damaged");
	return rc;
}

int loci__lease_put(struct loci__txn *t, const struct loci_digest *d, uint64_t until,
                    struct loci_error *err)
{
	struct loci__lease old;
	int rc = loci__lease_get(t, d, &old, err);
	if (rc < 0 || old.until >= until)
		return rc;
	struct loci__key k = loci__key_of_digest(d);
	return loci__txn_put_u64(t, LOCI_INDEX_LEASE, &k, until, err);
}

int loci__lease_condemn(struct loci__txn *t, const struct loci_digest *d, uint64_t now,
                        struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	char b[16];
	loci__put_u64le(b, 0);
	loci__put_u64le(b + 8, now);
	return loci__txn_put(t, LOCI_INDEX_LEASE, &k, (struct loci_slice){b, sizeof(b)}, err);
}

int loci__lease_revive(struct loci__txn *t, const struct loci_digest *d, uint64_t until,
                       struct loci_error *err)
{
	struct loci__lease lease;
	int rc = loci__lease_get(t, d, &lease, err);
	return rc == 0 && lease.condemned ? loci__lease_put(t, d, until, err) : rc;
}

/* ---- renewals -------------------------------------------------------------------------------- */

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

/* Claims the slot; false when a renewal of this digest is under way. */
static bool cache_claim(struct loci__lease_cache *c, const struct loci_digest *d, uint64_t now)
{
	struct slot *s = &c->slots[(d->bytes[0] | d->bytes[1] << 8) % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	bool young = loci_digest_equal(&s->digest, d) && now - s->queued_at < UNDER_WAY_S;
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

int loci__lease_renew(struct loci_store *st, const struct loci_digest *d, uint64_t until,
                      struct loci_error *err)
{
	uint64_t now = loci__clock_epoch();
	if (until >= now + st->opts.lease_s - st->opts.lease_s / 4)
		return 0;
	if (!cache_claim(st->sh->leases, d, now))
		return 0;
	struct renewal *r = malloc(sizeof(*r));
	struct loci_error why = {0};
	int rc = LOCI_E_NOMEM;
	if (r) {
		*r = (struct renewal){*d, now + st->opts.lease_s};
		rc = loci__writer_post(st->sh->writer, renew_op, r, &why);
	}
	if (rc == 0)
		return 0;
	free(r);
	cache_drop(st->sh->leases, d);
	loci__log_error(st->opts.log, LOCI_LOG_WARN, "store", "renew a lease", &why);
	if (until > now)
		return 0;
	return loci__err_set(err, LOCI_E_BUSY, "blob %s: its lease is over and cannot be renewed",
	                     loci__digest_text(d).s);
}
