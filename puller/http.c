/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multi interface, with one transfer in it: unlike curl_easy_perform it can be woken from
 * another thread, and the stall clock below counts in milliseconds where CURLOPT_LOW_SPEED_TIME
 * counts in seconds.
 */
#include "puller/http.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "puller/curl_api.h"
#include "puller/retry.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

struct loci_http_share {
	const struct loci__curl *api;
	CURLSH *curl;
	pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
};

struct loci_http {
	struct loci_http_opts opts;
	const struct loci__curl *api;
	CURL *easy;
	CURLM *multi;
	char reason[CURL_ERROR_SIZE];
	/* of the exchange that runs */
	const struct loci_http_request *req;
	struct loci_http_response *resp;
	struct loci_error *err;
	int failed; /* what a callback of ours decided */
	size_t head_bytes;
	bool connected;
	uint64_t window_start_ms; /* the stall clock */
	uint64_t window_bytes;
};

/* Response fields that are kept: name, where, largest. */
static const struct kept_field {
	const char *name;
	size_t offset;
	size_t max;
	bool is_list; /* lines are joined, else the last one counts */
} kept_fields[] = {
        {"www-authenticate", offsetof(struct loci_http_response, www_authenticate), 16 * 1024,
         true},
        {"content-type", offsetof(struct loci_http_response, content_type), 256, false},
        {"docker-content-digest", offsetof(struct loci_http_response, content_digest), 256, false},
        {"content-range", offsetof(struct loci_http_response, content_range), 128, false},
        {"location", offsetof(struct loci_http_response, location), 8 * 1024, false},
        {"retry-after", offsetof(struct loci_http_response, retry_after), 64, false},
};

static struct loci_buf *field_of(struct loci_http_response *r, const struct kept_field *f)
{
	return (struct loci_buf *)(void *)((char *)r + f->offset);
}

void loci__http_response_init(struct loci_http_response *r)
{
	*r = (struct loci_http_response){.content_length = -1};
	for (size_t i = 0; i < loci__array_len(kept_fields); i++)
		loci__buf_init(field_of(r, &kept_fields[i]), kept_fields[i].max);
	loci__buf_init(&r->body, LOCI_HTTP_ERROR_MAX);
}

void loci__http_response_done(struct loci_http_response *r)
{
	for (size_t i = 0; i < loci__array_len(kept_fields); i++)
		loci__buf_done(field_of(r, &kept_fields[i]));
	loci__buf_done(&r->body);
}

static void response_reset(struct loci_http_response *r)
{
	for (size_t i = 0; i < loci__array_len(kept_fields); i++)
		loci__buf_reset(field_of(r, &kept_fields[i]));
	loci__buf_reset(&r->body);
	r->status = 0;
	r->got_body = false;
	r->content_length = -1;
	r->retry = LOCI_RETRY_NEVER;
}

/* ---- what the clients share ---- */

static void share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
	struct loci_http_share *s = arg;
	(void)easy;
	(void)access;
	pthread_mutex_lock(&s->locks[data]);
}

static void share_unlock(CURL *easy, curl_lock_data data, void *arg)
{
	struct loci_http_share *s = arg;
	(void)easy;
	pthread_mutex_unlock(&s->locks[data]);
}

/* Thread-safe since libcurl 7.84; counted, so that a program's own call does no harm. */
static void init_curl(void)
{
	loci__curl_loaded()->global_init(CURL_GLOBAL_DEFAULT);
}

int loci__http_share_new(struct loci_http_share **ret, struct loci_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct loci__curl *curl;
	int rc = loci__curl_load(&curl, err);
	if (rc < 0)
		return rc;
	pthread_once(&once, init_curl);
	struct loci_http_share *s = calloc(1, sizeof(*s));
	if (!s)
		return loci__err_nomem(err);
	s->api = curl;
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&s->locks[i], NULL);
	s->curl = curl->share_init();
	if (!s->curl || curl->share_setopt(s->curl, CURLSHOPT_USERDATA, s) ||
	    curl->share_setopt(s->curl, CURLSHOPT_LOCKFUNC, share_lock) ||
	    curl->share_setopt(s->curl, CURLSHOPT_UNLOCKFUNC, share_unlock) ||
	    curl->share_setopt(s->curl, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) ||
	    curl->share_setopt(s->curl, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION)) {
		loci__http_share_free(s);
		return loci__err_nomem(err);
	}
	*ret = s;
	return 0;
}

