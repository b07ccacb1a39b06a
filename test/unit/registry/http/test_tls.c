/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, keys and suites that can be served with, and what is said of those that cannot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "loci/registry_http.h"
#include "registry/http/tls.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>

#define HOUR 3600

static char dir[] = "/tmp/loci-tls-XXXXXX";
static int dir_fd = -1;

static char *path_of(const char *name)
{
	static char paths[4][64];
	static unsigned next;
	char *p = paths[next++ % 4];
	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static FILE *file_of(const char *name)
{
	FILE *f = fopen(path_of(name), "we");
	assert_non_null(f);
	return f;
}

static X509 *certificate_of(EVP_PKEY *key, long from, long to)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0);
	X509_set_subject_name(x, name);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	X509_NAME_free(name);
	return x;
}

static void write_pair(const char *crt, const char *pem, EVP_PKEY *key)
{
	X509 *x = certificate_of(key, -HOUR, HOUR);
	FILE *f = file_of(crt);
	PEM_write_X509(f, x);
	fclose(f);
	f = file_of(pem);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
}

static void write_text(const char *name, const char *text)
{
	assert_int_equal(
	        loci__write_file_atomic(dir_fd, name, text, strlen(text), 0600, false, NULL), 0);
}

/* a + b as name; cut bytes are left out at the end. */
static void write_joined(const char *name, const char *a, const char *b, size_t cut)
{
	char *text[2] = {0};
	size_t n[2] = {0};
	assert_int_equal(loci__read_file(dir_fd, a, 1 << 20, &text[0], &n[0], NULL), 0);
	assert_int_equal(loci__read_file(dir_fd, b, 1 << 20, &text[1], &n[1], NULL), 0);
	FILE *f = file_of(name);
	fwrite(text[0], 1, n[0], f);
	fwrite(text[1], 1, n[1] - cut, f);
	fclose(f);
	free(text[0]);
	free(text[1]);
}

static int make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	write_pair("ec.crt", "ec.key", ec);
	write_pair("other.crt", "other.key", other);
	write_pair("rsa.crt", "rsa.key", rsa);
	write_pair("weak.crt", "weak.key", weak);
	FILE *f = file_of("locked.key");
	PEM_write_PrivateKey(f, ec, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL,
	                     NULL);
	fclose(f);
	write_text("empty", "");
	write_text("text", "no certificate\n");
	write_joined("chain.crt", "ec.crt", "rsa.crt", 0);
	write_joined("torn.crt", "ec.crt", "rsa.crt", 40);
	write_joined("both.pem", "ec.crt", "ec.key", 0);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(weak);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	close(dir_fd);
	return loci__rm_tree(AT_FDCWD, dir, NULL);
}

static struct loci_http_server_opts options(const char *crt, const char *pem)
{
	return (struct loci_http_server_opts){
	        .struct_size = sizeof(struct loci_http_server_opts),
	        .tls_certificate = crt ? path_of(crt) : NULL,
	        .tls_key = pem ? path_of(pem) : NULL,
	};
}

static void test_good(void **state)
{
	static const char *const pairs[][2] = {{"ec.crt", "ec.key"},
	                                       {"rsa.crt", "rsa.key"},
	                                       {"chain.crt", "ec.key"},
	                                       {"both.pem", "both.pem"}};
	const int64_t now = (int64_t)time(NULL);
	(void)state;
	for (size_t i = 0; i < loci__array_len(pairs); i++) {
		struct loci_http_server_opts o = options(pairs[i][0], pairs[i][1]);
		struct loci_http_certificate c = {.struct_size = sizeof(c)};
		struct loci_error err = {0};
		if (loci_http_tls_check(&o, &c, &err) < 0)
			fail_msg("%s: %s", pairs[i][0], err.msg);
		assert_in_range(c.not_before, now - 2 * HOUR, now);
		assert_in_range(c.not_after, now, now + 2 * HOUR);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *crt, *pem;
		int code;
		const char *says[2];
	} rows[] = {
	        {"ec.crt", NULL, LOCI_E_USAGE, {"a certificate and a key", ""}},
	        {NULL, "ec.key", LOCI_E_USAGE, {"a certificate and a key", ""}},
	        {"nothing", "ec.key", LOCI_E_NOT_FOUND, {"certificate", "/nothing'"}},
	        {"ec.crt", "nothing", LOCI_E_NOT_FOUND, {"key", "/nothing'"}},
	        {"empty", "ec.key", LOCI_E_INVALID, {"/empty'", "expected PEM"}},
	        {"text", "ec.key", LOCI_E_INVALID, {"/text'", "expected PEM"}},
	        {"torn.crt", "ec.key", LOCI_E_INVALID, {"/torn.crt'", "of its chain"}},
	        {"ec.crt", "text", LOCI_E_INVALID, {"/text'", "private key in PEM"}},
	        {"ec.crt", "ec.crt", LOCI_E_INVALID, {"/ec.crt'", "private key in PEM"}},
	        {"ec.crt", "locked.key", LOCI_E_INVALID, {"/locked.key'", "passphrase"}},
	        {"ec.crt", "other.key", LOCI_E_INVALID, {"/other.key'", "does not belong"}},
	        {"ec.crt", "rsa.key", LOCI_E_INVALID, {"/rsa.key'", "does not belong"}},
	        {"weak.crt", "weak.key", LOCI_E_INVALID, {"/weak.crt'", "key too small"}},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(rows); i++) {
		struct loci_http_server_opts o = options(rows[i].crt, rows[i].pem);
		struct loci_http_certificate c = {.struct_size = sizeof(c)};
		struct loci_error err = {0};
		int rc = loci_http_tls_check(&o, &c, &err);
		if (rc != rows[i].code || err.code != rc || !strstr(err.msg, rows[i].says[0]) ||
		    !strstr(err.msg, rows[i].says[1]))
			fail_msg("row %zu: %d %s", i, rc, err.msg);
		assert_int_equal(c.not_after, 0);
	}
}

