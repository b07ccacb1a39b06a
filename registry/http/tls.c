/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/tls.h"

#include "registry/http/tickets.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define PEM_MAX (1 << 20) /* bytes of a file */
/* One read(2) takes as many records as fit; kept while there is something in it. */
#define READ_BUFFER (64 * 1024)
/* AES-128 first: it is a third faster than AES-256 here and no weaker where it counts; who asks for
 * ChaCha20 first has no AES in hardware and gets it. Only suites with forward secrecy and AEAD. */
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_1_2                                                   \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_MAX 4096 /* bytes of their names */

struct loci__tls {
	pthread_mutex_t lock;
	SSL_CTX *ctx;
	struct loci__tickets *tickets; /* sessions go on when ctx is replaced */
	atomic_int_fast64_t not_after;
};

LOCI_DEFINE_CLEANUP(free_ctx, SSL_CTX, SSL_CTX_free)
LOCI_DEFINE_CLEANUP(free_x509, X509, X509_free)
LOCI_DEFINE_CLEANUP(free_key, EVP_PKEY, EVP_PKEY_free)

/* What OpenSSL has to say; the first of its errors is the nearest to the cause. */
static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());
	return text ? text : "no reason given";
}

/* --- files --- */

struct pem {
	char *text;
	size_t n;
	BIO *bio;
};

/* A key was in it. */
static void pem_close(struct pem *p)
{
	BIO_free(p->bio);
	if (p->text)
		OPENSSL_cleanse(p->text, p->n);
	free(p->text);
	*p = (struct pem){0};
}

static int pem_open(const char *path, const char *what, struct pem *ret, struct loci_error *err)
{
	int rc = loci__read_file(AT_FDCWD, path, PEM_MAX, &ret->text, &ret->n, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "tls: %s", what);
	ret->bio = BIO_new_mem_buf(ret->text, (int)ret->n);
	ERR_clear_error();
	return ret->bio ? 0 : loci__err_nomem(err);
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)arg = true;
	return -1;
}

/* The certificates behind the first one lead to a root that clients know. */
static int take_chain(SSL_CTX *ctx, BIO *bio, const char *path, struct loci_error *err)
{
	bool asked = false;
	X509 *x;
	while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
		if (SSL_CTX_add0_chain_cert(ctx, x) == 1)
			continue;
		X509_free(x);
		return loci__err_set(err, LOCI_E_INVALID, "tls: certificate '%s': of its chain: %s",
		                     path, reason());
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return loci__err_set(err, LOCI_E_INVALID, "tls: certificate '%s': of its chain: %s",
		                     path, reason());
	return 0;
}

static int take_certificate(SSL_CTX *ctx, const char *path, X509 **ret, struct loci_error *err)
{
	struct pem pem loci__cleanup(pem_close) = {0};
	bool asked = false;
	int rc = pem_open(path, "certificate", &pem, err);
	if (rc < 0)
		return rc;
	X509 *x loci__cleanup(free_x509) =
	        PEM_read_bio_X509_AUX(pem.bio, NULL, no_passphrase, &asked);
	if (!x)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "tls: certificate '%s': expected PEM, the server's own first: "
		                     "%s",
		                     path, reason());
	if (SSL_CTX_use_certificate(ctx, x) != 1)
		return loci__err_set(err, LOCI_E_INVALID, "tls: certificate '%s': %s", path,
		                     reason());
	rc = take_chain(ctx, pem.bio, path, err);
	if (rc == 0)
		*ret = loci__steal_ptr(&x);
	return rc;
}

static int take_key(SSL_CTX *ctx, const char *path, X509 *certificate, const char *certificate_path,
                    struct loci_error *err)
{
	struct pem pem loci__cleanup(pem_close) = {0};
	bool asked = false;
	int rc = pem_open(path, "key", &pem, err);
	if (rc < 0)
		return rc;
	EVP_PKEY *key loci__cleanup(free_key) =
	        PEM_read_bio_PrivateKey(pem.bio, NULL, no_passphrase, &asked);
	if (asked)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "tls: key '%s': expected one without a passphrase", path);
	if (!key)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "tls: key '%s': expected a private key in PEM: %s", path,
		                     reason());
	if (X509_check_private_key(certificate, key) != 1)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "tls: key '%s' does not belong to certificate '%s': %s", path,
		                     certificate_path, reason());
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		return loci__err_set(err, LOCI_E_INVALID, "tls: key '%s': %s", path, reason());
	return 0;
}

/* --- cipher suites --- */

/* By the name in the standards or by OpenSSL's. */
static const SSL_CIPHER *find_suite(const SSL_CTX *all, const char *name)
{
	STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(all);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);
		const char *standard = SSL_CIPHER_standard_name(c);
		if (strcmp(SSL_CIPHER_get_name(c), name) == 0 ||
		    (standard && strcmp(standard, name) == 0))
			return c;
	}
	return NULL;
}

static bool is_1_3(const SSL_CIPHER *c)
{
	return strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0;
}

