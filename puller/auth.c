/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/auth.h"

#include "core/base/base64.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "puller/challenge.h"
#include "puller/follow.h"
#include "puller/retry.h"
#include "puller/token.h"

#include <string.h>

/* Renewed this long before it ends, so that it does not end on its way. */
#define RENEW_EARLY_MS 5000

/* docker's name for "the secret is an identity token" */
#define IDENTITY_TOKEN_USER "<token>"

struct credentials {
	bool found;
	char user[LOCI_CRED_USER_MAX];
	char secret[LOCI_CRED_SECRET_MAX];
};

static void credentials_wipe(struct credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}
#define cleanup_credentials __attribute__((cleanup(credentials_wipe)))

void loci__secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}
LOCI_DEFINE_CLEANUP(secret_free_ptr, char, loci__secret_free)
#define cleanup_secret loci__cleanup(secret_free_ptr)

static void secret_buf_done(struct loci_buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->len);
	loci__buf_done(b);
}
#define cleanup_secret_buf __attribute__((cleanup(secret_buf_done)))

void loci__auth_init(struct loci_auth *a)
{
	pthread_mutex_init(&a->lock, NULL);
}

void loci__auth_done(struct loci_auth *a)
{
	loci__secret_free(a->value);
	free(a->realm);
	free(a->service);
	free(a->scope);
	pthread_mutex_destroy(&a->lock);
}

static int look_up(struct loci_auth *a, struct credentials *ret, struct loci_error *err)
{
	ret->found = false;
	if (!a->cred)
		return 0;
	int rc = a->cred(a->cred_arg, a->host, ret->user, sizeof(ret->user), ret->secret,
	                 sizeof(ret->secret), err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc < 0)
		return loci__err_prefix(err, rc, "credentials for %s", a->host);
	ret->found = true;
	return 0;
}

static int basic_value(const struct credentials *c, char **ret, struct loci_error *err)
{
	cleanup_secret_buf struct loci_buf pair =
	        LOCI_BUF_INIT(LOCI_CRED_USER_MAX + LOCI_CRED_SECRET_MAX);
	if (strchr(c->user, ':'))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "user name with a colon cannot be sent as basic credentials");
	/* In one go: growing would leave pieces behind in freed memory. */
	loci__buf_reserve(&pair, strlen(c->user) + 1 + strlen(c->secret));
	loci__buf_printf(&pair, "%s:%s", c->user, c->secret);
	int rc = loci__buf_check(&pair, "credentials", err);
	if (rc < 0)
		return rc;
	char *value = malloc(6 + LOCI_BASE64_SIZE(pair.len));
	if (!value)
		return loci__err_nomem(err);
	memcpy(value, "Basic ", 6);
	loci__base64_format(pair.p, pair.len, value + 6);
	*ret = value;
	return 0;
}

static void set_value(struct loci_auth *a, char *take_value, uint64_t expires_ms)
{
	loci__secret_free(a->value);
	a->value = take_value;
	a->expires_ms = expires_ms;
	a->generation++;
}

/* ---- Bearer ---- */

static int take_token(struct loci_auth *a, const struct loci_http_response *resp,
                      struct loci_error *err)
{
	cleanup_secret_buf struct loci_buf value = LOCI_BUF_INIT(LOCI_TOKEN_MAX);
	uint64_t life_s;
	loci__buf_puts(&value, "Bearer ");
	int rc = loci__token_parse(resp->body.p ? resp->body.p : "", resp->body.len, &value,
	                           &life_s, err);
	if (rc < 0)
		return rc;
	char *stolen = loci__buf_steal(&value);
	if (!stolen)
		return loci__err_nomem(err);
	set_value(a, stolen, loci__clock_ms() + life_s * 1000 - RENEW_EARLY_MS);
	return 0;
}

static int refused(struct loci_auth *a, const struct loci_http_response *resp, bool had_credentials,
                   struct loci_error *err)
{
	struct loci_outcome o = loci__outcome_of_status(resp->status);
	a->retry = o.retry;
	if (o.code == LOCI_E_NOT_FOUND || !o.code)
		o.code = LOCI_E_PROTOCOL;
	return loci__err_set(err, o.code, "token server %.200s for %s: status %d%s", a->realm,
	                     a->host, resp->status,
	                     o.code == LOCI_E_UNAUTHORIZED && !had_credentials
	                             ? " (no credentials are known)"
	                             : "");
}

/* The GET of token.md, with Basic credentials if there are any. */
static int ask_by_get(struct loci_auth *a, struct loci_http *h, const struct loci_token_ask *ask,
                      const struct credentials *c, struct loci_error *err)
{
	struct loci_buf url = LOCI_BUF_INIT(LOCI_URL_MAX);
	loci__cleanup_free char *url_text = NULL;
	cleanup_secret char *basic = NULL;
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	int rc = loci__token_url(ask, &url, err);
	url_text = loci__buf_steal(&url);
	if (rc >= 0 && c->found)
		rc = basic_value(c, &basic, err);
	if (rc < 0)
		return rc;
	if (!url_text)
		return loci__err_nomem(err);
	struct loci_http_request req = {
	        .method = "GET",
	        .url = url_text,
	        .authorization = basic,
	        .body_max = LOCI_TOKEN_RESPONSE_MAX,
	};
	rc = loci__http_follow(h, &req, &resp, /* ret_elsewhere= */ NULL, err);
	if (rc < 0) {
		a->retry = resp.retry;
		return rc;
	}
	return resp.status == 200 ? take_token(a, &resp, err) : refused(a, &resp, c->found, err);
}

