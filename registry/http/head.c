/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/head.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "registry/http/h2o_api.h"

#include <string.h>
#include <strings.h>

/* Every LF must follow a CR and every CR precede a LF. Looks two bytes back, never ahead; from one
 * CR to the next by memchr, as this sees every byte of every request. */
ssize_t loci__http_head_scan(const char *p, size_t n, size_t *scanned)
{
	for (size_t i = *scanned; i < n; i++) {
		if (i > 0 && p[i - 1] == '\r') {
			if (p[i] != '\n')
				return -1;
			if (i >= 3 && p[i - 2] == '\n')
				return (ssize_t)i + 1;
			continue;
		}
		const char *cr = memchr(p + i, '\r', n - i);
		size_t end = cr ? (size_t)(cr - p) : n;
		if (memchr(p + i, '\n', end - i) || memchr(p + i, '\0', end - i))
			return -1;
		i = end;
	}
	*scanned = n;
	return 0;
}

static int refuse(struct loci__http_head *h, int status, const char *reason)
{
	h->reason = reason;
	return status;
}

/* --- the request line --- */

/* "http://host/path", which proxies send: the authority replaces Host (RFC 9112 3.2.2). The bytes
 * of the authority are moved onto the scheme's, to make room for a NUL. */
static int absolute_form(struct loci__http_head *h, char *target, size_t n)
{
	struct loci_cursor c = loci__cursor(target, n);
	if (!loci__take_text_nocase(&c, "http://") && !loci__take_text_nocase(&c, "https://"))
		return refuse(h, 400, "the request target is not a path");
	char *slash = memchr(c.p, '/', loci__cursor_left(&c));
	if (!slash || slash == c.p)
		return refuse(h, 400, "the request target has no host or no path");
	size_t host_n = (size_t)(slash - c.p);
	memmove(target, c.p, host_n);
	target[host_n] = '\0';
	if (!loci__chars_all(target, host_n, LOCI_CHAR_HOST))
		return refuse(h, 400, "malformed host in the request target");
	h->host = target;
	h->target = slash;
	return 0;
}

static int request_line(struct loci__http_head *h, char *method, size_t method_n, char *target,
                        size_t target_n)
{
	if (!method_n || method_n > LOCI_HTTP_METHOD_MAX ||
	    !loci__chars_all(method, method_n, LOCI_CHAR_TOKEN))
		return refuse(h, 400, "malformed method");
	if (target_n > LOCI_HTTP_TARGET_MAX)
		return refuse(h, 414, "the request target is too long");
	if (!target_n || !loci__chars_all(target, target_n, LOCI_CHAR_TARGET))
		return refuse(h, 400, "malformed request target");
	method[method_n] = '\0';
	target[target_n] = '\0';
	h->method = method;
	h->target = target;
	if (*target == '/' || strcmp(target, "*") == 0)
		return 0;
	return absolute_form(h, target, target_n);
}

/* --- fields that say where the request ends or how to answer --- */

/* What the fields so far said; a second one of a kind is refused even when it says the same. */
struct framing {
	const char *host;
	bool length_seen;
	bool encoding_seen;
	bool close;
	bool keep_alive;
};

static int on_host(struct loci__http_head *h, struct framing *f, const char *value)
{
	if (f->host)
		return refuse(h, 400, "more than one Host");
	if (!loci__chars_all(value, strlen(value), LOCI_CHAR_HOST))
		return refuse(h, 400, "malformed Host");
	f->host = value;
	return 0;
}

static int on_content_length(struct loci__http_head *h, struct framing *f, const char *value)
{
	if (f->length_seen)
		return refuse(h, 400, "more than one Content-Length");
	f->length_seen = true;
	if (!loci__parse_u64(value, strlen(value), &h->body_length) ||
	    h->body_length > (uint64_t)INT64_MAX)
		return refuse(h, 400, "malformed Content-Length");
	return 0;
}

static int on_transfer_encoding(struct loci__http_head *h, struct framing *f, const char *value)
{
	if (f->encoding_seen)
		return refuse(h, 400, "more than one Transfer-Encoding");
	f->encoding_seen = true;
	if (h->minor == 0)
		return refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (strcasecmp(value, "chunked") != 0)
		return refuse(h, 501, "only the transfer encoding 'chunked' is supported");
	return 0;
}

