/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the registry is there (spec.md "Determining Support"), lives, and may be sent clients:
 * its index can be read and its writer answers, there is room on the disk, and it is not about to
 * stop.
 */
#include "registry/handlers.h"
#include "registry/problem.h"

#include "core/base/err.h"
#include "loci/stats.h"

#include <inttypes.h>

void loci__handle_version(struct loci__rq *rq, struct loci__rs *rs)
{
	(void)rq;
	loci__rs_body_ref(rs, "application/json", "{}");
}

void loci__handle_live(struct loci__rq *rq, struct loci__rs *rs)
{
	(void)rq;
	loci__rs_body_ref(rs, "text/plain; charset=utf-8", "ok\n");
}

void loci_registry_drain(struct loci_registry *r)
{
	atomic_store(&r->draining, true);
}

static int stop_at_first(void *arg, const char *name)
{
	(void)arg, (void)name;
	return 1;
}

static int check_draining(const struct loci_registry *reg, struct loci_error *err)
{
	if (!atomic_load(&reg->draining))
		return 0;
	return loci__err_set(err, LOCI_E_BUSY, "the server is about to stop");
}

static int check_readable(const struct loci_registry *reg, struct loci_error *err)
{
	int r = loci_repo_foreach(reg->store, /* after= */ NULL, stop_at_first, NULL, err);
	return r == LOCI_E_CALLBACK ? 0 : r;
}

/* A store at rest for a backup serves. */
static int check_writable(const struct loci_registry *reg, struct loci_error *err)
{
	int r = loci_store_probe(reg->store, err);
	return r == LOCI_E_READ_ONLY ? 0 : r;
}

static int check_disk(const struct loci_registry *reg, struct loci_error *err)
{
	struct loci_store_stats s = {.struct_size = sizeof(s)};
	int r = reg->min_free ? loci_store_stats(reg->store, &s, err) : 0;
	if (r < 0 || !reg->min_free || s.disk_free_bytes >= reg->min_free)
		return r;
	return loci__err_set(err, LOCI_E_NO_SPACE,
	                     "%" PRIu64 " bytes free on the disk, expected %" PRIu64 " at least",
	                     s.disk_free_bytes, reg->min_free);
}

static const struct {
	const char *what;
	int (*check)(const struct loci_registry *reg, struct loci_error *err);
} checks[] = {
        {"draining", check_draining},
        {"index", check_readable},
        {"writer", check_writable},
        {"disk", check_disk},
};

/* Always 503, whatever it was: balancers know that one. */
static void not_ready(const struct loci__rq *rq, struct loci__rs *rs, const char *what,
                      const struct loci_error *err)
{
	loci__problem(rq, rs, LOCI_ABOUT_ANYTHING, err, what); /* logs it */
	loci__rs_error(rs, 503, "UNAVAILABLE", err->msg, what);
	loci__rs_header_ref(rs, "retry-after", "1");
}

void loci__handle_ready(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_error err;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i].check(rq->reg, &err) < 0) {
			not_ready(rq, rs, checks[i].what, &err);
			return;
		}
	loci__rs_body_ref(rs, "text/plain; charset=utf-8", "ok\n");
}
