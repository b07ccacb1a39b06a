/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/response.h"

#include "core/base/chars.h"
#include "core/base/cleanup.h"
#include "registry/metrics.h"
#include "registry/sink.h"

#include <stdarg.h>
#include <string.h>

#define ERROR_BODY_MAX   8192
#define ERROR_DETAIL_MAX 256 /* bytes: it may be what a stranger sent */

static const char out_of_memory[] =
        "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"out of memory\"}]}";

struct loci__rs *loci__rs_new(void)
{
	struct loci__rs *rs = malloc(sizeof(*rs));
	if (!rs)
		return NULL;
	rs->heap_body = rs->heap_header = NULL;
	rs->heap_parts = NULL;
	rs->manifest = NULL;
	rs->sink = NULL;
	rs->counted_in = NULL;
	rs->charge.reg = NULL;
	rs->http.file_fd = -1;
	rs->http.end_point = 0;
	loci__rs_reset(rs, 200);
	return rs;
}

void loci__rs_count(struct loci__rs *rs, struct loci__metrics *metrics, unsigned end_point)
{
	rs->counted_in = metrics;
	rs->http.end_point = end_point;
	loci__metrics_begin(metrics, end_point);
}

static void release(struct loci__rs *rs)
{
	free(loci__steal_ptr(&rs->heap_body));
	free(loci__steal_ptr(&rs->heap_header));
	free(loci__steal_ptr(&rs->heap_parts));
	loci_manifest_bytes_free(loci__steal_ptr(&rs->manifest));
	loci__close_fd(&rs->http.file_fd);
}

void loci__rs_reset(struct loci__rs *rs, int status)
{
	release(rs);
	struct loci_http_sink *sink = rs->sink ? rs->http.sink : NULL;
	rs->http = (struct loci_http_response){.status = status,
	                                       .headers = rs->headers,
	                                       .file_fd = -1,
	                                       .sink = sink,
	                                       .end_point = rs->http.end_point};
	rs->text_used = 0;
	loci__rs_header_ref(rs, "docker-distribution-api-version", "registry/2.0");
}

/* The answer to a response that cannot be built: needs no memory. */
static void fail(struct loci__rs *rs)
{
	loci__rs_reset(rs, 500);
	loci__rs_body_ref(rs, "application/json", out_of_memory);
}

void loci__rs_header_ref(struct loci__rs *rs, const char *name, const char *value)
{
	if (rs->http.n_headers == LOCI_RESPONSE_HEADERS_MAX) {
		fail(rs);
		return;
	}
	rs->headers[rs->http.n_headers++] = (struct loci_http_header){name, value};
}

static void add_checked(struct loci__rs *rs, const char *name, const char *value)
{
	if (!loci__chars_have_control(value, strlen(value)))
		loci__rs_header_ref(rs, name, value);
}

/* Room for n bytes of a value and a NUL, or NULL and a 500. */
static char *take_text(struct loci__rs *rs, size_t n)
{
	char *value = rs->text + rs->text_used;
	if (n >= sizeof(rs->text) - rs->text_used) {
		fail(rs);
		return NULL;
	}
	rs->text_used += n + 1;
	return value;
}

void loci__rs_header(struct loci__rs *rs, const char *name, const char *fmt, ...)
{
	size_t left = sizeof(rs->text) - rs->text_used;
	char *value = rs->text + rs->text_used;
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(value, left, fmt, args);
	va_end(args);
	if (n < 0)
		fail(rs);
	else if (take_text(rs, (size_t)n))
		add_checked(rs, name, value);
}

void loci__rs_header_take(struct loci__rs *rs, const char *name, struct loci_buf *take_value)
{
	char *value = rs->heap_header ? NULL : loci__buf_steal(take_value);
	if (!value) {
		fail(rs);
		return;
	}
	rs->heap_header = value;
	add_checked(rs, name, value);
}

void loci__rs_digest(struct loci__rs *rs, const char *name, const struct loci_digest *d)
{
	char *value = take_text(rs, LOCI_DIGEST_STR_MAX - 1);
	if (!value)
		return;
	loci_digest_format(d, value);
	loci__rs_header_ref(rs, name, value);
}

void loci__rs_etag(struct loci__rs *rs, const struct loci_digest *d)
{
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(d, text);
	loci__rs_header(rs, "etag", "\"%s\"", text);
}