static int on_expect(struct loci__http_head *h, struct framing *f, const char *value)
{
	(void)f;
	if (h->minor == 0)
		return 0; /* RFC 9110 10.1.1: ignored */
	if (strcasecmp(value, "100-continue") != 0)
		return refuse(h, 417, "only the expectation '100-continue' is supported");
	h->expects_continue = true;
	return 0;
}

static int on_connection(struct loci__http_head *h, struct framing *f, const char *value)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	(void)h;
	while (!loci__cursor_at_end(&c)) {
		struct loci_slice token;
		loci__skip_blanks(&c);
		if (loci__take_run(&c, loci__is_token_char, &token)) {
			f->close |= loci__slice_is_nocase(token, "close");
			f->keep_alive |= loci__slice_is_nocase(token, "keep-alive");
		}
		loci__skip_blanks(&c);
		if (!loci__cursor_at_end(&c) && !loci__take_char(&c, ','))
			return refuse(h, 400, "malformed Connection");
	}
	return 0;
}

static int on_user_agent(struct loci__http_head *h, struct framing *f, const char *value)
{
	(void)f;
	h->user_agent = value;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct loci__http_head *h, struct framing *f, const char *value);
} special[] = {
        {"host", on_host},
        {"content-length", on_content_length},
        {"transfer-encoding", on_transfer_encoding},
        {"expect", on_expect},
        {"connection", on_connection},
        {"user-agent", on_user_agent},
};

/* --- fields --- */

/* Writes it in lower case; false when it is no token. */
static bool take_name(char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned classes = loci__chars[(unsigned char)name[i]];
		if (!(classes & LOCI_CHAR_TOKEN))
			return false;
		if (classes & LOCI_CHAR_UPPER)
			name[i] |= 0x20;
	}
	return true;
}

static int field(struct loci__http_head *h, struct framing *f, const struct phr_header *raw)
{
	char *name = (char *)raw->name;
	char *value = (char *)raw->value;
	if (!name || !raw->name_len || !take_name(name, raw->name_len))
		return refuse(h, 400, "malformed or folded header");
	if (loci__chars_have_control(value, raw->value_len)) /* RFC 9110 5.5 */
		return refuse(h, 400, "control character in a header");
	size_t n = raw->value_len;
	while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	value[n] = '\0';            /* at the latest on the line's CR */
	name[raw->name_len] = '\0'; /* on the colon */
	h->headers[h->n_headers++] = (struct loci_http_header){name, value};
	for (size_t i = 0; i < loci__array_len(special); i++)
		if (strcmp(name, special[i].name) == 0)
			return special[i].take(h, f, value);
	return 0;
}

static int conclude(struct loci__http_head *h, const struct framing *f)
{
	if (f->encoding_seen && f->length_seen)
		return refuse(h, 400, "both Transfer-Encoding and Content-Length");
	if (f->encoding_seen)
		h->body_length = LOCI_BODY_UNKNOWN;
	if (!f->host && h->minor >= 1)
		return refuse(h, 400, "no Host");
	if (!h->host)
		h->host = f->host;
	h->keep_alive = h->minor >= 1 ? !f->close : f->keep_alive && !f->close;
	h->expects_continue = h->expects_continue && h->body_length;
	return 0;
}

/* phr_parse_request says the same -1 for everything; too many fields deserve their own status. */
static int unparsable(struct loci__http_head *h, const char *p, size_t n)
{
	size_t lines = 0;
	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	if (lines > LOCI_HTTP_HEADERS_MAX + 2)
		return refuse(h, 431, "too many headers");
	return refuse(h, 400, "malformed request head");
}

int loci__http_head_parse(char *p, size_t n, struct loci__http_head *ret)
{
	struct phr_header raw[LOCI_HTTP_HEADERS_MAX];
	size_t n_raw = loci__array_len(raw);
	const char *method, *target;
	size_t method_n, target_n;
	struct framing f = {0};

	memset(ret, 0, offsetof(struct loci__http_head, headers));
	if (phr_parse_request(p, n, &method, &method_n, &target, &target_n, &ret->minor, raw,
	                      &n_raw, 0) != (int)n)
		return unparsable(ret, p, n);
	if (ret->minor > 1)
		ret->minor = 1; /* RFC 9110 2.5: as the highest known minor version */
	int status = request_line(ret, (char *)method, method_n, (char *)target, target_n);
	for (size_t i = 0; !status && i < n_raw; i++)
		status = field(ret, &f, &raw[i]);
	return status ? status : conclude(ret, &f);
}
