/* SPDX-License-Identifier: Apache-2.0 */
/* The registry object, and the way of a request: target, route, switches, name, handler. */
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "loci/inventory.h"
#include "registry/limit.h"
#include "registry/metrics.h"
#include "registry/problem.h"
#include "registry/route.h"
#include "registry/sink.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_MANIFEST (4u << 20)
#define DEFAULT_LIST_MAX     1000
#define DEFAULT_CLIENTS      65536
/* Of a page, so that its text stays a few MiB. */
#define LIST_MAX_MAX 10000

/* A caller that was built with an older header has fewer fields: the rest is default. */
static int take_opts(const struct loci_registry_opts *given, struct loci_registry_opts *o,
                     struct loci_error *err)
{
	size_t n = given ? given->struct_size : 0;
	if (n == 0)
		return loci__err_set(err, LOCI_E_INVALID, "registry: struct_size is not set");
	*o = (struct loci_registry_opts){0};
	memcpy(o, given, n < sizeof(*o) ? n : sizeof(*o));
	if (o->list_max > LIST_MAX_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "registry: list_max: at most %d",
		                     LIST_MAX_MAX);
	if (o->max_manifest_size > SIZE_MAX / 4)
		return loci__err_set(err, LOCI_E_INVALID, "registry: max_manifest_size: too large");
	return 0;
}

/* A store that takes no writes is served all the same. */
static void track_pulls(struct loci_registry *r, bool on)
{
	struct loci_error err;
	if (loci_pulls_track(r->store, on, &err) < 0)
		loci__log_error(&r->log, LOCI_LOG_WARN, "registry", "remember pulls", &err);
}

int loci_registry_new(const struct loci_registry_opts *given, struct loci_registry **ret,
                      struct loci_error *err)
{
	struct loci_registry_opts opts;
	int r = take_opts(given, &opts, err);
	if (r == 0 && !opts.store)
		r = loci__err_set(err, LOCI_E_INVALID, "registry: no store");
	if (r < 0)
		return r;
	struct loci_registry *reg = calloc(1, sizeof(*reg));
	if (!reg)
		return loci__err_nomem(err);
	reg->store = opts.store;
	if (opts.log)
		reg->log = *opts.log;
	reg->max_manifest_size =
	        opts.max_manifest_size ? opts.max_manifest_size : DEFAULT_MAX_MANIFEST;
	reg->max_upload_size = opts.max_upload_size ? opts.max_upload_size : UINT64_MAX;
	reg->may_read = opts.may_read;
	reg->may_read_arg = opts.may_read_arg;
	reg->min_free = opts.min_free;
	reg->list_max = opts.list_max ? opts.list_max : DEFAULT_LIST_MAX;
	r = loci__policies_new(&reg->policies, err);
	if (r == 0)
		r = loci__rates_new(opts.max_clients ? opts.max_clients : DEFAULT_CLIENTS,
		                    &reg->rates, err);
	if (r == 0)
		r = loci__policies_set(reg->policies, &opts, err);
	if (r == 0 && !opts.metrics_disabled)
		r = loci__metrics_new(reg->store, &reg->metrics, err);
	if (r < 0) {
		loci_registry_free(reg);
		return r;
	}
	track_pulls(reg, opts.track_pulls);
	*ret = reg;
	return 0;
}

void loci_registry_free(struct loci_registry *r)
{
	if (!r)
		return;
	loci__metrics_free(r->metrics);
	loci__policies_free(r->policies);
	loci__rates_free(r->rates);
	free(r);
}

int loci_registry_reconfigure(struct loci_registry *r, const struct loci_registry_opts *given,
                              struct loci_error *err)
{
	struct loci_registry_opts opts;
	int rc = take_opts(given, &opts, err);
	if (rc == 0)
		rc = loci__policies_set(r->policies, &opts, err);
	if (rc == 0)
		track_pulls(r, opts.track_pulls);
	if (rc == 0 && opts.log)
		loci__log_set_level(&r->log, loci__log_level(opts.log));
	return rc;
}

static bool blocks(const struct loci__match *match, const char *method)
{
	const struct loci__route *row = loci__route_method(match->rows, method);
	return row && (row->flags & LOCI_ROUTE_BLOCKS);
}

bool loci_registry_may_block(const struct loci_registry *r, const char *method, const char *target)
{
	char buf[LOCI_TARGET_MAX]; /* percent-encoded, even a short name is long */
	struct loci_slice path;
	struct loci__match match;
	(void)r;
	return loci__target_path(target, buf, sizeof(buf), &path, NULL) == 0 &&
	       loci__route_match(path, &match) && blocks(&match, method);
}

/* Flags of the rows that may not be used now. The store's mark is asked for by those alone who want
 * to write: reading does not pay for it. */