void loci__http_share_free(struct loci_http_share *s)
{
	if (!s)
		return;
	if (s->curl)
		s->api->share_cleanup(s->curl);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&s->locks[i]);
	free(s);
}

/* ---- libcurl's callbacks ---- */

static int fail(struct loci_http *h, int code)
{
	if (!h->failed)
		h->failed = code;
	return code;
}

static void keep_field(struct loci_http_response *r, struct loci_slice name,
                       struct loci_slice value)
{
	for (size_t i = 0; i < loci__array_len(kept_fields); i++) {
		const struct kept_field *f = &kept_fields[i];
		if (!loci__slice_is_nocase(name, f->name))
			continue;
		struct loci_buf *b = field_of(r, f);
		if (!f->is_list)
			loci__buf_reset(b);
		else if (b->len)
			loci__buf_puts(b, ", ");
		loci__buf_append(b, value.p, value.n);
	}
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct loci_http *h = arg;
	struct loci_cursor c = loci__cursor(p, size * n);
	struct loci_slice name;
	h->window_bytes += size * n;
	h->head_bytes += size * n;
	if (h->head_bytes > LOCI_HTTP_HEADERS_MAX) {
		fail(h, loci__err_set(h->err, LOCI_E_PROTOCOL, "response head larger than %d bytes",
		                      LOCI_HTTP_HEADERS_MAX));
		return 0;
	}
	if (loci__take_text_nocase(&c, "HTTP/")) {
		/* A new head: the one before was a 1xx. */
		response_reset(h->resp);
		return size * n;
	}
	/* Behind the body come trailers, which say nothing here. */
	if (h->resp->got_body || h->resp->body.len || !loci__take_until(&c, ':', &name))
		return size * n;
	loci__skip_blanks(&c);
	while (c.end > c.p && strchr("\r\n \t", c.end[-1]))
		c.end--;
	keep_field(h->resp, name, loci__slice(c.p, loci__cursor_left(&c)));
	return size * n;
}

static void read_status(struct loci_http *h)
{
	long status = 0;
	curl_off_t length = -1;
	h->api->easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	h->api->easy_getinfo(h->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	h->resp->status = (int)status;
	h->resp->content_length = length;
}

static bool is_success(int status)
{
	return status >= 200 && status < 300;
}

/* A body without a sink. Of an error's body the start is enough. */
static int collect(struct loci_http *h, const char *p, size_t n)
{
	struct loci_buf *body = &h->resp->body;
	if (is_success(h->resp->status)) {
		body->max = h->req->body_max;
		if (loci__buf_append(body, p, n) < 0)
			return loci__err_set(h->err, body->failed, "response larger than %zu bytes",
			                     body->max);
		return 0;
	}
	body->max = LOCI_HTTP_ERROR_MAX;
	size_t room = body->max > body->len ? body->max - body->len : 0;
	return loci__buf_append(body, p, n < room ? n : room);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct loci_http *h = arg;
	int rc;
	read_status(h);
	h->window_bytes += size * n;
	if (h->req->sink && (h->resp->status == 200 || h->resp->status == 206)) {
		h->resp->got_body = true;
		rc = h->req->sink(h->req->sink_arg, h->resp, p, size * n, h->err);
	} else {
		rc = collect(h, p, size * n);
	}
	if (rc < 0) {
		fail(h, rc);
		return 0;
	}
	return size * n;
}

/* ---- one client ---- */

static int set_fixed_options(struct loci_http *h, struct loci_http_share *share)
{
	const struct loci__curl *curl = h->api;
	CURL *e = h->easy;
	int bad = 0;
	bad |= curl->easy_setopt(e, CURLOPT_SHARE, share->curl);
	bad |= curl->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	bad |= curl->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	bad |= curl->easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	bad |= curl->easy_setopt(e, CURLOPT_SSL_VERIFYPEER, h->opts.insecure_tls ? 0L : 1L);
	bad |= curl->easy_setopt(e, CURLOPT_SSL_VERIFYHOST, h->opts.insecure_tls ? 0L : 2L);
	bad |= curl->easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl->easy_setopt(e, CURLOPT_USERAGENT, h->opts.user_agent);
	bad |= curl->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->opts.connect_timeout_ms);
	bad |= curl->easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
	bad |= curl->easy_setopt(e, CURLOPT_ERRORBUFFER, h->reason);
	bad |= curl->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	bad |= curl->easy_setopt(e, CURLOPT_HEADERDATA, h);
	bad |= curl->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl->easy_setopt(e, CURLOPT_WRITEDATA, h);
	if (h->opts.no_proxy)
		bad |= curl->easy_setopt(e, CURLOPT_PROXY, "");
	return bad ? -1 : 0;
}

