/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in Authorization for one registry and repository, shared by the threads of a pull:
 * one of them does the token dance, the others wait for its token.
 */
#ifndef LOCI_PULLER_AUTH_H
#define LOCI_PULLER_AUTH_H

#include "loci/pull.h"
#include "puller/http.h"
#include "puller/origin.h"

#include <pthread.h>

#define LOCI_CRED_USER_MAX   1024        /* bytes, NUL included */
#define LOCI_CRED_SECRET_MAX (16 * 1024) /* identity tokens are long */

struct loci_auth {
	const char *host; /* as credentials are kept under it */
	const char *repo;
	struct loci_origin origin; /* of the registry */
	bool plain_http_wanted;    /* by the caller, not only allowed for loopback */
	loci_cred_fn cred;
	void *cred_arg;
	pthread_mutex_t lock;
	/* below: under the lock */
	unsigned generation;           /* of value; 0: nothing known yet */
	char *value;                   /* "Bearer …", "Basic …" or NULL */
	uint64_t expires_ms;           /* loci__clock_ms; 0: never */
	char *realm, *service, *scope; /* of the last Bearer challenge, to ask again in time */
	int retry;                     /* enum loci_retry_class of the last dance that failed */
};
void loci__auth_init(struct loci_auth *a);
void loci__auth_done(struct loci_auth *a);

/* A copy of the value to send now (NULL: nothing), renewed when its time is over. On failure
 * resp->retry says whether trying again makes sense; the same below. */
int loci__auth_get(struct loci_auth *a, struct loci_http *h, struct loci_http_response *resp,
                   char **ret, unsigned *ret_generation, struct loci_error *err);
/* The registry answered 401 to what was got as `generation`: does the dance, unless another thread
 * has done it by now. Expected: UNAUTHORIZED, PROTOCOL, and those of an exchange. */
int loci__auth_challenged(struct loci_auth *a, struct loci_http *h, unsigned generation,
                          struct loci_http_response *resp, struct loci_error *err);
/* Wipes and frees what loci__auth_get gave. */
void loci__secret_free(char *s);

#endif