static unsigned refused_flags(const struct loci__rq *rq, const struct loci__route *row)
{
	unsigned refused = rq->policy->delete_disabled ? LOCI_ROUTE_DELETES : 0;
	if (rq->policy->read_only ||
	    (row && (row->flags & LOCI_ROUTE_WRITES) && loci_store_is_frozen(rq->reg->store)))
		refused |= LOCI_ROUTE_WRITES;
	return refused;
}

static void refuse_method(struct loci__rs *rs, const struct loci__rq *rq,
                          const struct loci__match *match, const struct loci__route *row,
                          unsigned refused)
{
	char allow[LOCI_ALLOW_MAX];
	const char *why = !row                            ? "method not supported here"
	                  : (refused & LOCI_ROUTE_WRITES) ? "the registry is read-only"
	                                                  : "deletion is disabled";
	loci__rs_error(rs, 405, "UNSUPPORTED", why, rq->http->method);
	loci__route_allow(match->rows, refused, allow);
	loci__rs_header(rs, "allow", "%s", allow);
}

/* Copies what the route found in the path. */
static bool take_names(struct loci__rq *rq, const struct loci__match *match, struct loci__rs *rs)
{
	struct loci_error err;
	rq->reference = match->reference.n ? match->reference.p : ""; /* the path's end */
	if (match->name.n && (!loci_repo_is_valid(match->name.p, match->name.n) ||
	                      !loci__slice_copy(match->name, rq->name, sizeof(rq->name)))) {
		loci__err_set(&err, LOCI_E_INVALID,
		              "repository name: expected lower-case components, at most %d bytes",
		              LOCI_REPO_MAX);
		loci__problem(rq, rs, LOCI_ABOUT_NAME, &err, NULL);
		return false;
	}
	return true;
}

static void dispatch(struct loci__rq *rq, struct loci__rs *rs, const struct loci__match *match)
{
	loci__rs_count(rs, rq->reg->metrics,
	               match ? loci__metrics_end_point(rq->reg->metrics, match->rows) : 0);
	if (!(match && match->rows->flags & LOCI_ROUTE_UNLIMITED) && !loci__limit_admit(rq, rs))
		return;
	if (!match) {
		loci__rs_error(rs, 404, "UNSUPPORTED", "no such end-point", rq->target->path.p);
		return;
	}
	const struct loci__route *row = loci__route_method(match->rows, rq->http->method);
	const unsigned refused = refused_flags(rq, row);
	if (!row || !loci__route_is_allowed(row, refused)) {
		refuse_method(rs, rq, match, row, refused);
		return;
	}
	if (!take_names(rq, match, rs))
		return;
	rq->head = strcmp(rq->http->method, "HEAD") == 0;
	row->handler(rq, rs);
}

/* With the client's name on what is changed, now and by the body that follows. */
static void dispatch_for(const struct loci_http_request *http, struct loci__rq *rq,
                         struct loci__rs *rs, const struct loci__match *match)
{
	const struct loci_origin origin = loci__origin_of(http);
	const struct loci_origin *before = loci_origin_set(&origin);
	dispatch(rq, rs, match);
	loci_origin_set(before);
	if (rs->sink)
		rs->sink->origin = loci__origin_copy(&origin);
}

static void refuse_target(const struct loci__rq *rq, struct loci__rs *rs,
                          const struct loci_error *err)
{
	if (loci__limit_admit(rq, rs))
		loci__problem(rq, rs, LOCI_ABOUT_TARGET, err, NULL);
}

/* False: the handler may block and must not; nothing was done. */
static bool handle(struct loci__rq *rq, struct loci__target *target, struct loci__rs *rs)
{
	struct loci__match match;
	struct loci_error err;
	if (loci__target_parse(rq->http->target, target, &err) < 0) {
		refuse_target(rq, rs, &err);
		return true;
	}
	const bool found = loci__route_match(target->path, &match);
	if (found && loci__rq_must_not_block(rq) && blocks(&match, rq->http->method))
		return false;
	if (loci_event_is_wanted(rq->reg->store, /* type= */ 0))
		dispatch_for(rq->http, rq, rs, found ? &match : NULL);
	else
		dispatch(rq, rs, found ? &match : NULL);
	return true;
}

struct loci_http_response *loci_registry_handle(struct loci_registry *r,
                                                const struct loci_http_request *http)
{
	struct loci__target target;
	struct loci__rs *rs = loci__rs_new();
	if (!rs)
		return NULL;
	struct loci__rq rq = {
	        .reg = r,
	        .policy = loci__policy_get(r->policies),
	        .http = http,
	        .target = &target,
	        .reference = "",
	};
	const bool handled = handle(&rq, &target, rs);
	if (handled && !rs->sink)
		loci__limit_settle(rs);
	loci__policy_put(rq.policy);
	if (handled)
		return &rs->http;
	loci_http_response_free(&rs->http);
	return NULL;
}