/* The POST of oauth.md, for an identity token. */
static int ask_by_post(struct loci_auth *a, struct loci_http *h, const struct loci_token_ask *ask,
                       const char *refresh_token, struct loci_error *err)
{
	cleanup_secret_buf struct loci_buf form = LOCI_BUF_INIT(4 * LOCI_CRED_SECRET_MAX);
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	int rc = loci__token_form(ask, refresh_token, &form, err);
	if (rc < 0)
		return rc;
	struct loci_http_request req = {
	        .method = "POST",
	        .url = ask->realm,
	        .form = form.p,
	        .body_max = LOCI_TOKEN_RESPONSE_MAX,
	};
	rc = loci__http_follow(h, &req, &resp, /* ret_elsewhere= */ NULL, err);
	if (rc < 0) {
		a->retry = resp.retry;
		return rc;
	}
	return resp.status == 200 ? take_token(a, &resp, err) : refused(a, &resp, true, err);
}

static int bearer_dance(struct loci_auth *a, struct loci_http *h, struct loci_error *err)
{
	cleanup_credentials struct credentials c;
	struct loci_token_ask ask = {a->realm, a->service, a->scope};
	int rc = loci__realm_check(a->realm, &a->origin, a->plain_http_wanted, err);
	if (rc >= 0)
		rc = look_up(a, &c, err);
	if (rc < 0)
		return rc;
	if (c.found && !strcmp(c.user, IDENTITY_TOKEN_USER))
		return ask_by_post(a, h, &ask, c.secret, err);
	return ask_by_get(a, h, &ask, &c, err);
}

static int keep_text(char **at, const char *s, struct loci_error *err)
{
	char *copy = s ? strdup(s) : NULL;
	if (s && !copy)
		return loci__err_nomem(err);
	free(*at);
	*at = copy;
	return 0;
}

static int keep_challenge(struct loci_auth *a, const struct loci_challenge *ch,
                          struct loci_error *err)
{
	struct loci_buf own = LOCI_BUF_INIT(LOCI_REPO_MAX + 32);
	const char *realm = loci__challenge_param(ch, "realm");
	const char *scope = loci__challenge_param(ch, "scope");
	if (!realm || !*realm)
		return loci__err_set(err, LOCI_E_PROTOCOL, "%s: bearer challenge without a realm",
		                     a->host);
	int rc = loci__scope_pull(a->repo, &own, err);
	if (rc >= 0)
		rc = keep_text(&a->realm, realm, err);
	if (rc >= 0)
		rc = keep_text(&a->service, loci__challenge_param(ch, "service"), err);
	if (rc >= 0)
		rc = keep_text(&a->scope, scope && *scope ? scope : own.p, err);
	loci__buf_done(&own);
	return rc;
}

/* ---- Basic ---- */

static int basic_answer(struct loci_auth *a, struct loci_error *err)
{
	cleanup_credentials struct credentials c;
	char *value;
	int rc = look_up(a, &c, err);
	if (rc < 0)
		return rc;
	if (!c.found || !strcmp(c.user, IDENTITY_TOKEN_USER))
		return loci__err_set(err, LOCI_E_UNAUTHORIZED,
		                     "%s wants a user name and password, none are known", a->host);
	rc = basic_value(&c, &value, err);
	if (rc >= 0)
		set_value(a, value, /* expires_ms= */ 0);
	return rc;
}

/* ---- the two entrances ---- */

int loci__auth_get(struct loci_auth *a, struct loci_http *h, struct loci_http_response *resp,
                   char **ret, unsigned *ret_generation, struct loci_error *err)
{
	int rc = 0;
	char *copy = NULL;
	pthread_mutex_lock(&a->lock);
	a->retry = LOCI_RETRY_NEVER;
	if (a->value && a->expires_ms && loci__clock_ms() >= a->expires_ms)
		rc = bearer_dance(a, h, err);
	if (rc >= 0 && a->value && !(copy = strdup(a->value)))
		rc = loci__err_nomem(err);
	if (rc >= 0) {
		*ret = copy;
		*ret_generation = a->generation;
	}
	resp->retry = a->retry;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int answer(struct loci_auth *a, struct loci_http *h, const struct loci_http_response *resp,
                  struct loci_error *err)
{
	struct loci_challenges list;
	struct loci_error why = {0};
	const struct loci_buf *field = &resp->www_authenticate;
	if (!field->len || field->failed)
		return loci__err_set(err, LOCI_E_UNAUTHORIZED,
		                     "%s: 401 without a usable www-authenticate", a->host);
	int rc = loci__challenges_parse(field->p, field->len, &list, &why);
	if (rc < 0)
		return loci__err_set(err, LOCI_E_PROTOCOL, "%s: %s", a->host, why.msg);
	const struct loci_challenge *bearer = loci__challenges_find(&list, "Bearer");
	if (bearer) {
		rc = keep_challenge(a, bearer, err);
		if (rc >= 0)
			rc = bearer_dance(a, h, err);
	} else if (loci__challenges_find(&list, "Basic")) {
		rc = basic_answer(a, err);
	} else {
		rc = loci__err_set(err, LOCI_E_UNAUTHORIZED,
		                   "%s: no known way to authenticate, found '%.64s'", a->host,
		                   list.list[0].scheme);
	}
	loci__challenges_done(&list);
	return rc;
}

int loci__auth_challenged(struct loci_auth *a, struct loci_http *h, unsigned generation,
                          struct loci_http_response *resp, struct loci_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&a->lock);
	a->retry = LOCI_RETRY_NEVER;
	if (a->generation == generation)
		rc = answer(a, h, resp, err);
	resp->retry = a->retry;
	pthread_mutex_unlock(&a->lock);
	return rc;
}
