/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/remote.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/logger.h"
#include "core/base/rand.h"
#include "puller/follow.h"

#include <string.h>

LOCI_DEFINE_CLEANUP(secret_free_ptr, char, loci__secret_free)
#define cleanup_secret loci__cleanup(secret_free_ptr)

/* ---- the address ---- */

/* Names that stand for another address. */
static const struct alias {
	const char *host;
	const char *address;
} aliases[] = {
        {"docker.io", "registry-1.docker.io"},
        {"index.docker.io", "registry-1.docker.io"},
};

static const char *address_of(const char *host)
{
	for (size_t i = 0; i < loci__array_len(aliases); i++) {
		if (!strcmp(host, aliases[i].host))
			return aliases[i].address;
	}
	return host;
}

/* A reference may come from anywhere: nothing of it may reach into the rest of the URL. */
static int check_host(const char *host, struct loci_error *err)
{
	for (const char *p = host; *p; p++) {
		if (!loci__is_alnum((unsigned char)*p) && !strchr(".-:[]", *p))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "registry '%.128s': unexpected '%c' in a host name",
			                     host, *p);
	}
	return *host ? 0 : loci__err_set(err, LOCI_E_INVALID, "reference without a registry host");
}

/* Whether a registry answers there. A TLS server answers plain HTTP with nothing, with rubbish or
 * (Go's) with 400; a web server that sends everybody to https is no registry either. */
static int probe(struct loci_http *h, const char *base, bool *ret_answers, bool *ret_connects,
                 struct loci_error *err)
{
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	struct loci_error why = {0};
	char url[LOCI_REMOTE_BASE_MAX + 8];
	snprintf(url, sizeof(url), "%s/v2/", base);
	struct loci_http_request req = {
	        .method = "GET", .url = url, .body_max = LOCI_HTTP_ERROR_MAX};
	int rc = loci__http_exchange(h, &req, &resp, &why);
	if (rc == LOCI_E_CANCELED)
		return loci__err_set(err, rc, "%s", why.msg);
	*ret_answers = rc >= 0 && resp.status != 400 && resp.status / 100 != 3;
	*ret_connects = rc != LOCI_E_UNREACHABLE || resp.retry != LOCI_RETRY_IF_KNOWN;
	return 0;
}

static int set_base(struct loci_remote *r, const char *scheme)
{
	int n = snprintf(r->base, sizeof(r->base), "%s://%s", scheme, address_of(r->ref->host));
	return n > 0 && (size_t)n < sizeof(r->base) ? 0 : -1;
}

/* Whether both schemes mean the same port there. */
static bool has_port(const char *http_base)
{
	struct loci_origin o;
	return loci__origin_of(http_base, &o, NULL) >= 0 && o.port != 80;
}

/* Which of the two schemes: the order in which they are tried, or the only one. */
static int choose_scheme(struct loci_remote *r, const struct loci_pull_opts *o, struct loci_http *h,
                         const char **ret, struct loci_error *err)
{
	const unsigned any = LOCI_PULL_PLAIN_HTTP | LOCI_PULL_INSECURE_TLS;
	const char *first = "https", *second = NULL;
	bool answers = false, connects = true;
	if ((o->flags & any) == any)
		second = "http";
	else if (o->flags & LOCI_PULL_PLAIN_HTTP)
		first = "http";
	else if (loci_host_is_loopback(r->ref->host)) {
		first = "http";
		second = "https";
	}
	if (second) {
		if (set_base(r, first) < 0)
			return loci__err_set(err, LOCI_E_INVALID, "registry host is too long");
		int rc = probe(h, r->base, &answers, &connects, err);
		if (rc < 0)
			return rc;
		atomic_store(&r->has_answered, answers);
		/* Nobody listens: the other scheme would only make for a puzzling message. */
		if (!connects && !strcmp(first, "http") && has_port(r->base))
			second = NULL;
	}
	*ret = second && !answers ? second : first;
	return 0;
}

