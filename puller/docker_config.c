/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's rules: a helper named for the host, else the helper for all hosts, else the file's own
 * entries. A helper that has nothing for the host is no reason to stop; podman writes its entries
 * beside it.
 */
#include "puller/docker_config.h"

#include "core/base/base64.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "puller/cred_helper.h"

#include <fcntl.h>
#include <string.h>

/* What docker keeps Docker Hub's credentials under. */
#define HUB_HOST      "docker.io"
#define HUB_KEY       "https://index.docker.io/v1/"
#define IDENTITY_USER "<token>"
#define AUTH_MAX      (32 * 1024) /* bytes of "user:password" */

struct loci_docker_config {
	char *name;
	json_t *doc;
};

/* ---- reading ---- */

int loci__docker_config_parse(const char *name, const void *json, size_t n,
                              struct loci_docker_config **ret, struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_DOCKER_CONFIG_MAX, 32};
	loci__cleanup_json json_t *doc = NULL;
	int rc = loci__json_parse(json, n, &limits, name, &doc, err);
	if (rc < 0)
		return rc;
	struct loci_json_at root = loci__json_root(doc);
	rc = loci__json_object(&root, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "%s", name);
	struct loci_docker_config *c = calloc(1, sizeof(*c));
	if (!c || !(c->name = strdup(name))) {
		free(c);
		return loci__err_nomem(err);
	}
	c->doc = loci__steal_ptr(&doc);
	*ret = c;
	return 0;
}

int loci_docker_config_open(const char *path, struct loci_docker_config **ret,
                            struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	int rc = loci__read_file(AT_FDCWD, path, LOCI_DOCKER_CONFIG_MAX, &text, &n, err);
	if (rc < 0)
		return rc;
	rc = loci__docker_config_parse(path, text, n, ret, err);
	explicit_bzero(text, n);
	return rc;
}

void loci_docker_config_free(struct loci_docker_config *c)
{
	if (!c)
		return;
	json_decref(c->doc);
	free(c->name);
	free(c);
}

/* ---- hosts ---- */

bool loci__docker_config_key_host(const char *key, char *buf, size_t size)
{
	struct loci_cursor c = loci__cursor(key, strlen(key));
	if (!loci__take_text_nocase(&c, "https://"))
		loci__take_text_nocase(&c, "http://");
	const char *start = c.p;
	while (!loci__cursor_at_end(&c) && *c.p != '/')
		c.p++;
	struct loci_slice host = loci__slice(start, (size_t)(c.p - start));
	struct loci_slice path = loci__slice(c.p, loci__cursor_left(&c));
	if (path.n && !loci__slice_is(path, "/") && !loci__slice_is(path, "/v1/") &&
	    !loci__slice_is(path, "/v1") && !loci__slice_is(path, "/v2/") &&
	    !loci__slice_is(path, "/v2"))
		return false;
	if (loci__slice_is(host, "index.docker.io") || loci__slice_is(host, "registry-1.docker.io"))
		host = loci__slice(HUB_HOST, strlen(HUB_HOST));
	return host.n && loci__slice_copy(host, buf, size);
}

static bool key_is_host(const char *key, const char *host)
{
	char buf[LOCI_REPO_MAX + 1];
	return loci__docker_config_key_host(key, buf, sizeof(buf)) && !strcmp(buf, host);
}

/* The member of an object whose key means the host; .v is NULL when there is none. */
static struct loci_json_at member_for_host(const struct loci_json_at *object, const char *host)
{
	const char *key;
	json_t *value;
	struct loci_json_at exact = loci__json_member(object, host);
	if (exact.v || !json_is_object(object->v))
		return exact;
	json_object_foreach((json_t *)object->v, key, value)
	{
		if (key_is_host(key, host))
			return loci__json_member(object, key);
	}
	return exact;
}

/* ---- an entry of "auths" ---- */

static int put(const char *s, size_t n, char *buf, size_t size, struct loci_error *err)
{
	if (!loci__slice_copy(loci__slice(s, n), buf, size))
		return loci__err_set(err, LOCI_E_TOO_LARGE, "longer than %zu bytes", size - 1);
	return 0;
}