static void test_suites(void **state)
{
	static const struct {
		const char *names[3];
		const char *first_1_2, *first_1_3; /* NULL: refused */
	} rows[] = {
	        {{0}, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"},
	        {{"TLS_AES_256_GCM_SHA384"},
	         "ECDHE-ECDSA-AES128-GCM-SHA256",
	         "TLS_AES_256_GCM_SHA384"},
	        {{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
	         "ECDHE-RSA-AES256-GCM-SHA384",
	         "TLS_CHACHA20_POLY1305_SHA256"},
	        {{"ECDHE-RSA-AES128-GCM-SHA256"},
	         "ECDHE-RSA-AES128-GCM-SHA256",
	         "TLS_AES_128_GCM_SHA256"},
	        {{"TLS_NULL_WITH_NULL_NULL"}, NULL, NULL},
	        {{"TLS_AES_128_GCM_SHA256", "aNULL"}, NULL, NULL},
	        {{"ALL"}, NULL, NULL},
	        {{""}, NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(rows); i++) {
		struct loci_http_server_opts o = options("ec.crt", "ec.key");
		struct loci__tls *tls = NULL;
		struct loci_error err = {0};
		o.tls_ciphers = rows[i].names;
		while (o.n_tls_ciphers < 3 && rows[i].names[o.n_tls_ciphers])
			o.n_tls_ciphers++;
		int rc = loci__tls_new(&o, &tls, &err);
		if (!rows[i].first_1_2) {
			assert_int_equal(rc, LOCI_E_USAGE);
			assert_non_null(strstr(err.msg, "cipher suite"));
			continue;
		}
		assert_int_equal(rc, 0);
		SSL *ssl = loci__tls_begin(tls);
		assert_string_equal(SSL_get_cipher_list(ssl, 0), rows[i].first_1_3);
		bool found = false;
		for (int k = 0; !found && SSL_get_cipher_list(ssl, k); k++) {
			const char *name = SSL_get_cipher_list(ssl, k);
			found = strncmp(name, "TLS_", 4) != 0;
			if (found)
				assert_string_equal(name, rows[i].first_1_2);
		}
		assert_true(found);
		SSL_free(ssl);
		loci__tls_free(tls);
	}
}

static void test_minimum(void **state)
{
	(void)state;
	for (int minimum = LOCI_TLS_1_2; minimum <= LOCI_TLS_1_3; minimum++) {
		struct loci_http_server_opts o = options("ec.crt", "ec.key");
		struct loci__tls *tls;
		o.tls_minimum = minimum;
		assert_int_equal(loci__tls_new(&o, &tls, NULL), 0);
		SSL *ssl = loci__tls_begin(tls);
		assert_int_equal(SSL_get_min_proto_version(ssl),
		                 minimum == LOCI_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
		SSL_free(ssl);
		loci__tls_free(tls);
	}
}

/* Connections keep what they began with; a replacement that is none changes nothing. */
static void test_replace(void **state)
{
	struct loci_http_server_opts o = options("ec.crt", "ec.key");
	struct loci_http_server_opts rsa = options("rsa.crt", "rsa.key");
	struct loci__tls *tls;
	struct loci_error err;
	(void)state;
	assert_int_equal(loci__tls_new(&o, &tls, NULL), 0);
	assert_true(loci__tls_not_after(tls) > (int64_t)time(NULL));
	SSL *before = loci__tls_begin(tls);
	SSL_CTX *first = SSL_get_SSL_CTX(before);
	rsa.tls_key = o.tls_key;
	assert_int_equal(loci__tls_replace(tls, &rsa, &err), LOCI_E_INVALID);
	SSL *still = loci__tls_begin(tls);
	assert_ptr_equal(SSL_get_SSL_CTX(still), first);
	rsa = options("rsa.crt", "rsa.key");
	assert_int_equal(loci__tls_replace(tls, &rsa, &err), 0);
	SSL *after = loci__tls_begin(tls);
	assert_ptr_not_equal(SSL_get_SSL_CTX(after), first);
	assert_int_equal(EVP_PKEY_base_id(SSL_get_privatekey(before)), EVP_PKEY_EC);
	assert_int_equal(EVP_PKEY_base_id(SSL_get_privatekey(after)), EVP_PKEY_RSA);
	loci__tls_free(tls);
	SSL_free(before);
	SSL_free(still);
	SSL_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_suites),  cmocka_unit_test(test_minimum),
	        cmocka_unit_test(test_replace),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