static int choose_base(struct loci_remote *r, const struct loci_pull_opts *o, struct loci_http *h,
                       struct loci_error *err)
{
	const char *scheme = NULL;
	int rc = check_host(r->ref->host, err);
	if (rc >= 0)
		rc = choose_scheme(r, o, h, &scheme, err);
	if (rc < 0)
		return rc;
	if (set_base(r, scheme) < 0)
		return loci__err_set(err, LOCI_E_INVALID, "registry host is too long");
	return loci__origin_of(r->base, &r->auth.origin, err);
}

int loci__remote_init(struct loci_remote *r, const struct loci_ref *ref,
                      const struct loci_pull_opts *o, struct loci_http *h, struct loci_error *err)
{
	memset(r, 0, sizeof(*r));
	r->ref = ref;
	r->log = o->log;
	r->retries = o->retries;
	r->retry_base_ms = o->retry_base_ms;
	r->auth.host = ref->host;
	r->auth.repo = ref->repo;
	r->auth.cred = o->cred;
	r->auth.cred_arg = o->cred_arg;
	r->auth.plain_http_wanted = o->flags & LOCI_PULL_PLAIN_HTTP;
	loci__auth_init(&r->auth);
	int rc = choose_base(r, o, h, err);
	if (rc < 0)
		loci__remote_done(r);
	return rc;
}

void loci__remote_done(struct loci_remote *r)
{
	loci__auth_done(&r->auth);
}

/* ---- what a failure says ---- */

