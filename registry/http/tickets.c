/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/tickets.h"

#include "core/base/cleanup.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_N   16
#define SECRET_N 32
#define LIFE_MS  (1000ull * LOCI_TICKETS_LIFE_S)

struct key {
	unsigned char name[NAME_N]; /* stands in the ticket */
	unsigned char cipher[SECRET_N];
	unsigned char mac[SECRET_N];
	uint64_t made_ms;
	bool is_there;
};

struct loci__tickets {
	pthread_mutex_t lock;
	uint64_t (*now_ms)(void);
	struct key now, before;
};

struct loci__tickets *loci__tickets_new(uint64_t (*now_ms)(void))
{
	struct loci__tickets *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->now_ms = now_ms;
	return t;
}

void loci__tickets_free(struct loci__tickets *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

static bool is_old(const struct key *k, uint64_t now, uint64_t life)
{
	return !k->is_there || now >= k->made_ms + life;
}

/* A key lives as long as a ticket that it made last. */
static void forget_old(struct loci__tickets *t, uint64_t now)
{
	struct key *const keys[] = {&t->now, &t->before};
	for (size_t i = 0; i < loci__array_len(keys); i++)
		if (is_old(keys[i], now, 2 * LIFE_MS))
			OPENSSL_cleanse(keys[i], sizeof(*keys[i]));
}

/* The next key, or all stays as it was. */
static bool make_key(struct loci__tickets *t, uint64_t now)
{
	struct key k = {.made_ms = now, .is_there = true};
	bool good = RAND_bytes(k.name, sizeof(k.name)) == 1 &&
	            RAND_priv_bytes(k.cipher, sizeof(k.cipher)) == 1 &&
	            RAND_priv_bytes(k.mac, sizeof(k.mac)) == 1;
	if (good) {
		t->before = t->now;
		t->now = k;
	}
	OPENSSL_cleanse(&k, sizeof(k));
	return good;
}

/* The key for a new ticket. */
static bool current(struct loci__tickets *t, struct key *ret)
{
	pthread_mutex_lock(&t->lock);
	uint64_t now = t->now_ms();
	forget_old(t, now);
	bool good = !is_old(&t->now, now, LIFE_MS) || make_key(t, now);
	if (good)
		*ret = t->now;
	pthread_mutex_unlock(&t->lock);
	return good;
}

/* The key of a ticket that is shown. */
static bool find(struct loci__tickets *t, const unsigned char name[NAME_N], struct key *ret)
{
	bool found = false;
	pthread_mutex_lock(&t->lock);
	forget_old(t, t->now_ms());
	const struct key *const keys[] = {&t->now, &t->before};
	for (size_t i = 0; !found && i < loci__array_len(keys); i++)
		if (keys[i]->is_there && memcmp(keys[i]->name, name, NAME_N) == 0) {
			*ret = *keys[i];
			found = true;
		}
	pthread_mutex_unlock(&t->lock);
	return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct key *k)
{
	const OSSL_PARAM params[] = {
	        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
	        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
	        OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* For OpenSSL: 1 is well, 0 no ticket of ours (or none, when one is asked for), -1 an error. */
static int on_ticket(SSL *ssl, unsigned char name[NAME_N], unsigned char iv[EVP_MAX_IV_LENGTH],
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_new)
{
	struct loci__tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct key k;
	int rc;
	if (is_new ? !current(t, &k) : !find(t, name, &k))
		return 0;
	if (is_new) {
		memcpy(name, k.name, NAME_N);
		rc = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
		     EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	} else {
		rc = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	}
	rc = rc && set_mac(mac, &k) ? 1 : -1;
	OPENSSL_cleanse(&k, sizeof(k));
	return rc;
}

void loci__tickets_serve(struct loci__tickets *t, SSL_CTX *ctx)
{
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_timeout(ctx, LOCI_TICKETS_LIFE_S);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
