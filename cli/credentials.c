/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/credentials.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <errno.h>
#include <stdio.h>

struct loci_credentials {
	struct loci_docker_config *files[3];
	size_t n;
};

/* An environment variable with a directory or file, and what is below it. */
static const struct place {
	const char *variable;
	const char *below; /* "" when the variable names the file itself */
	bool must_exist;
	bool unless_before; /* only when the row before had no variable */
} places[] = {
        {"REGISTRY_AUTH_FILE", "", true, false},
        {"DOCKER_CONFIG", "/config.json", false, false},
        {"HOME", "/.docker/config.json", false, true},
        {"XDG_RUNTIME_DIR", "/containers/auth.json", false, false},
};

/* Somebody else's home, or none (/dev/null), is no reason not to pull what is public. */
static bool is_out_of_reach(const struct loci_error *why)
{
	return why->code == LOCI_E_NOT_FOUND || why->code == LOCI_E_DENIED ||
	       why->sys_errno == ENOTDIR;
}

static int open_place(struct loci_credentials *c, const struct place *place, const char *value,
                      struct loci_error *err)
{
	loci__cleanup_free char *path = NULL;
	if (asprintf(&path, "%s%s", value, place->below) < 0) {
		path = NULL;
		return loci__err_nomem(err);
	}
	struct loci_error why = {0};
	int rc = loci_docker_config_open(path, &c->files[c->n], &why);
	if (rc < 0 && !place->must_exist && is_out_of_reach(&why))
		return 0;
	if (rc < 0 && err)
		*err = why;
	if (rc < 0)
		return loci__err_prefix(err, rc, "credentials");
	c->n++;
	return 0;
}

int loci__credentials_open(struct loci_credentials **ret, struct loci_error *err)
{
	bool had = false;
	struct loci_credentials *c = calloc(1, sizeof(*c));
	if (!c)
		return loci__err_nomem(err);
	for (size_t i = 0; i < loci__array_len(places); i++) {
		const char *value = getenv(places[i].variable);
		bool skip = !value || !*value || (places[i].unless_before && had);
		had = value && *value;
		int rc = skip ? 0 : open_place(c, &places[i], value, err);
		if (rc < 0) {
			loci__credentials_free(c);
			return rc;
		}
	}
	*ret = c;
	return 0;
}

void loci__credentials_free(struct loci_credentials *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		loci_docker_config_free(c->files[i]);
	free(c);
}

int loci__credentials_get(void *arg, const char *host, char *user, size_t user_n, char *secret,
                          size_t secret_n, struct loci_error *err)
{
	const struct loci_credentials *c = arg;
	for (size_t i = 0; i < c->n; i++) {
		int rc = loci_docker_config_cred(c->files[i], host, user, user_n, secret, secret_n,
		                                 err);
		if (rc != LOCI_E_NOT_FOUND)
			return rc;
	}
	return loci__err_set(err, LOCI_E_NOT_FOUND, "no credentials for %s", host);
}