/* Versions of which no suite is named keep ours. */
static int take_suites(SSL_CTX *ctx, const struct loci_http_server_opts *o, struct loci_error *err)
{
	struct loci_buf names[2] = {LOCI_BUF_INIT(SUITES_MAX), LOCI_BUF_INIT(SUITES_MAX)};
	int rc = SSL_CTX_set_cipher_list(ctx, "ALL:!aNULL:!eNULL") == 1
	                 ? 0
	                 : loci__err_set(err, LOCI_E_INVALID, "tls: %s", reason());
	for (size_t i = 0; rc == 0 && i < o->n_tls_ciphers; i++) {
		const SSL_CIPHER *c = find_suite(ctx, o->tls_ciphers[i]);
		struct loci_buf *b = &names[c && is_1_3(c)];
		if (!c)
			rc = loci__err_set(err, LOCI_E_USAGE,
			                   "tls: cipher suite '%.100s': expected one that OpenSSL "
			                   "has, like TLS_AES_128_GCM_SHA256",
			                   o->tls_ciphers[i]);
		else
			loci__buf_printf(b, "%s%s", b->len ? ":" : "", SSL_CIPHER_get_name(c));
	}
	if (rc == 0 && (SSL_CTX_set_cipher_list(ctx, names[0].len ? names[0].p : SUITES_1_2) != 1 ||
	                SSL_CTX_set_ciphersuites(ctx, names[1].len ? names[1].p : SUITES_1_3) != 1))
		rc = loci__err_set(err, LOCI_E_INVALID, "tls: cipher suites: %s", reason());
	loci__buf_done(&names[0]);
	loci__buf_done(&names[1]);
	return rc;
}

/* --- rules --- */

/* HTTP/1.1 is all there is. Who offers others only is told so (RFC 7301 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                   const unsigned char *offered, unsigned n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)ret, ret_n, ours, sizeof(ours) - 1, offered,
	                             n) == OPENSSL_NPN_NEGOTIATED
	               ? SSL_TLSEXT_ERR_OK
	               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_rules(SSL_CTX *ctx, int minimum)
{
	SSL_CTX_set_min_proto_version(ctx,
	                              minimum == LOCI_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	/* The end without a close_notify is an end: HTTP says lengths by itself. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                              SSL_MODE_RELEASE_BUFFERS);
	/* Otherwise a client that sends nothing but KeyUpdates would keep SSL_read to itself. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	/* Sessions go on by tickets: nothing is kept here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

/* --- whole --- */

static int64_t seconds(const ASN1_TIME *at)
{
	struct tm tm = {0};
	return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int make_ctx(const struct loci_http_server_opts *o, SSL_CTX **ret,
                    struct loci_http_certificate *ret_certificate, struct loci_error *err)
{
	if (!o->tls_certificate || !o->tls_key)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "tls: expected a certificate and a key, found one of them");
	SSL_CTX *ctx loci__cleanup(free_ctx) = SSL_CTX_new(TLS_server_method());
	X509 *x loci__cleanup(free_x509) = NULL;
	if (!ctx)
		return loci__err_nomem(err);
	set_rules(ctx, o->tls_minimum);
	int rc = take_suites(ctx, o, err);
	if (rc == 0)
		rc = take_certificate(ctx, o->tls_certificate, &x, err);
	if (rc == 0)
		rc = take_key(ctx, o->tls_key, x, o->tls_certificate, err);
	ERR_clear_error();
	if (rc < 0)
		return rc;
	ret_certificate->not_before = seconds(X509_get0_notBefore(x));
	ret_certificate->not_after = seconds(X509_get0_notAfter(x));
	*ret = loci__steal_ptr(&ctx);
	return 0;
}

int loci_http_tls_check(const struct loci_http_server_opts *o, struct loci_http_certificate *ret,
                        struct loci_error *err)
{
	struct loci_http_certificate found = {.struct_size = ret->struct_size};
	SSL_CTX *ctx;
	int rc = make_ctx(o, &ctx, &found, err);
	if (rc < 0)
		return rc;
	SSL_CTX_free(ctx);
	memcpy(ret, &found, ret->struct_size < sizeof(found) ? ret->struct_size : sizeof(found));
	return 0;
}

int loci__tls_replace(struct loci__tls *t, const struct loci_http_server_opts *o,
                      struct loci_error *err)
{
	struct loci_http_certificate found;
	SSL_CTX *ctx;
	int rc = make_ctx(o, &ctx, &found, err);
	if (rc < 0)
		return rc;
	loci__tickets_serve(t->tickets, ctx);
	pthread_mutex_lock(&t->lock);
	SSL_CTX *old = t->ctx;
	t->ctx = ctx;
	pthread_mutex_unlock(&t->lock);
	atomic_store(&t->not_after, found.not_after);
	SSL_CTX_free(old);
	return 0;
}

int loci__tls_new(const struct loci_http_server_opts *o, struct loci__tls **ret,
                  struct loci_error *err)
{
	struct loci__tls *t = calloc(1, sizeof(*t));
	if (!t)
		return loci__err_nomem(err);
	pthread_mutex_init(&t->lock, NULL);
	t->tickets = loci__tickets_new(loci__clock_ms);
	int rc = t->tickets ? loci__tls_replace(t, o, err) : loci__err_nomem(err);
	if (rc < 0)
		loci__tls_free(t);
	else
		*ret = t;
	return rc;
}

void loci__tls_free(struct loci__tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	loci__tickets_free(t->tickets);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

SSL *loci__tls_begin(struct loci__tls *t)
{
	pthread_mutex_lock(&t->lock);
	SSL_CTX *ctx loci__cleanup(free_ctx) = t->ctx;
	SSL_CTX_up_ref(ctx);
	pthread_mutex_unlock(&t->lock);
	return SSL_new(ctx);
}

int64_t loci__tls_not_after(const struct loci__tls *t)
{
	return atomic_load(&t->not_after);
}
