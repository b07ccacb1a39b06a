/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/json.h"

#include <string.h>

static const struct loci_json_limits small = {.max_bytes = 200, .max_depth = 4};

static int parse(const char *s, json_t **ret, struct loci_error *err)
{
	return loci__json_parse(s, strlen(s), &small, "doc", ret, err);
}

static void strictness(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
	        {"{}", 0},
	        {"[[[[]]]]", 0},
	        {"\"[[[[[[[[\"", 0}, /* brackets in a string nest nothing */
	        {"\"\\\"[[[[[[\"", 0},
	        {"1", 0},
	        {"", LOCI_E_INVALID},
	        {"{} x", LOCI_E_INVALID},
	        {"{\"a\":1,\"a\":2}", LOCI_E_INVALID},
	        {"{\"a\":1,\"\\u0061\":2}", LOCI_E_INVALID},
	        {"\"\\u0000\"", LOCI_E_INVALID},
	        {"\"\xff\"", LOCI_E_INVALID},
	        {"{'a':1}", LOCI_E_INVALID},
	        {"[1,]", LOCI_E_INVALID},
	        {"99999999999999999999", LOCI_E_INVALID},
	        {"[[[[[]]]]]", LOCI_E_TOO_LARGE},
	        {"{\"a\":[{\"b\":[{}]}]}", LOCI_E_TOO_LARGE},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		loci__cleanup_json json_t *v = NULL;
		struct loci_error err = {0};
		assert_int_equal(parse(rows[i].text, &v, &err), rows[i].expected);
		assert_true(rows[i].expected == 0 ? v != NULL : err.msg[0] != 0);
		if (rows[i].expected)
			assert_int_equal(strncmp(err.msg, "doc: ", 5), 0);
	}
}

static void a_document_above_the_limit_is_not_looked_at(void **state)
{
	(void)state;
	char text[201];
	json_t *v = NULL;
	struct loci_error err;
	memset(text, ' ', sizeof(text));
	text[0] = '1';
	assert_int_equal(loci__json_parse(text, 201, &small, "doc", &v, &err), LOCI_E_TOO_LARGE);
	assert_int_equal(loci__json_parse(text, 200, &small, "doc", &v, &err), 0);
	json_decref(v);
}

/* A value of three bytes costs jansson some hundred. */
static void values_are_counted_before_they_cost(void **state)
{
	(void)state;
	static const struct loci_json_limits large = {.max_bytes = 4 << 20, .max_depth = 4};
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(4 << 20);
	loci__cleanup_json json_t *v = NULL;
	struct loci_error err;
	loci__buf_puts(&b, "[\",,[[[\"");
	for (size_t i = 2; i < LOCI_JSON_VALUES_MAX; i++)
		loci__buf_puts(&b, ",0");
	loci__buf_puts(&b, "]");
	assert_int_equal(loci__json_parse(b.p, b.len, &large, "doc", &v, &err), 0);
	assert_int_equal(json_array_size(v), LOCI_JSON_VALUES_MAX - 1);
	b.len--;
	loci__buf_puts(&b, ",0]");
	json_t *none = NULL;
	assert_int_equal(loci__json_parse(b.p, b.len, &large, "doc", &none, &err),
	                 LOCI_E_TOO_LARGE);
	assert_string_equal(err.msg, "doc: more than 262144 values");
	assert_null(none);
}

static void messages_carry_the_path(void **state)
{
	(void)state;
	loci__cleanup_json json_t *v = NULL;
	struct loci_error err;
	assert_int_equal(parse("{\"layers\":[{},{\"size\":\"x\"}]}", &v, &err), 0);
	struct loci_json_at root = loci__json_root(v);
	struct loci_json_at layers = loci__json_member(&root, "layers");
	struct loci_json_at second = loci__json_element(&layers, 1);
	struct loci_json_at size = loci__json_member(&second, "size");
	uint64_t n;
	assert_int_equal(loci__json_u64(&size, &n, &err), LOCI_E_INVALID);
	assert_string_equal(err.msg, "$.layers[1].size: expected an integer, found a string");
	char path[12];
	loci__json_path(&size, path, sizeof(path));
	assert_string_equal(path, "$.layers[1]");
}

static void getters_check_types(void **state)
{
	(void)state;
	loci__cleanup_json json_t *v = NULL;
	struct loci_error err;
	assert_int_equal(parse("{\"s\":\"t\",\"i\":-3,\"f\":1.5,\"b\":true,\"z\":null,\"a\":[1,2]}",
	                       &v, &err),
	                 0);
	struct loci_json_at root = loci__json_root(v);
	struct loci_json_at s = loci__json_member(&root, "s"), i = loci__json_member(&root, "i"),
	                    f = loci__json_member(&root, "f"), b = loci__json_member(&root, "b"),
	                    z = loci__json_member(&root, "z"), a = loci__json_member(&root, "a"),
	                    none = loci__json_member(&root, "none");
	const char *text = "unset";
	int64_t n = 9;
	uint64_t u = 9;
	size_t count;
	bool flag = false;
	assert_int_equal(loci__json_string(&s, &text, &err), 0);
	assert_string_equal(text, "t");
	assert_int_equal(loci__json_i64(&i, &n, &err), 0);
	assert_int_equal(n, -3);
	assert_int_equal(loci__json_u64(&i, &u, &err), LOCI_E_INVALID);
	assert_int_equal(loci__json_i64(&f, &n, &err), LOCI_E_INVALID);
	assert_int_equal(loci__json_bool_opt(&b, &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(loci__json_bool_opt(&s, &flag, &err), LOCI_E_INVALID);
	assert_int_equal(loci__json_array(&a, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_null(z.v); /* null is absent */
	assert_int_equal(loci__json_string(&z, &text, &err), LOCI_E_INVALID);
	assert_int_equal(loci__json_string_opt(&none, &text, &err), 0);
	assert_null(text);
	assert_int_equal(loci__json_array_opt(&none, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(loci__json_u64_opt(&none, &u, &err), 0);
	assert_int_equal(u, 0);
	assert_int_equal(loci__json_object(&a, &err), LOCI_E_INVALID);
	assert_int_equal(loci__json_array(&root, &count, &err), LOCI_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(strictness),
	        cmocka_unit_test(a_document_above_the_limit_is_not_looked_at),
	        cmocka_unit_test(values_are_counted_before_they_cost),
	        cmocka_unit_test(messages_carry_the_path),
	        cmocka_unit_test(getters_check_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
