/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retrying what cannot get better (a certificate that does not verify, 404) only hides the answer;
 * not retrying what does (a reset, 429, 503) makes a pull of forty layers fail by chance.
 */
#include "puller/retry.h"

#include "core/base/cursor.h"
#include "puller/curl_api.h"

#include <string.h>

/* libcurl's code, ours, worth another try */
#define TRANSPORT_MAP(XX)                                      \
	XX(CURLE_COULDNT_RESOLVE_HOST, UNREACHABLE, IF_KNOWN)  \
	XX(CURLE_COULDNT_RESOLVE_PROXY, UNREACHABLE, IF_KNOWN) \
	XX(CURLE_COULDNT_CONNECT, UNREACHABLE, IF_KNOWN)       \
	XX(CURLE_OPERATION_TIMEDOUT, TIMEOUT, IF_KNOWN)        \
	XX(CURLE_SSL_CONNECT_ERROR, UNREACHABLE, IF_KNOWN)     \
	XX(CURLE_PROXY, UNREACHABLE, IF_KNOWN)                 \
	XX(CURLE_SEND_ERROR, UNREACHABLE, ALWAYS)              \
	XX(CURLE_RECV_ERROR, UNREACHABLE, ALWAYS)              \
	XX(CURLE_GOT_NOTHING, UNREACHABLE, ALWAYS)             \
	XX(CURLE_PARTIAL_FILE, UNREACHABLE, ALWAYS)            \
	XX(CURLE_HTTP2, UNREACHABLE, ALWAYS)                   \
	XX(CURLE_HTTP2_STREAM, UNREACHABLE, ALWAYS)            \
	XX(CURLE_PEER_FAILED_VERIFICATION, UNREACHABLE, NEVER) \
	XX(CURLE_SSL_CERTPROBLEM, UNREACHABLE, NEVER)          \
	XX(CURLE_SSL_CACERT_BADFILE, UNREACHABLE, NEVER)       \
	XX(CURLE_SSL_INVALIDCERTSTATUS, UNREACHABLE, NEVER)    \
	XX(CURLE_OUT_OF_MEMORY, NOMEM, NEVER)                  \
	XX(CURLE_URL_MALFORMAT, INVALID, NEVER)                \
	XX(CURLE_UNSUPPORTED_PROTOCOL, PROTOCOL, NEVER)        \
	XX(CURLE_WEIRD_SERVER_REPLY, PROTOCOL, NEVER)          \
	XX(CURLE_BAD_CONTENT_ENCODING, PROTOCOL, NEVER)

/* HTTP status, our code, worth another try */
#define STATUS_MAP(XX)               \
	XX(401, UNAUTHORIZED, NEVER) \
	XX(403, DENIED, NEVER)       \
	XX(404, NOT_FOUND, NEVER)    \
	XX(407, DENIED, NEVER)       \
	XX(408, TIMEOUT, ALWAYS)     \
	XX(410, NOT_FOUND, NEVER)    \
	XX(416, RANGE, NEVER)        \
	XX(425, UNREACHABLE, ALWAYS) \
	XX(429, BUSY, ALWAYS)        \
	XX(451, DENIED, NEVER)       \
	XX(500, UNREACHABLE, ALWAYS) \
	XX(502, UNREACHABLE, ALWAYS) \
	XX(503, UNREACHABLE, ALWAYS) \
	XX(504, TIMEOUT, ALWAYS)

struct row {
	int from;
	struct loci_outcome to;
};
#define ROW(from, code, retry) {from, {LOCI_E_##code, LOCI_RETRY_##retry}},
static const struct row transport_rows[] = {TRANSPORT_MAP(ROW)};
static const struct row status_rows[] = {STATUS_MAP(ROW)};
#undef ROW

struct loci_outcome loci__outcome_of_transport(int curl_code)
{
	for (size_t i = 0; i < sizeof(transport_rows) / sizeof(transport_rows[0]); i++) {
		if (transport_rows[i].from == curl_code)
			return transport_rows[i].to;
	}
	return (struct loci_outcome){LOCI_E_PROTOCOL, LOCI_RETRY_NEVER};
}

struct loci_outcome loci__outcome_of_status(int status)
{
	if (status >= 200 && status < 300)
		return (struct loci_outcome){0, LOCI_RETRY_NEVER};
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
		if (status_rows[i].from == status)
			return status_rows[i].to;
	}
	/* 501, 505 and the like will say the same tomorrow. */
	return (struct loci_outcome){LOCI_E_PROTOCOL, LOCI_RETRY_NEVER};
}

int64_t loci__retry_next(struct loci_retry *r, int retry_class, int64_t retry_after_ms,
                         uint32_t jitter)
{
	unsigned max = r->max;
	if (retry_class == LOCI_RETRY_IF_KNOWN && !r->peer_has_answered && max > 1)
		max = 1;
	if (retry_class == LOCI_RETRY_NEVER || r->done >= max ||
	    retry_after_ms > LOCI_RETRY_AFTER_MAX_MS)
		return -1;
	int64_t wait = r->base_ms;
	for (unsigned i = 0; i < r->done && wait < LOCI_RETRY_WAIT_MAX_MS; i++)
		wait *= 2;
	if (wait > LOCI_RETRY_WAIT_MAX_MS)
		wait = LOCI_RETRY_WAIT_MAX_MS;
	/* Workers that failed together should not come back together. */
	wait -= wait / 4 * (int64_t)(jitter % 256) / 256;
	r->done++;
	return retry_after_ms > wait ? retry_after_ms : wait;
}

void loci__retry_progressed(struct loci_retry *r)
{
	r->done = 0;
}

int64_t loci__retry_after_parse(const char *text, uint64_t now)
{
	uint64_t seconds;
	if (!text || !*text)
		return -1;
	if (loci__parse_u64(text, strlen(text), &seconds))
		return seconds > INT32_MAX ? (int64_t)INT32_MAX * 1000 : (int64_t)seconds * 1000;
	if (loci__is_digit((unsigned char)*text))
		return -1;
	const struct loci__curl *curl;
	time_t at = loci__curl_load(&curl, /* err= */ NULL) < 0 ? -1 : curl->getdate(text, NULL);
	if (at < 0)
		return -1;
	return (uint64_t)at <= now ? 0 : ((int64_t)at - (int64_t)now) * 1000;
}
