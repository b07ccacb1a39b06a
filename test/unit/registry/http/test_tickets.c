/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions go on as long as the keys of their tickets are there, and no longer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "registry/http/tickets.h"

#include "loci/api.h"

#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdbool.h>

#define LIFE_MS (1000ull * LOCI_TICKETS_LIFE_S)

static bool random_fails;

LOCI_API int RAND_priv_bytes(unsigned char *buf, int n)
{
	return random_fails ? 0 : RAND_priv_bytes_ex(NULL, buf, (size_t)n, 0);
}

static uint64_t clock_ms;
static SSL_SESSION *given; /* by the server, last */

static uint64_t now_ms(void)
{
	return clock_ms;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(given);
	given = session;
	return 1;
}

static SSL_CTX *server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static SSL_CTX *client_ctx(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return ctx;
}

/* One connection; whether it went on with the session. The session that it was given is .given. */
static bool goes_on(SSL_CTX *server, SSL_CTX *client, SSL_SESSION *session)
{
	SSL *s = SSL_new(server);
	SSL *c = SSL_new(client);
	BIO *a, *b;
	char byte;
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	/* A copy: in TLS 1.3 OpenSSL's client shows none twice. */
	SSL_SESSION *shown = session ? SSL_SESSION_dup(session) : NULL;
	SSL_set_session(c, shown);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(c);
		SSL_do_handshake(s);
	}
	assert_true(SSL_is_init_finished(s) && SSL_is_init_finished(c));
	(void)!SSL_read(c, &byte, 1); /* takes in the tickets */
	bool reused = SSL_session_reused(s);
	SSL_shutdown(c);
	SSL_shutdown(s);
	SSL_free(s);
	SSL_free(c);
	SSL_SESSION_free(shown);
	return reused;
}

static SSL_SESSION *take_session(SSL_CTX *server, SSL_CTX *client)
{
	assert_false(goes_on(server, client, NULL));
	assert_non_null(given);
	return loci__steal_ptr(&given);
}

static void test_life_of_keys(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;
	for (size_t i = 0; i < loci__array_len(versions); i++) {
		struct loci__tickets *t = loci__tickets_new(now_ms);
		SSL_CTX *server = server_ctx();
		SSL_CTX *other = server_ctx();
		SSL_CTX *client = client_ctx(versions[i]);
		loci__tickets_serve(t, server);
		clock_ms = 5;
		SSL_SESSION *first = take_session(server, client);
		assert_true(goes_on(server, client, first));
		clock_ms = 5 + LIFE_MS; /* others get a new key, this ticket's is still there */
		SSL_SESSION *second = take_session(server, client);
		assert_true(goes_on(server, client, first));
		assert_true(goes_on(server, client, second));
		assert_false(goes_on(other, client, second));
		clock_ms--; /* a clock that was asked by another thread before */
		assert_true(goes_on(server, client, second));
		clock_ms++;
		assert_true(goes_on(server, client, first));
		assert_true(goes_on(server, client, second));
		clock_ms = 5 + 2 * LIFE_MS; /* even when nobody has asked for another key since */
		assert_false(goes_on(server, client, first));
		assert_true(goes_on(server, client, second));
		clock_ms = 5 + 3 * LIFE_MS;
		assert_false(goes_on(server, client, second));
		/* Another certificate, the same keys: as after SIGHUP. */
		SSL_SESSION *third = take_session(server, client);
		loci__tickets_serve(t, other);
		assert_true(goes_on(other, client, third));
		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
		SSL_SESSION_free(third);
		SSL_SESSION_free(given);
		given = NULL;
		SSL_CTX_free(client);
		SSL_CTX_free(other);
		SSL_CTX_free(server);
		loci__tickets_free(t);
	}
}

/* No new tickets then, but those that there are go on to be taken. */
static void test_no_random_bytes(void **state)
{
	struct loci__tickets *t = loci__tickets_new(now_ms);
	SSL_CTX *server = server_ctx();
	SSL_CTX *client = client_ctx(TLS1_2_VERSION);
	(void)state;
	loci__tickets_serve(t, server);
	clock_ms = 5;
	SSL_SESSION *first = take_session(server, client);
	clock_ms = 5 + LIFE_MS;
	random_fails = true;
	for (int i = 0; i < 3; i++)
		assert_false(goes_on(server, client, NULL));
	assert_true(goes_on(server, client, first));
	random_fails = false;
	SSL_SESSION *second = take_session(server, client);
	assert_true(goes_on(server, client, first));
	assert_true(goes_on(server, client, second));
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
	SSL_SESSION_free(given);
	given = NULL;
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	loci__tickets_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_life_of_keys),
	        cmocka_unit_test(test_no_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