int loci__http_new(struct loci_http_share *share, const struct loci_http_opts *opts,
                   struct loci_http **ret, struct loci_error *err)
{
	struct loci_http *h = calloc(1, sizeof(*h));
	if (!h)
		return loci__err_nomem(err);
	h->opts = *opts;
	h->api = share->api;
	h->easy = h->api->easy_init();
	h->multi = h->api->multi_init();
	if (!h->easy || !h->multi) {
		loci__http_free(h);
		return loci__err_nomem(err);
	}
	if (set_fixed_options(h, share) < 0) {
		loci__http_free(h);
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "libcurl lacks an option that is needed (tls?)");
	}
	*ret = h;
	return 0;
}

void loci__http_free(struct loci_http *h)
{
	if (!h)
		return;
	if (h->easy)
		h->api->easy_cleanup(h->easy);
	if (h->multi)
		h->api->multi_cleanup(h->multi);
	free(h);
}

void loci__http_wake(struct loci_http *h)
{
	h->api->multi_wakeup(h->multi);
}

static bool is_canceled(const struct loci_http *h)
{
	return h->opts.is_canceled && h->opts.is_canceled(h->opts.cancel_arg);
}

int loci__http_pause(struct loci_http *h, uint64_t ms, struct loci_error *err)
{
	uint64_t end = loci__clock_ms() + ms;
	for (;;) {
		if (is_canceled(h))
			return loci__err_set(err, LOCI_E_CANCELED, "canceled");
		uint64_t now = loci__clock_ms();
		if (now >= end)
			return 0;
		uint64_t left = end - now;
		h->api->multi_poll(h->multi, NULL, 0,
		                   left < LOCI_HTTP_TICK_MS ? (int)left : LOCI_HTTP_TICK_MS, NULL);
	}
}

/* ---- one exchange ---- */

static int add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = loci__curl_loaded()->slist_append(*list, line);
	if (!longer)
		return -1;
	*list = longer;
	return 0;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct loci_buf b = LOCI_BUF_INIT(72 * 1024);
	loci__buf_printf(&b, "%s: %s", name, value);
	int bad = b.failed ? -1 : add_line(list, b.p);
	if (b.p)
		explicit_bzero(b.p, b.len); /* a credential may be in it */
	loci__buf_done(&b);
	return bad;
}

static void free_headers(struct curl_slist **list)
{
	for (struct curl_slist *l = *list; l; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	loci__curl_loaded()->slist_free_all(*list);
	*list = NULL;
}

static int set_request(struct loci_http *h, const struct loci_http_request *req,
                       struct curl_slist **headers, char range[32])
{
	const struct loci__curl *curl = h->api;
	CURL *e = h->easy;
	int bad = 0;
	bad |= curl->easy_setopt(e, CURLOPT_URL, req->url);
	bad |= curl->easy_setopt(e, CURLOPT_HTTPGET, 1L);
	bad |= curl->easy_setopt(e, CURLOPT_NOBODY, !strcmp(req->method, "HEAD") ? 1L : 0L);
	if (req->form) {
		bad |= curl->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		                         (curl_off_t)strlen(req->form));
		bad |= curl->easy_setopt(e, CURLOPT_POSTFIELDS, req->form);
	}
	if (req->body) {
		bad |= curl->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_n);
		bad |= curl->easy_setopt(e, CURLOPT_POSTFIELDS, req->body);
		bad |= add_header(headers, "Content-Type", req->content_type);
	}
	for (size_t i = 0; i < req->n_headers; i++)
		bad |= add_line(headers, req->headers[i]);
	snprintf(range, 32, "%llu-", (unsigned long long)req->range_from);
	bad |= curl->easy_setopt(e, CURLOPT_RANGE, req->range_from ? range : NULL);
	if (req->accept)
		bad |= add_header(headers, "Accept", req->accept);
	if (req->authorization)
		bad |= add_header(headers, "Authorization", req->authorization);
	/* Bytes that carry a digest must come as they are. */
	bad |= add_header(headers, "Accept-Encoding", "identity");
	bad |= curl->easy_setopt(e, CURLOPT_HTTPHEADER, *headers);
	return bad ? -1 : 0;
}

