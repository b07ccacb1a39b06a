/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/http/clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ret = {.ss_family = AF_UNIX};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		ret.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		ret.ss_family = AF_INET6;
	return ret;
}

static bool enter(struct loci__clients *c, const char *text, struct loci__client **ret)
{
	struct sockaddr_storage from = address(text);
	return loci__clients_enter(c, (struct sockaddr *)&from, ret);
}

static void test_who_is_one_client(void **state)
{
	static const struct {
		const char *first, *second;
		bool same;
	} rows[] = {
	        {"10.0.0.1", "10.0.0.1", true},
	        {"10.0.0.1", "10.0.0.2", false},
	        {"::ffff:10.0.0.1", "10.0.0.1", true},
	        {"2001:db8::1", "2001:db8::2", true},
	        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
	        {"::1", "0.0.0.0", false},
	        {"unix", "unix", false}, /* never counted */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__clients *c;
		struct loci__client *a, *b, *again;
		assert_int_equal(loci__clients_new(1, &c, NULL), 0);
		assert_true(enter(c, rows[i].first, &a));
		if (enter(c, rows[i].second, &b) == rows[i].same)
			fail_msg("%s and %s", rows[i].first, rows[i].second);
		loci__clients_leave(c, b);
		loci__clients_leave(c, a);
		assert_true(enter(c, rows[i].first, &again));
		loci__clients_leave(c, again);
		loci__clients_free(c);
	}
}

static void test_many(void **state)
{
	enum { N = 20000, EACH = 3 };
	static struct loci__client *in[N][EACH];
	struct loci__clients *c;
	struct loci__client *more;
	char text[16];
	(void)state;
	assert_int_equal(loci__clients_new(EACH, &c, NULL), 0);
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "10.1.%d.%d", i / 256, i % 256);
		for (int j = 0; j < EACH; j++)
			assert_true(enter(c, text, &in[i][j]));
		assert_false(enter(c, text, &more));
		assert_null(more);
	}
	for (int j = 0; j < EACH; j++)
		for (int i = 0; i < N; i++)
			loci__clients_leave(c, in[i][j]);
	loci__clients_free(c);
}

static void test_no_limit(void **state)
{
	struct loci__client *in = (struct loci__client *)"";
	(void)state;
	assert_true(enter(NULL, "10.0.0.1", &in));
	assert_null(in);
	loci__clients_leave(NULL, in);
	loci__clients_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_who_is_one_client),
	        cmocka_unit_test(test_many),
	        cmocka_unit_test(test_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