/* "auth": base64 of "user:password" */
static int split_auth(const struct loci_json_at *at, const char *auth, char *user, size_t user_n,
                      char *secret, size_t secret_n, struct loci_error *err)
{
	char pair[AUTH_MAX];
	size_t n;
	int rc;
	if (!loci__base64_parse(auth, strlen(auth), pair, sizeof(pair), &n))
		return loci__json_err(at, err, "expected base64");
	while (n && !pair[n - 1]) /* docker's own reader drops NULs, which some writers add */
		n--;
	const char *colon = memchr(pair, ':', n);
	if (!colon || memchr(pair, '\0', n)) {
		rc = loci__json_err(at, err, "expected base64 of user:password");
	} else {
		size_t user_len = (size_t)(colon - pair);
		rc = put(pair, user_len, user, user_n, err);
		if (rc >= 0)
			rc = put(colon + 1, n - user_len - 1, secret, secret_n, err);
	}
	explicit_bzero(pair, sizeof(pair));
	return rc;
}

static int from_entry(const struct loci_json_at *entry, char *user, size_t user_n, char *secret,
                      size_t secret_n, struct loci_error *err)
{
	struct loci_json_at auth_at = loci__json_member(entry, "auth");
	struct loci_json_at user_at = loci__json_member(entry, "username");
	struct loci_json_at password_at = loci__json_member(entry, "password");
	struct loci_json_at token_at = loci__json_member(entry, "identitytoken");
	const char *auth, *name, *password, *token;
	int rc = loci__json_object(entry, err);
	if (rc < 0 || (rc = loci__json_string_opt(&auth_at, &auth, err)) < 0 ||
	    (rc = loci__json_string_opt(&user_at, &name, err)) < 0 ||
	    (rc = loci__json_string_opt(&password_at, &password, err)) < 0 ||
	    (rc = loci__json_string_opt(&token_at, &token, err)) < 0)
		return rc;
	if (token && *token) {
		rc = put(IDENTITY_USER, strlen(IDENTITY_USER), user, user_n, err);
		return rc < 0 ? rc : put(token, strlen(token), secret, secret_n, err);
	}
	if (auth && *auth)
		return split_auth(&auth_at, auth, user, user_n, secret, secret_n, err);
	if (!name || !*name || !password)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "an empty entry");
	rc = put(name, strlen(name), user, user_n, err);
	return rc < 0 ? rc : put(password, strlen(password), secret, secret_n, err);
}

/* ---- the look-up ---- */

/* The helper's name, or NULL. */
static int helper_for(const struct loci_json_at *root, const char *host, const char **ret,
                      struct loci_error *err)
{
	struct loci_json_at helpers = loci__json_member(root, "credHelpers");
	struct loci_json_at own = member_for_host(&helpers, host);
	struct loci_json_at store = loci__json_member(root, "credsStore");
	const char *name = NULL;
	int rc = loci__json_string_opt(&own, &name, err);
	if (rc >= 0 && (!name || !*name))
		rc = loci__json_string_opt(&store, &name, err);
	if (rc >= 0)
		*ret = name && *name ? name : NULL;
	return rc;
}

static int look_up(const struct loci_docker_config *c, const char *host, char *user, size_t user_n,
                   char *secret, size_t secret_n, struct loci_error *err)
{
	struct loci_json_at root = loci__json_root(c->doc);
	struct loci_json_at auths = loci__json_member(&root, "auths");
	struct loci_json_at entry = member_for_host(&auths, host);
	const char *helper;
	int rc = helper_for(&root, host, &helper, err);
	if (rc < 0)
		return rc;
	if (helper) {
		rc = loci__cred_helper_get(helper, !strcmp(host, HUB_HOST) ? HUB_KEY : host, user,
		                           user_n, secret, secret_n, err);
		if (rc != LOCI_E_NOT_FOUND)
			return rc;
	}
	if (!entry.v)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "no credentials for %s", host);
	return from_entry(&entry, user, user_n, secret, secret_n, err);
}

int loci_docker_config_cred(void *config, const char *host, char *user, size_t user_n, char *secret,
                            size_t secret_n, struct loci_error *err)
{
	const struct loci_docker_config *c = config;
	int rc = look_up(c, host, user, user_n, secret, secret_n, err);
	return rc < 0 ? loci__err_prefix(err, rc, "%s", c->name) : 0;
}
