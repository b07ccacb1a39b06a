/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end-points of a configuration, and who of several processes on a store serves them: the one
 * that holds the lock of run/notify/. Only it says what the store records; whoever comes second
 * waits for the lock on a thread of its own, and goes on where the first one stopped.
 */
#include "loci/notify.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "core/base/rand.h"
#include "core/base/thread.h"
#include "loci/metrics.h"
#include "loci/version.h"
#include "registry/notify/endpoint.h"
#include "registry/notify/lines.h"
#include "registry/notify/notify.h"
#include "registry/notify/post.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define COMPONENT    "notify"
#define TAKE_OVER_MS 1000 /* how often a waiting process looks whether the lock is free */
#define SECRET_MAX   4096

LOCI_DEFINE_CLEANUP(free_notify, struct loci_notify, loci_notify_free)

/* ---- options --------------------------------------------------------------------------------- */

static int check_opts(const struct loci_notify_opts *o, struct loci_error *err)
{
	if (o->struct_size == 0)
		return loci__err_set(err, LOCI_E_INVALID, "notify: struct_size is not set");
	if (!o->store)
		return loci__err_set(err, LOCI_E_INVALID, "notify: no store");
	if (o->n_endpoints > LOCI_NOTIFY_ENDPOINTS_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "notify: at most %d end-points",
		                     LOCI_NOTIFY_ENDPOINTS_MAX);
	return 0;
}

static unsigned or_default(unsigned v, unsigned standard)
{
	return v ? v : standard;
}

/* With an address of the web as its source, links lead there. */
static const char *base_url_of(const char *source)
{
	struct loci_cursor c = loci__cursor(source, strlen(source));
	bool is_web = loci__take_text(&c, "https://") || loci__take_text(&c, "http://");
	return is_web ? source : NULL;
}

static int fill_shared(struct loci_notify *n, const struct loci_notify_opts *o,
                       struct loci_error *err)
{
	struct loci__notify_shared *s = &n->shared;
	if (gethostname(n->host, sizeof(n->host) - 1) < 0)
		memcpy(n->host, "localhost", sizeof("localhost"));
	int len = o->source ? snprintf(n->source, sizeof(n->source), "%s", o->source)
	                    : snprintf(n->source, sizeof(n->source), "//%s", n->host);
	if (len >= (int)sizeof(n->source))
		return loci__err_set(err, LOCI_E_INVALID, "notify: source: at most %zu bytes",
		                     sizeof(n->source) - 1);
	while (len > 1 && n->source[len - 1] == '/')
		n->source[--len] = '\0';
	snprintf(n->user_agent, sizeof(n->user_agent), "%s",
	         o->user_agent ? o->user_agent : "loci/" LOCI_VERSION);
	s->store = o->store;
	s->log = o->log ? *o->log : (struct loci_log){0};
	s->source = (struct loci__notify_source){n->source, base_url_of(n->source), n->host,
	                                         n->instance};
	s->user_agent = n->user_agent;
	s->timeout_ms = or_default(o->timeout_ms, 10000);
	s->retry_ms = or_default(o->retry_ms, 500);
	s->retry_max_ms = or_default(o->retry_max_ms, 60000);
	s->rejects_max = or_default(o->rejects_max, 5);
	s->stop_ms = or_default(o->stop_ms, 5000);
	n->queue_max = o->queue_max ? o->queue_max : 100000;
	return loci__rand_uuid(n->instance, err);
}

static struct loci__endpoint *find(struct loci_notify *n, struct loci_slice name)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		if (loci__slice_is(name, n->endpoints[i].rule.name))
			return &n->endpoints[i];
	return NULL;
}

static int add_endpoint(struct loci_notify *n, const char *line, struct loci_error *err)
{
	struct loci__endpoint *ep = &n->endpoints[n->n_endpoints];
	int rc = loci__notify_rule_parse(line, &ep->rule, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "end-point");
	if (find(n, loci__slice(ep->rule.name, strlen(ep->rule.name))))
		return loci__err_set(err, LOCI_E_INVALID, "end-point '%s' stands twice",
		                     ep->rule.name);
	ep->shared = &n->shared;
	n->n_endpoints++;
	return 0;
}

static int no_such(struct loci_slice name, const char *what, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_INVALID, "%s of '%.*s', which is no end-point", what,
	                     (int)(name.n < 64 ? name.n : 64), name.p);
}