static int check_stall(struct loci_http *h)
{
	uint64_t now = loci__clock_ms();
	if (!h->connected) {
		curl_off_t us = 0;
		h->api->easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
		h->connected = us > 0;
		h->window_start_ms = now;
		return 0; /* connecting has its own limit */
	}
	if (h->window_bytes >= LOCI_HTTP_STALL_BYTES) {
		h->window_start_ms = now;
		h->window_bytes = 0;
		return 0;
	}
	if (now - h->window_start_ms < h->opts.stall_timeout_ms)
		return 0;
	h->resp->retry = LOCI_RETRY_ALWAYS;
	return loci__err_set(h->err, LOCI_E_TIMEOUT, "%s in %u ms",
	                     h->window_bytes ? "hardly a byte" : "not a byte",
	                     h->opts.stall_timeout_ms);
}

static int wait_ms(const struct loci_http *h)
{
	return h->opts.stall_timeout_ms < 2 * LOCI_HTTP_TICK_MS
	               ? (int)(h->opts.stall_timeout_ms / 2 + 1)
	               : LOCI_HTTP_TICK_MS;
}

/* Until the transfer ends: 0 with what libcurl says of it, or why we ended it. */
static int drive(struct loci_http *h, CURLcode *ret)
{
	int running = 1;
	for (;;) {
		CURLMcode bad = h->api->multi_perform(h->multi, &running);
		if (bad)
			return loci__err_set(h->err, LOCI_E_INTERNAL, "libcurl: %s",
			                     h->api->multi_strerror(bad));
		if (!running)
			break;
		if (is_canceled(h))
			return loci__err_set(h->err, LOCI_E_CANCELED, "canceled");
		int rc = check_stall(h);
		if (rc < 0)
			return rc;
		h->api->multi_poll(h->multi, NULL, 0, wait_ms(h), NULL);
	}
	int left;
	const CURLMsg *msg = h->api->multi_info_read(h->multi, &left);
	*ret = msg ? msg->data.result : CURLE_RECV_ERROR;
	return 0;
}

static int finish(struct loci_http *h, CURLcode code)
{
	read_status(h);
	if (h->failed)
		return h->failed;
	if (code) {
		struct loci_outcome o = loci__outcome_of_transport((int)code);
		h->resp->retry = o.retry;
		return loci__err_set(h->err, o.code, "%s",
		                     *h->reason ? h->reason : h->api->easy_strerror(code));
	}
	if (!h->resp->status)
		return loci__err_set(h->err, LOCI_E_PROTOCOL, "no http status");
	return 0;
}

int loci__http_exchange(struct loci_http *h, const struct loci_http_request *req,
                        struct loci_http_response *resp, struct loci_error *err)
{
	__attribute__((cleanup(free_headers))) struct curl_slist *headers = NULL;
	struct loci_error own = {0};
	char range[32];
	response_reset(resp);
	h->req = req;
	h->resp = resp;
	h->err = err ? err : &own;
	h->failed = 0;
	h->head_bytes = 0;
	h->connected = false;
	h->window_bytes = 0;
	h->window_start_ms = loci__clock_ms();
	h->reason[0] = '\0';
	if (set_request(h, req, &headers, range) < 0)
		return loci__err_nomem(err);
	if (h->api->multi_add_handle(h->multi, h->easy))
		return loci__err_set(err, LOCI_E_INTERNAL, "libcurl: the handle is in use");
	CURLcode code = CURLE_OK;
	int rc = drive(h, &code);
	rc = rc < 0 ? rc : finish(h, code);
	h->api->multi_remove_handle(h->multi, h->easy);
	h->api->easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	h->api->easy_setopt(h->easy, CURLOPT_POSTFIELDS, NULL);
	/* What stands behind "?" may be a signature: not for messages. */
	int shown = (int)strcspn(req->url, "?");
	if (rc < 0)
		return loci__err_prefix(err, rc, "%s %.*s", req->method, shown < 256 ? shown : 256,
		                        req->url);
	loci__log(h->opts.log, LOCI_LOG_DEBUG, "puller", "%s %.*s: %d", req->method, shown,
	          req->url, resp->status);
	return 0;
}
