/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References. The grammar of the repository and the tag is distribution-spec's ("Pulling
 * manifests"), the host's is docker's: [a-zA-Z0-9] with dots and dashes, or an IPv6 address in
 * brackets, and a port. A reference is split from its ends, since only there it is unambiguous:
 * the digest behind the first '@' (no other part may hold one), the tag behind the last ':' that
 * no '/' follows, the host before the first '/'.
 */
#include "loci/ref.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define DOCKER_HOST      "docker.io"
#define DOCKER_HOST_OLD  "index.docker.io"
#define DOCKER_NAMESPACE "library/"
#define DOCKER_TAG       "latest"

/* ---- grammar: each says how many bytes are right, all of them when the part is ----------------
 */

/* [a-z0-9]+ */
static bool take_lower(struct loci_cursor *c)
{
	const char *start = c->p;
	while (c->p < c->end && loci__is_lower_alnum((unsigned char)*c->p))
		c->p++;
	return c->p > start;
}

/* \. | _ | __ | -+ */
static bool take_repo_separator(struct loci_cursor *c)
{
	if (c->p == c->end)
		return false;
	const char mark = *c->p;
	if (mark != '.' && mark != '_' && mark != '-')
		return false;
	c->p++;
	if (mark == '_')
		(void)loci__take_char(c, '_');
	while (mark == '-' && loci__take_char(c, '-'))
		;
	return true;
}

static bool take_repo(struct loci_cursor *c)
{
	do {
		do {
			if (!take_lower(c))
				return false;
		} while (take_repo_separator(c));
	} while (loci__take_char(c, '/'));
	return loci__cursor_at_end(c);
}

static bool is_tag_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static bool take_tag(struct loci_cursor *c)
{
	if (loci__cursor_at_end(c) || *c->p == '.' || *c->p == '-')
		return false;
	struct loci_slice run;
	return loci__take_run(c, is_tag_char, &run) && loci__cursor_at_end(c);
}

static bool is_host_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '-';
}

/* Labels of letters, digits and inner dashes, with dots between them. */
static bool take_domain(struct loci_cursor *c)
{
	struct loci_slice label;
	do {
		if (loci__cursor_at_end(c) || *c->p == '-' ||
		    !loci__take_run(c, is_host_char, &label))
			return false;
		if (label.p[label.n - 1] == '-') {
			c->p--;
			return false;
		}
	} while (loci__take_char(c, '.'));
	return true;
}

static bool is_ipv6(struct loci_slice s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	return loci__slice_copy(s, text, sizeof(text)) && inet_pton(AF_INET6, text, &addr) == 1;
}

static bool take_host(struct loci_cursor *c)
{
	struct loci_slice address;
	if (loci__take_char(c, '[')) {
		if (!loci__take_until(c, ']', &address) || !is_ipv6(address))
			return false;
	} else if (!take_domain(c)) {
		return false;
	}
	uint64_t port;
	const char *colon = c->p;
	if (loci__take_char(c, ':') && (!loci__take_u64(c, &port) || port > 65535)) {
		c->p = colon + 1;
		return false;
	}
	return loci__cursor_at_end(c);
}

bool loci_repo_is_valid(const char *s, size_t n)
{
	struct loci_cursor c = loci__cursor(s, n);
	return n <= LOCI_REPO_MAX && take_repo(&c);
}

bool loci_tag_is_valid(const char *s, size_t n)
{
	struct loci_cursor c = loci__cursor(s, n);
	return n <= LOCI_TAG_MAX && take_tag(&c);
}

/* ---- splitting --------------------------------------------------------------------------------
 */

struct parts {
	const char *whole; /* what the offsets in messages count from */
	struct loci_slice host, repo, tag, digest;
};

static int part_err(struct loci_error *err, const struct parts *p, const char *part,
                    const struct loci_cursor *at, const char *expected)
{
	return loci__err_set(err, LOCI_E_INVALID, "reference: %s: byte %zu: expected %s", part,
	                     (size_t)(at->p - p->whole), expected);
}

static int check_parts(const struct parts *p, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(p->host.p, p->host.n);
	if (p->host.p && !take_host(&c))
		return part_err(err, p, "host", &c,
		                "a host name or address, and a port up to 65535");
	c = loci__cursor(p->repo.p, p->repo.n);
	if (!take_repo(&c))
		return part_err(err, p, "repository", &c,
		                "lower-case letters and digits, with '.', '_', '__', dashes or "
		                "'/' between them");
	c = loci__cursor(p->tag.p, p->tag.n);
	if (p->tag.p && !take_tag(&c))
		return part_err(err, p, "tag", &c,
		                "a letter, digit or '_', then letters, digits, '_', '.' and '-'");
	if (p->tag.n > LOCI_TAG_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "reference: tag: %zu bytes, at most %d are allowed", p->tag.n,
		                     LOCI_TAG_MAX);
	return 0;
}

/* A name's first component is a host when it cannot be a repository's, or looks like no namespace
 * that docker would have given: docker's rule, upper case included. */
static bool is_host_like(struct loci_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '.' || s.p[i] == ':' || (s.p[i] >= 'A' && s.p[i] <= 'Z'))
			return true;
	return loci__slice_is(s, "localhost");
}