static int add_header(struct loci_notify *n, const char *line, struct loci_error *err)
{
	struct loci__notify_line l;
	int rc = loci__notify_header_parse(line, &l, err);
	if (rc < 0)
		return rc;
	struct loci__endpoint *ep = find(n, l.name);
	if (!ep)
		return no_such(l.name, "a header", err);
	if (ep->n_headers == LOCI_NOTIFY_HEADERS_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "%s: at most %d headers", ep->rule.name,
		                     LOCI_NOTIFY_HEADERS_MAX);
	ep->headers[ep->n_headers] = strndup(l.value.p, l.value.n);
	return ep->headers[ep->n_headers] ? (int)(ep->n_headers++, 0) : loci__err_nomem(err);
}

/* Without the line's end that editors leave. */
static int read_secret(const char *path, char **ret, size_t *ret_n, struct loci_error *err)
{
	int rc = loci__read_file(AT_FDCWD, path, SECRET_MAX, ret, ret_n, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "a secret");
	while (*ret_n && memchr("\r\n", (*ret)[*ret_n - 1], 2))
		--*ret_n;
	return *ret_n ? 0 : loci__err_set(err, LOCI_E_INVALID, "a secret: '%s' is empty", path);
}

static int add_secret(struct loci_notify *n, const char *line, struct loci_error *err)
{
	struct loci__notify_line l;
	int rc = loci__notify_secret_parse(line, &l, err);
	if (rc < 0)
		return rc;
	struct loci__endpoint *ep = find(n, l.name);
	if (!ep)
		return no_such(l.name, "a secret", err);
	if (ep->secret)
		return loci__err_set(err, LOCI_E_INVALID, "%s: two secrets", ep->rule.name);
	if (*l.value.p == '@')
		return read_secret(l.value.p + 1, &ep->secret, &ep->secret_n, err);
	ep->secret = strndup(l.value.p, l.value.n);
	ep->secret_n = l.value.n;
	return ep->secret ? 0 : loci__err_nomem(err);
}

static int add_lines(struct loci_notify *n, const char *const *lines, size_t n_lines,
                     int (*add)(struct loci_notify *n, const char *line, struct loci_error *err),
                     struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n_lines; i++)
		rc = add(n, lines[i], err);
	return rc;
}

int loci_notify_new(const struct loci_notify_opts *given, struct loci_notify **ret,
                    struct loci_error *err)
{
	struct loci_notify_opts o = {0};
	memcpy(&o, given, given->struct_size < sizeof(o) ? given->struct_size : sizeof(o));
	int rc = check_opts(&o, err);
	if (rc < 0)
		return rc;
	struct loci_notify *n loci__cleanup(free_notify) = calloc(1, sizeof(*n));
	if (!n)
		return loci__err_nomem(err);
	n->lock_fd = -1;
	rc = fill_shared(n, &o, err);
	if (rc == 0)
		rc = add_lines(n, o.endpoints, o.n_endpoints, add_endpoint, err);
	if (rc == 0)
		rc = add_lines(n, o.headers, o.n_headers, add_header, err);
	if (rc == 0)
		rc = add_lines(n, o.secrets, o.n_secrets, add_secret, err);
	if (rc == 0 && n->n_endpoints)
		rc = loci__notify_share_new(&n->shared.http, err);
	if (rc == 0 && n->n_endpoints && o.registry)
		rc = loci__notify_metrics_add(n, o.registry, err);
	if (rc < 0)
		return rc;
	*ret = loci__steal_ptr(&n);
	return 0;
}

/* ---- one process of several ------------------------------------------------------------------ */

/* 0: ours. BUSY: another's. */
static int take_lock(struct loci_notify *n, struct loci_error *err)
{
	int dir loci__cleanup_close = -1;
	int rc = loci_store_subdir(n->shared.store, "notify", &dir, err);
	if (rc < 0)
		return rc;
	int fd loci__cleanup_close = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return loci__err_sys(err, "open 'notify/lock'");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? loci__err_set(err, LOCI_E_BUSY, "another process delivers")
		               : loci__err_sys(err, "lock 'notify/lock'");
	n->lock_fd = loci__steal_fd(&fd);
	return 0;
}