/* Of a stranger's text only what a terminal may be shown. */
static void put_printable(char *buf, size_t size, size_t *len, const char *s)
{
	for (; *s && *len + 1 < size; s++) {
		unsigned char c = (unsigned char)*s;
		buf[(*len)++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	buf[*len] = '\0';
}

void loci__remote_error_text(const void *body, size_t n, char *buf, size_t size)
{
	static const struct loci_json_limits limits = {LOCI_HTTP_ERROR_MAX, 32};
	loci__cleanup_json json_t *doc = NULL;
	const char *code = NULL, *message = NULL;
	size_t len = 0;
	buf[0] = '\0';
	if (!n || loci__json_parse(body, n, &limits, "error body", &doc, NULL) < 0)
		return;
	struct loci_json_at root = loci__json_root(doc);
	struct loci_json_at list = loci__json_member(&root, "errors");
	struct loci_json_at first = loci__json_element(&list, 0);
	struct loci_json_at code_at = loci__json_member(&first, "code");
	struct loci_json_at message_at = loci__json_member(&first, "message");
	if (loci__json_string_opt(&code_at, &code, NULL) < 0 ||
	    loci__json_string_opt(&message_at, &message, NULL) < 0)
		return;
	if (code)
		put_printable(buf, size, &len, code);
	if (code && message)
		put_printable(buf, size, &len, ": ");
	if (message)
		put_printable(buf, size, &len, message);
}

static int status_error(const struct loci_remote *r, const struct loci_remote_request *req,
                        struct loci_http_response *resp, bool elsewhere, struct loci_error *err)
{
	struct loci_outcome o = loci__outcome_of_status(resp->status);
	char said[200];
	loci__remote_error_text(resp->body.p, resp->body.len, said, sizeof(said));
	resp->retry = o.retry;
	if (elsewhere && o.code == LOCI_E_UNAUTHORIZED)
		o.code = LOCI_E_DENIED; /* it was the storage behind the registry */
	return loci__err_set(err, o.code, "%s %s/v2/%.128s/%s/%s: status %d%s%s%s", req->method,
	                     r->base, r->ref->repo, req->kind, req->what, resp->status,
	                     elsewhere ? " after a redirect" : "", *said ? ": " : "", said);
}

/* ---- requests ---- */

static int exchange(struct loci_remote *r, struct loci_http *h,
                    const struct loci_remote_request *req, const char *authorization,
                    struct loci_http_response *resp, bool *ret_elsewhere, struct loci_error *err)
{
	char url[LOCI_REMOTE_BASE_MAX + LOCI_REPO_MAX + LOCI_DIGEST_STR_MAX + 32];
	snprintf(url, sizeof(url), "%s/v2/%s/%s/%s", r->base, r->ref->repo, req->kind, req->what);
	struct loci_http_request http = {
	        .method = req->method,
	        .url = url,
	        .authorization = authorization,
	        .accept = req->accept,
	        .range_from = req->range_from,
	        .body_max = req->body_max,
	        .sink = req->sink,
	        .sink_arg = req->sink_arg,
	};
	int rc = loci__http_follow(h, &http, resp, ret_elsewhere, err);
	if (rc >= 0)
		atomic_store(&r->has_answered, true);
	return rc;
}

int loci__remote_try(struct loci_remote *r, struct loci_http *h,
                     const struct loci_remote_request *req, struct loci_http_response *resp,
                     struct loci_error *err)
{
	/* Once without knowing what is wanted, once with an answer to the challenge. A token that
	 * ran out on its way looks the same. */
	for (int round = 0;; round++) {
		cleanup_secret char *authorization = NULL;
		unsigned generation;
		bool elsewhere = false;
		int rc = loci__auth_get(&r->auth, h, resp, &authorization, &generation, err);
		if (rc < 0)
			return rc;
		rc = exchange(r, h, req, authorization, resp, &elsewhere, err);
		if (rc < 0)
			return rc;
		if (resp->status >= 200 && resp->status < 300)
			return 0;
		if (resp->status != 401 || elsewhere || round > 0)
			return status_error(r, req, resp, elsewhere, err);
		rc = loci__auth_challenged(&r->auth, h, generation, resp, err);
		if (rc < 0)
			return rc;
	}
}

void loci__remote_retry_init(const struct loci_remote *r, struct loci_retry *ret)
{
	*ret = (struct loci_retry){.max = r->retries, .base_ms = r->retry_base_ms};
}

int loci__remote_again(struct loci_remote *r, struct loci_http *h, struct loci_retry *retry,
                       const struct loci_http_response *resp, int rc, struct loci_error *err)
{
	uint32_t jitter = 0;
	const struct loci_buf *after = &resp->retry_after;
	if (loci__rand_bytes(&jitter, sizeof(jitter), NULL) < 0)
		jitter = 0;
	retry->peer_has_answered = atomic_load(&r->has_answered);
	int64_t after_ms = after->len && !after->failed
	                           ? loci__retry_after_parse(after->p, loci__clock_epoch())
	                           : -1;
	int64_t wait_ms = loci__retry_next(retry, resp->retry, after_ms, jitter);
	if (wait_ms < 0 && after_ms > LOCI_RETRY_AFTER_MAX_MS)
		return loci__err_prefix(err, rc, "try again in %lld s",
		                        (long long)(after_ms / 1000));
	if (wait_ms < 0)
		return retry->done ? loci__err_prefix(err, rc, "after %u tries", retry->done + 1)
		                   : rc;
	loci__log(r->log, LOCI_LOG_WARN, "puller", "%s; again in %lld ms",
	          err ? err->msg : loci_code_text(rc), (long long)wait_ms);
	return loci__http_pause(h, (uint64_t)wait_ms, err);
}

int loci__remote_request(struct loci_remote *r, struct loci_http *h,
                         const struct loci_remote_request *req, struct loci_http_response *resp,
                         struct loci_error *err)
{
	struct loci_retry retry;
	struct loci_error own;
	if (!err)
		err = &own;
	loci__remote_retry_init(r, &retry);
	for (;;) {
		int rc = loci__remote_try(r, h, req, resp, err);
		if (rc >= 0)
			return 0;
		rc = loci__remote_again(r, h, &retry, resp, rc, err);
		if (rc < 0)
			return rc;
	}
}