static void split(const char *s, struct parts *ret)
{
	struct parts p = {.whole = s};
	size_t n = strlen(s);
	const char *at = memchr(s, '@', n);
	if (at) {
		p.digest = loci__slice(at + 1, n - (size_t)(at + 1 - s));
		n = (size_t)(at - s);
	}
	const char *colon = memrchr(s, ':', n);
	if (colon && !memchr(colon, '/', n - (size_t)(colon - s))) {
		p.tag = loci__slice(colon + 1, n - (size_t)(colon + 1 - s));
		n = (size_t)(colon - s);
	}
	p.repo = loci__slice(s, n);
	const char *slash = memchr(s, '/', n);
	if (slash && is_host_like(loci__slice(s, (size_t)(slash - s)))) {
		p.host = loci__slice(s, (size_t)(slash - s));
		p.repo = loci__slice(slash + 1, n - (size_t)(slash + 1 - s));
	}
	*ret = p;
}

/* ---- docker's defaults ------------------------------------------------------------------------
 */

/* docker could not tell such a name from an image ID. */
static bool is_image_id(struct loci_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!loci__is_lower_hex((unsigned char)s.p[i]))
			return false;
	return s.n == 64;
}

struct defaults {
	struct loci_slice host;
	const char *namespace;
	struct loci_slice tag;
};

static struct defaults defaults_of(const struct parts *p, unsigned flags)
{
	struct defaults d = {.host = p->host, .namespace = "", .tag = p->tag};
	if (!(flags & LOCI_REF_DOCKER_DEFAULTS))
		return d;
	if (!p->host.p || loci__slice_is(p->host, DOCKER_HOST_OLD))
		d.host = loci__slice(DOCKER_HOST, strlen(DOCKER_HOST));
	if (loci__slice_is(d.host, DOCKER_HOST) && !memchr(p->repo.p, '/', p->repo.n))
		d.namespace = DOCKER_NAMESPACE;
	if (!p->tag.p && !p->digest.p)
		d.tag = loci__slice(DOCKER_TAG, strlen(DOCKER_TAG));
	return d;
}

int loci_ref_parse(const char *s, unsigned flags, struct loci_ref *ret, struct loci_error *err)
{
	struct parts p;
	split(s, &p);
	int rc = check_parts(&p, err);
	if (rc < 0)
		return rc;
	if ((flags & LOCI_REF_DOCKER_DEFAULTS) && !p.host.p && is_image_id(p.repo))
		return loci__err_set(
		        err, LOCI_E_INVALID,
		        "reference: repository: 64 hex digits are an image ID, no name");
	struct defaults d = defaults_of(&p, flags);
	size_t len = d.host.n + (d.host.n > 0) + strlen(d.namespace) + p.repo.n;
	if (len > LOCI_REPO_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "reference: host and repository: %zu bytes, at most %d are "
		                     "allowed",
		                     len, LOCI_REPO_MAX);
	struct loci_ref ref = {0};
	if (p.digest.p) {
		rc = loci_digest_parse(p.digest.p, p.digest.n, &ref.digest, err);
		if (rc < 0)
			return loci__err_prefix(err, rc, "reference");
	}
	if (d.host.n)
		memcpy(ref.host, d.host.p, d.host.n);
	size_t at = strlen(d.namespace);
	memcpy(ref.repo, d.namespace, at);
	memcpy(ref.repo + at, p.repo.p, p.repo.n);
	if (d.tag.n)
		memcpy(ref.tag, d.tag.p, d.tag.n);
	*ret = ref;
	return 0;
}

size_t loci_ref_format(const struct loci_ref *ref, char buf[LOCI_REF_STR_MAX])
{
	char digest[LOCI_DIGEST_STR_MAX] = "";
	if (ref->digest.alg)
		loci_digest_format(&ref->digest, digest);
	int n = snprintf(buf, LOCI_REF_STR_MAX, "%s%s%s%s%s%s%s", ref->host, *ref->host ? "/" : "",
	                 ref->repo, *ref->tag ? ":" : "", ref->tag, *digest ? "@" : "", digest);
	return n < LOCI_REF_STR_MAX ? (size_t)n : LOCI_REF_STR_MAX - 1;
}

/* ---- loopback ---------------------------------------------------------------------------------
 */

/* The host without its port and brackets. A bare IPv6 address has colons but no port. */
static struct loci_slice host_name(const char *host)
{
	size_t n = strlen(host);
	struct loci_cursor c = loci__cursor(host, n);
	struct loci_slice name;
	if (loci__take_char(&c, '['))
		return loci__take_until(&c, ']', &name) ? name : loci__slice(host, n);
	const char *first = memchr(host, ':', n);
	if (!first || strchr(first + 1, ':'))
		return loci__slice(host, n);
	return loci__slice(host, (size_t)(first - host));
}

bool loci_host_is_loopback(const char *host)
{
	struct loci_slice name = host_name(host);
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	if (loci__slice_is_nocase(name, "localhost"))
		return true;
	if (!loci__slice_copy(name, text, sizeof(text)))
		return false;
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