static int configure(struct loci_notify *n, struct loci_error *err)
{
	struct loci_event_reader readers[LOCI_NOTIFY_ENDPOINTS_MAX];
	struct loci_event_stats s = {.struct_size = sizeof(s)};
	for (size_t i = 0; i < n->n_endpoints; i++)
		readers[i] = (struct loci_event_reader){n->endpoints[i].rule.name,
		                                        n->endpoints[i].rule.types};
	/* No start needs to write when there was and is nothing. */
	int rc = loci_event_stats(n->shared.store, &s, err);
	if (rc < 0 || (n->n_endpoints == 0 && s.types == 0 && s.waiting == 0))
		return rc;
	return loci_events_configure(n->shared.store, readers, n->n_endpoints, n->queue_max, err);
}

/* With the lock: the store records, the end-points run. */
static int begin(struct loci_notify *n, struct loci_error *err)
{
	int rc = configure(n, err);
	for (size_t i = 0; rc == 0 && i < n->n_endpoints; i++)
		rc = loci__endpoint_start(&n->endpoints[i], err);
	return rc;
}

/* Another process delivers, or the store is at rest and cannot be told of us: both end. */
static bool is_worth_waiting(int rc)
{
	return rc == LOCI_E_BUSY || rc == LOCI_E_READ_ONLY;
}

static int try_to_begin(struct loci_notify *n, struct loci_error *err)
{
	int rc = n->lock_fd < 0 ? take_lock(n, err) : 0;
	return rc < 0 ? rc : begin(n, err);
}

static void *wait_and_begin(void *arg)
{
	struct loci_notify *n = arg;
	struct loci_error err;
	uint64_t seen = 0;
	int rc = LOCI_E_BUSY;
	while (is_worth_waiting(rc) && !atomic_load(&n->shared.stopping)) {
		/* What the other one records is recorded here, too: pulls ask this process. */
		struct loci_event_stats s = {.struct_size = sizeof(s)};
		(void)!loci_event_stats(n->shared.store, &s, /* err= */ NULL);
		loci_events_wait(n->shared.store, &seen, TAKE_OVER_MS);
		rc = try_to_begin(n, &err);
	}
	if (rc < 0 && !is_worth_waiting(rc))
		loci__log_error(&n->shared.log, LOCI_LOG_ERROR, COMPONENT, "nothing is delivered",
		                &err);
	else if (rc == 0)
		loci__log(&n->shared.log, LOCI_LOG_INFO, COMPONENT,
		          "this process delivers from now on");
	return NULL;
}

static int start_waiting(struct loci_notify *n, int why, struct loci_error *err)
{
	loci__log(&n->shared.log, LOCI_LOG_INFO, COMPONENT, "%s",
	          why == LOCI_E_BUSY
	                  ? "another process on this store delivers; taking over when it ends"
	                  : "the store is marked read-only; delivering when it is not");
	int rc = loci__thread_start(&n->waiter, wait_and_begin, n, err);
	n->waits = rc == 0;
	return rc;
}

int loci_notify_start(struct loci_notify *n, struct loci_error *err)
{
	int rc = try_to_begin(n, err);
	if (is_worth_waiting(rc))
		return n->n_endpoints ? start_waiting(n, rc, err) : 0;
	return rc;
}

void loci_notify_stop(struct loci_notify *n)
{
	atomic_store(&n->shared.stop_at_ms, loci__clock_ms() + n->shared.stop_ms);
	atomic_store(&n->shared.stopping, true);
	loci_events_wake(n->shared.store);
	if (n->waits)
		pthread_join(n->waiter, NULL);
	n->waits = false;
	for (size_t i = 0; i < n->n_endpoints; i++)
		loci__endpoint_join(&n->endpoints[i]);
	loci__close_fd(&n->lock_fd);
}

void loci_notify_free(struct loci_notify *n)
{
	if (!n)
		return;
	if (n->shared.store)
		loci_notify_stop(n);
	if (n->registry)
		loci_registry_metrics_remove_source(n->registry, n);
	for (size_t i = 0; i < LOCI_NOTIFY_ENDPOINTS_MAX; i++)
		loci__endpoint_done(&n->endpoints[i]);
	loci__notify_share_free(n->shared.http);
	free(n);
}

/* ---- checks ---------------------------------------------------------------------------------- */

int loci_notify_check_endpoint(const char *line, struct loci_error *err)
{
	struct loci__notify_rule r;
	return loci__notify_rule_parse(line, &r, err);
}

int loci_notify_check_header(const char *line, struct loci_error *err)
{
	struct loci__notify_line l;
	return loci__notify_header_parse(line, &l, err);
}

int loci_notify_check_secret(const char *line, struct loci_error *err)
{
	struct loci__notify_line l;
	return loci__notify_secret_parse(line, &l, err);
}
