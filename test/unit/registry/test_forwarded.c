/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks, and whose word about a client counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "registry/forwarded.h"

#include <string.h>

static struct loci_slice slice(const char *s)
{
	return (struct loci_slice){s, strlen(s)};
}

static struct loci__address address(const char *text)
{
	struct loci__address a;
	if (!loci__address_parse(slice(text), &a))
		fail_msg("'%s'", text);
	return a;
}

static bool same(const struct loci__address *a, const struct loci__address *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
	        "",          "1.2.3",     "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",   "::1::", "g::1",
	        "1.2.3.4/8", "localhost", "01.2.3.4",  "1.2.3.4\0", "fe80::1%lo", "unix:"};
	struct loci__address a;
	(void)state;
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (loci__address_parse(slice(bad[i]), &a) && strcmp(bad[i], "1.2.3.4") != 0)
			fail_msg("'%s'", bad[i]);
	assert_false(loci__address_parse((struct loci_slice){"1.2.3.4\0", 8}, &a));
	struct loci__address v4 = address("192.0.2.1"), mapped = address("::ffff:192.0.2.1");
	assert_true(same(&v4, &mapped));
}

static void test_clients(void **state)
{
	static const struct {
		const char *a, *b;
		bool one;
	} cases[] = {
	        {"192.0.2.1", "192.0.2.1", true},
	        {"192.0.2.1", "192.0.2.2", false},
	        {"192.0.2.1", "::ffff:192.0.2.1", true},
	        {"2001:db8::1", "2001:db8::ffff:1", true},
	        {"2001:db8::1", "2001:db8:0:1::1", false},
	        {"::1", "0.0.0.1", false},
	        {"unix", "192.0.2.1", false},
	        {"unix", "255.255.255.255", false},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(cases); i++) {
		struct loci__address a = address(cases[i].a), b = address(cases[i].b);
		if ((loci__address_client(&a) == loci__address_client(&b)) != cases[i].one)
			fail_msg("%s %s", cases[i].a, cases[i].b);
	}
}

static void test_networks(void **state)
{
	static const struct {
		const char *network, *in, *out;
	} cases[] = {
	        {"10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
	        {"10.0.0.0/9", "10.127.0.1", "10.128.0.1"},
	        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
	        {"192.0.2.1/32", "::ffff:192.0.2.1", "192.0.2.2"},
	        {"0.0.0.0/0", "8.8.8.8", "::1"},
	        {"::/0", "2001:db8::1", NULL},
	        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
	        {"::1", "::1", "::2"},
	        {"unix", "unix", "10.0.0.1"},
	};
	static const char *const bad[] = {"",       "10.0.0.0/",  "10.0.0.0/33",
	                                  "::/129", "10.0.0.0/x", "10.0.0.0/8/8",
	                                  "here",   "/8",         "10.0.0.0/ 8"};
	struct loci__network net;
	(void)state;
	for (size_t i = 0; i < loci__array_len(cases); i++) {
		assert_int_equal(loci__network_parse(cases[i].network, &net, NULL), 0);
		struct loci__address in = address(cases[i].in);
		if (!loci__network_has(&net, &in))
			fail_msg("%s has not %s", cases[i].network, cases[i].in);
		if (!cases[i].out)
			continue;
		struct loci__address out = address(cases[i].out);
		if (loci__network_has(&net, &out))
			fail_msg("%s has %s", cases[i].network, cases[i].out);
	}
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (loci__network_parse(bad[i], &net, NULL) != LOCI_E_INVALID)
			fail_msg("'%s'", bad[i]);
}

static void test_client_behind_proxies(void **state)
{
	/* 10.0.0.0/8 is trusted. */
	static const struct {
		const char *peer;
		const char *lines[3];
		const char *client;
	} cases[] = {
	        {"192.0.2.1", {NULL}, "192.0.2.1"},
	        {"192.0.2.1", {"198.51.100.7"}, "192.0.2.1"}, /* nobody asked it */
	        {"10.0.0.1", {NULL}, "10.0.0.1"},
	        {"10.0.0.1", {"198.51.100.7"}, "198.51.100.7"},
	        {"10.0.0.1", {" 198.51.100.7 "}, "198.51.100.7"},
	        {"10.0.0.1", {"1.1.1.1, 198.51.100.7"}, "198.51.100.7"}, /* the client's own word */
	        {"10.0.0.1", {"198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
	        {"10.0.0.1", {"198.51.100.7,10.0.0.3 ,\t10.0.0.2"}, "198.51.100.7"},
	        {"10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	        {"10.0.0.1", {"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
	        {"10.0.0.1", {"10.0.0.2", "198.51.100.7"}, "198.51.100.7"},
	        {"10.0.0.1", {"198.51.100.7:1234"}, "198.51.100.7"},
	        {"10.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
	        {"10.0.0.1", {"[2001:db8::7]"}, "2001:db8::7"},
	        {"10.0.0.1", {"[2001:db8::7]:443"}, "2001:db8::7"},
	        /* What is no address ends the search: the proxy that sent it is the client. */
	        {"10.0.0.1", {"unknown"}, "10.0.0.1"},
	        {"10.0.0.1", {"1.1.1.1, unknown"}, "10.0.0.1"},
	        {"10.0.0.1", {"1.1.1.1, unknown, 10.0.0.2"}, "10.0.0.2"},
	        {"10.0.0.1", {"198.51.100.7,"}, "10.0.0.1"},
	        {"10.0.0.1", {"198.51.100.7:port"}, "10.0.0.1"},
	        {"10.0.0.1", {"198.51.100.7:65536"}, "10.0.0.1"},
	        {"10.0.0.1", {"[198.51.100.7]"}, "10.0.0.1"},
	        {"10.0.0.1", {"[2001:db8::7"}, "10.0.0.1"},
	        {"10.0.0.1", {"[2001:db8::7]x"}, "10.0.0.1"},
	        {"10.0.0.1", {"unix"}, "10.0.0.1"},
	        {"10.0.0.1", {""}, "10.0.0.1"},
	};
	static const char *const trusted_text[] = {"10.0.0.0/8", "unix"};
	struct loci__networks trusted;
	(void)state;
	assert_int_equal(loci__networks_init(&trusted, trusted_text, 2, NULL), 0);
	for (size_t i = 0; i < loci__array_len(cases); i++) {
		size_t n = 0;
		while (cases[i].lines[n])
			n++;
		struct loci__address peer = address(cases[i].peer);
		struct loci__address want = address(cases[i].client);
		struct loci__address got =
		        loci__forwarded_client(&peer, cases[i].lines, n, &trusted);
		if (!same(&want, &got))
			fail_msg("%s behind %s: not %s", cases[i].lines[0], cases[i].peer,
			         cases[i].client);
	}
	struct loci__address peer = address("unix"), want = address("198.51.100.7");
	const char *line = "198.51.100.7";
	struct loci__address got = loci__forwarded_client(&peer, &line, 1, &trusted);
	assert_true(same(&want, &got));
	loci__networks_done(&trusted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_addresses),
	        cmocka_unit_test(test_clients),
	        cmocka_unit_test(test_networks),
	        cmocka_unit_test(test_client_behind_proxies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