void loci__rs_content(struct loci__rs *rs, const struct loci_digest *d)
{
	/* "…" and, behind it, the same without quotes */
	char *etag = take_text(rs, LOCI_DIGEST_STR_MAX + 2 - 1);
	char *digest = take_text(rs, LOCI_DIGEST_STR_MAX - 1);
	if (!etag || !digest)
		return;
	loci_digest_format(d, digest);
	size_t n = strlen(digest);
	etag[0] = '"';
	memcpy(etag + 1, digest, n);
	memcpy(etag + 1 + n, "\"", sizeof("\""));
	loci__rs_header_ref(rs, "docker-content-digest", digest);
	loci__rs_header_ref(rs, "etag", etag);
}

static void set_body(struct loci__rs *rs, const char *content_type, const char *body, size_t n)
{
	add_checked(rs, "content-type", content_type);
	rs->http.body = body;
	rs->http.body_len = n;
	rs->http.content_length = n;
}

void loci__rs_warn(struct loci__rs *rs, const char *text)
{
	loci__rs_header(rs, "warning", "299 - \"%s\"", text);
}

void loci__rs_body_ref(struct loci__rs *rs, const char *content_type, const char *body)
{
	set_body(rs, content_type, body, strlen(body));
}

void loci__rs_body_take(struct loci__rs *rs, const char *content_type, struct loci_buf *take_body)
{
	size_t n = take_body->len;
	char *body = loci__buf_steal(take_body);
	if (!body) {
		fail(rs);
		return;
	}
	free(rs->heap_body);
	rs->heap_body = body;
	set_body(rs, content_type, body, n);
}

void loci__rs_parts_take(struct loci__rs *rs, struct loci_http_part *take_parts, size_t n,
                         char *take_text)
{
	if (!take_parts || !take_text) {
		free(take_parts);
		free(take_text);
		fail(rs);
		return;
	}
	free(rs->heap_parts);
	free(rs->heap_body);
	rs->heap_parts = take_parts;
	rs->heap_body = take_text;
	rs->http.parts = take_parts;
	rs->http.n_parts = n;
	rs->http.content_length = 0;
	for (size_t i = 0; i < n; i++)
		rs->http.content_length += take_parts[i].text_len + take_parts[i].file_len;
}

void loci__rs_manifest_take(struct loci__rs *rs, struct loci_manifest_bytes *take_manifest)
{
	loci_manifest_bytes_free(rs->manifest);
	rs->manifest = take_manifest;
	set_body(rs, take_manifest->media_type, take_manifest->bytes, take_manifest->n);
}

void loci__rs_sink_take(struct loci__rs *rs, struct loci_http_sink *take_sink)
{
	take_sink->rs = rs;
	rs->sink = take_sink;
	rs->http.sink = take_sink;
}

void loci__rs_error(struct loci__rs *rs, int status, const char *spec_code, const char *message,
                    const char *detail)
{
	struct loci_buf body loci__cleanup_buf = LOCI_BUF_INIT(ERROR_BODY_MAX);
	loci__buf_puts(&body, "{\"errors\":[{\"code\":");
	loci__buf_json_string(&body, spec_code);
	loci__buf_puts(&body, ",\"message\":");
	loci__buf_json_string(&body, message);
	if (detail) {
		loci__buf_puts(&body, ",\"detail\":");
		char shown[ERROR_DETAIL_MAX];
		snprintf(shown, sizeof(shown), "%s", detail);
		loci__buf_json_string(&body, shown);
	}
	loci__buf_puts(&body, "}]}\n");
	loci__rs_reset(rs, status);
	loci__rs_body_take(rs, "application/json", &body);
}

void loci_http_response_free(struct loci_http_response *http)
{
	if (!http)
		return;
	struct loci__rs *rs = (struct loci__rs *)http;
	if (rs->http.sink)
		loci_http_sink_abort(rs->http.sink);
	if (rs->sink)
		rs->sink->rs = NULL; /* taken by the server, which outlives us with it */
	loci__metrics_end(rs->counted_in, rs->http.end_point);
	release(rs);
	free(rs);
}

struct loci_http_response *loci_http_response_error(int status, const char *spec_code,
                                                    const char *message)
{
	struct loci__rs *rs = loci__rs_new();
	if (!rs)
		return NULL;
	loci__rs_error(rs, status, spec_code, message, /* detail= */ NULL);
	return &rs->http;
}
