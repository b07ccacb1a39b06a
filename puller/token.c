/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/token.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/json.h"

#include <string.h>

#define CLIENT_ID "loci"

static bool is_unreserved(unsigned char c)
{
	return loci__is_alnum(c) || (c && strchr("-._~", c));
}

/* application/x-www-form-urlencoded, which suits a query too. ":" and "/" of a scope need no
 * escape in a query, but %3A is what every token server understands as well. */
static void put_escaped(struct loci_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_unreserved((unsigned char)s[i]))
			loci__buf_putc(b, s[i]);
		else
			loci__buf_printf(b, "%%%02X", (unsigned char)s[i]);
	}
}

static void put_pair(struct loci_buf *b, const char *sep, const char *name, const char *value,
                     size_t n)
{
	loci__buf_puts(b, sep);
	loci__buf_puts(b, name);
	loci__buf_putc(b, '=');
	put_escaped(b, value, n);
}

int loci__token_url(const struct loci_token_ask *ask, struct loci_buf *ret, struct loci_error *err)
{
	size_t realm_n = strcspn(ask->realm, "#");
	loci__buf_append(ret, ask->realm, realm_n);
	put_pair(ret, memchr(ask->realm, '?', realm_n) ? "&" : "?", "client_id", CLIENT_ID,
	         strlen(CLIENT_ID));
	if (ask->service)
		put_pair(ret, "&", "service", ask->service, strlen(ask->service));
	for (const char *s = ask->scope; s && *s;) {
		size_t n = strcspn(s, " ");
		if (n)
			put_pair(ret, "&", "scope", s, n);
		s += n + strspn(s + n, " ");
	}
	return loci__buf_check(ret, "token url", err);
}

int loci__token_form(const struct loci_token_ask *ask, const char *refresh_token,
                     struct loci_buf *ret, struct loci_error *err)
{
	put_pair(ret, "", "grant_type", "refresh_token", strlen("refresh_token"));
	put_pair(ret, "&", "client_id", CLIENT_ID, strlen(CLIENT_ID));
	put_pair(ret, "&", "service", ask->service ? ask->service : "",
	         ask->service ? strlen(ask->service) : 0);
	if (ask->scope)
		put_pair(ret, "&", "scope", ask->scope, strlen(ask->scope));
	put_pair(ret, "&", "refresh_token", refresh_token, strlen(refresh_token));
	return loci__buf_check(ret, "token form", err);
}

static bool is_header_safe(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return false;
	}
	return true;
}

static int token_of(const json_t *doc, const char **ret_token, uint64_t *ret_life_s,
                    struct loci_error *err)
{
	struct loci_json_at root = loci__json_root(doc);
	struct loci_json_at token_at = loci__json_member(&root, "token");
	struct loci_json_at access_at = loci__json_member(&root, "access_token");
	struct loci_json_at life_at = loci__json_member(&root, "expires_in");
	const char *token = NULL, *access = NULL;
	int rc = loci__json_object(&root, err);
	if (rc >= 0)
		rc = loci__json_string_opt(&token_at, &token, err);
	if (rc >= 0)
		rc = loci__json_string_opt(&access_at, &access, err);
	if (rc >= 0)
		rc = loci__json_u64_opt(&life_at, ret_life_s, err);
	if (rc < 0)
		return rc;
	*ret_token = token && *token ? token : access;
	if (!*ret_token || !**ret_token)
		return loci__err_set(err, LOCI_E_PROTOCOL,
		                     "expected 'token' or 'access_token', found neither");
	if (!is_header_safe(*ret_token))
		return loci__err_set(err, LOCI_E_PROTOCOL, "the token has blanks or controls");
	return 0;
}

int loci__token_parse(const void *json, size_t n, struct loci_buf *ret_token, uint64_t *ret_life_s,
                      struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_TOKEN_RESPONSE_MAX, 16};
	loci__cleanup_json json_t *doc = NULL;
	struct loci_error why = {0};
	const char *token;
	uint64_t life = 0;
	int rc = loci__json_parse(json, n, &limits, "token response", &doc, &why);
	if (rc >= 0)
		rc = token_of(doc, &token, &life, &why);
	if (rc < 0)
		return loci__err_set(err, rc == LOCI_E_NOMEM ? rc : LOCI_E_PROTOCOL,
		                     "token response: %s", why.msg);
	if (loci__buf_puts(ret_token, token) < 0)
		return loci__buf_check(ret_token, "token", err);
	*ret_life_s = life < LOCI_TOKEN_LIFE_MIN_S   ? LOCI_TOKEN_LIFE_MIN_S
	              : life > LOCI_TOKEN_LIFE_MAX_S ? LOCI_TOKEN_LIFE_MAX_S
	                                             : life;
	return 0;
}

int loci__scope_pull(const char *repo, struct loci_buf *ret, struct loci_error *err)
{
	loci__buf_printf(ret, "repository:%s:pull", repo);
	return loci__buf_check(ret, "scope", err);
}
