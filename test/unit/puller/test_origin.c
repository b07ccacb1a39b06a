/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/origin.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *url;
	bool is_https;
	uint16_t port;
	const char *host;
} origins[] = {
        {"https://registry-1.docker.io/v2/", true, 443, "registry-1.docker.io"},
        {"HTTPS://Registry.Example.ORG:5000", true, 5000, "registry.example.org"},
        {"http://localhost:5000/v2/", false, 5000, "localhost"},
        {"http://127.0.0.1", false, 80, "127.0.0.1"},
        {"http://[::1]:5000/", false, 5000, "[::1]"},
        /* what stands before "@" is not the host */
        {"https://good.example@evil.example/", true, 443, "evil.example"},
};

static void test_origins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		struct loci_origin o;
		struct loci_error err = {0};
		if (loci__origin_of(origins[i].url, &o, &err) < 0)
			fail_msg("%s: %s", origins[i].url, err.msg);
		assert_int_equal(o.is_https, origins[i].is_https);
		assert_int_equal(o.port, origins[i].port);
		assert_string_equal(o.host, origins[i].host);
	}
}

static void test_no_origin(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
	                                  "file:///etc/passwd",
	                                  "gopher://x/",
	                                  "https://",
	                                  "https://x:99999/",
	                                  "http://x:0x/",
	                                  "https://a b/"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci_origin o;
		if (loci__origin_of(bad[i], &o, NULL) >= 0)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void test_same_and_other(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
	        {"https://x/", "https://x:443/other", true},
	        {"https://x/", "https://X/", true},
	        {"https://x/", "http://x/", false},
	        {"https://x/", "https://x:444/", false},
	        {"https://x/", "https://y.x/", false},
	        {"http://127.0.0.1:1/", "http://localhost:1/", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_origin a, b;
		assert_int_equal(loci__origin_of(rows[i].a, &a, NULL), 0);
		assert_int_equal(loci__origin_of(rows[i].b, &b, NULL), 0);
		assert_int_equal(loci__origin_equal(&a, &b), rows[i].same);
	}
}

static const struct {
	const char *from, *location, *want; /* NULL: refused */
} redirects[] = {
        {"https://r/v2/x/blobs/d", "https://cdn/d?sig=1", "https://cdn/d?sig=1"},
        {"https://r/v2/x/blobs/d", "/other", "https://r/other"},
        {"https://r/v2/x/blobs/d", "//cdn/d", "https://cdn/d"},
        {"http://r/a", "https://r/a", "https://r/a"},
        {"http://r/a", "http://s/a", "http://s/a"},
        {"https://r/a/b", "c", "https://r/a/c"},
        {"https://r/a", "https://user:pw@cdn/d#part", "https://cdn/d"},
        {"https://r/a", "http://cdn/d", NULL},
        {"https://r/a", "http://r/a", NULL},
        {"https://r/a", "file:///etc/passwd", NULL},
        {"http://r/a", "gopher://x/", NULL},
        {"https://r/a", "https://", NULL},
};

static void test_redirects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++) {
		char *to = NULL;
		struct loci_error err = {0};
		int rc = loci__redirect_target(redirects[i].from, redirects[i].location, &to, &err);
		if (!redirects[i].want) {
			if (rc >= 0)
				fail_msg("%s was followed to %s", redirects[i].location, to);
			assert_int_equal(rc, LOCI_E_PROTOCOL);
			assert_int_equal(err.code, LOCI_E_PROTOCOL);
			continue;
		}
		if (rc < 0)
			fail_msg("%s: %s", redirects[i].location, err.msg);
		assert_string_equal(to, redirects[i].want);
		free(to);
	}
}

static void test_realms(void **state)
{
	(void)state;
	static const struct {
		const char *registry, *realm;
		bool plain_wanted, good;
	} rows[] = {
	        {"https://r/", "https://auth/token", false, true},
	        {"https://r/", "http://auth/token", false, false},
	        {"https://r/", "http://auth/token", true, false},
	        {"https://r/", "file:///token", false, false},
	        {"http://localhost:5000/", "http://127.0.0.1:5001/token", false, true},
	        {"http://localhost:5000/", "http://[::1]:5001/token", false, true},
	        {"http://localhost:5000/", "https://auth/token", false, true},
	        {"http://localhost:5000/", "http://auth/token", false, false},
	        {"http://r:5000/", "http://auth/token", true, true},
	        {"https://r/", "token", false, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_origin o;
		struct loci_error err = {0};
		assert_int_equal(loci__origin_of(rows[i].registry, &o, NULL), 0);
		int rc = loci__realm_check(rows[i].realm, &o, rows[i].plain_wanted, &err);
		if ((rc >= 0) != rows[i].good)
			fail_msg("row %zu: %d %s", i, rc, err.msg);
		if (!rows[i].good)
			assert_int_equal(rc, LOCI_E_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_origins),        cmocka_unit_test(test_no_origin),
	        cmocka_unit_test(test_same_and_other), cmocka_unit_test(test_redirects),
	        cmocka_unit_test(test_realms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
