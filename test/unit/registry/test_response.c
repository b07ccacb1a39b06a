/* SPDX-License-Identifier: Apache-2.0 */
/* Responses and the table from errors to the codes of the spec. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/problem.h"

#include <string.h>

static const char *header(const struct loci__rs *rs, const char *name)
{
	for (size_t i = 0; i < rs->http.n_headers; i++)
		if (strcmp(rs->http.headers[i].name, name) == 0)
			return rs->http.headers[i].value;
	return NULL;
}

static void test_injection(void **state)
{
	struct loci__rs *rs = loci__rs_new();
	(void)state;
	loci__rs_header(rs, "x-one", "%s", "a\r\nset-cookie: b");
	loci__rs_header(rs, "x-two", "%s", "a\nb");
	loci__rs_header(rs, "x-three", "%s", "a\x7f");
	loci__rs_header(rs, "x-four", "%s", "a\tb \xc3\xa4");
	assert_null(header(rs, "x-one"));
	assert_null(header(rs, "x-two"));
	assert_null(header(rs, "x-three"));
	assert_string_equal(header(rs, "x-four"), "a\tb \xc3\xa4");
	loci_http_response_free(&rs->http);
}

static void test_too_many_headers(void **state)
{
	struct loci__rs *rs = loci__rs_new();
	(void)state;
	for (int i = 0; i < LOCI_RESPONSE_HEADERS_MAX; i++)
		loci__rs_header_ref(rs, "x", "y");
	assert_int_equal(rs->http.status, 500);
	loci_http_response_free(&rs->http);
}

static void test_too_much_text(void **state)
{
	struct loci__rs *rs = loci__rs_new();
	char text[LOCI_RESPONSE_TEXT_MAX + 1];
	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	loci__rs_header(rs, "x", "%s", text);
	assert_int_equal(rs->http.status, 500);
	assert_null(header(rs, "x"));
	assert_non_null(rs->http.body);
	loci_http_response_free(&rs->http);
}

static void test_failed_body(void **state)
{
	struct loci__rs *rs = loci__rs_new();
	struct loci_buf body = LOCI_BUF_INIT(4);
	(void)state;
	loci__buf_puts(&body, "too long");
	loci__rs_body_take(rs, "text/plain", &body);
	assert_int_equal(rs->http.status, 500);
	loci__buf_done(&body);
	loci_http_response_free(&rs->http);
}

static void test_error(void **state)
{
	struct loci_http_response *rs = loci_http_response_error(400, "SIZE_INVALID", "a \"b\"\n");
	(void)state;
	assert_int_equal(rs->status, 400);
	assert_string_equal(rs->body, "{\"errors\":[{\"code\":\"SIZE_INVALID\",\"message\":"
	                              "\"a \\\"b\\\"\\u000a\"}]}\n");
	assert_int_equal(rs->content_length, rs->body_len);
	assert_int_equal(rs->body_len, strlen(rs->body));
	loci_http_response_free(rs);
}

/* A message and a detail of the worst bytes still make an answer. */
static void test_worst_error(void **state)
{
	struct loci__rs *rs = loci__rs_new();
	struct loci_error err = {.code = LOCI_E_INVALID};
	char detail[9000];
	const struct loci_registry reg = {0};
	(void)state;
	memset(err.msg, 1, sizeof(err.msg) - 1);
	memset(detail, 0x80, sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	loci__problem_late(&reg, rs, LOCI_ABOUT_NAME, &err, detail);
	assert_int_equal(rs->http.status, 400);
	loci_http_response_free(&rs->http);
}

static bool is_spec_code(const char *code)
{
	/* spec.md "Error Codes" */
	static const char *const codes[] = {
	        "BLOB_UNKNOWN",     "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN",
	        "DIGEST_INVALID",   "MANIFEST_INVALID",    "MANIFEST_BLOB_UNKNOWN",
	        "MANIFEST_UNKNOWN", "NAME_INVALID",        "NAME_UNKNOWN",
	        "SIZE_INVALID",     "UNAUTHORIZED",        "DENIED",
	        "UNSUPPORTED",      "TOOMANYREQUESTS",
	};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

/* Whatever fails, about whatever: a status, and below 500 a code of the spec's list. */
static void test_every_problem(void **state)
{
	(void)state;
	for (int about = 0; about <= LOCI_ABOUT_DIGEST; about++) {
		for (int code = -1; code >= LOCI_CODE_LAST_; code--) {
			const struct loci__problem_row *row = loci__problem_find(about, code);
			assert_in_range(row->status, 400, 599);
			if (row->status < 500 && !is_spec_code(row->spec_code))
				fail_msg("%d %s: %s", about, loci_code_name(code), row->spec_code);
		}
	}
}

static void test_problems(void **state)
{
	static const struct {
		int about, code, status;
		const char *spec_code;
	} cases[] = {
	        {LOCI_ABOUT_BLOB, LOCI_E_NOT_FOUND, 404, "BLOB_UNKNOWN"},
	        {LOCI_ABOUT_UPLOAD, LOCI_E_INVALID, 400, "BLOB_UPLOAD_INVALID"},
	        {LOCI_ABOUT_UPLOAD, LOCI_E_NOT_FOUND, 404, "BLOB_UPLOAD_UNKNOWN"},
	        {LOCI_ABOUT_UPLOAD, LOCI_E_DIGEST_MISMATCH, 400, "DIGEST_INVALID"},
	        {LOCI_ABOUT_PUT, LOCI_E_NOT_FOUND, 400, "MANIFEST_BLOB_UNKNOWN"},
	        {LOCI_ABOUT_PUT, LOCI_E_INVALID, 400, "MANIFEST_INVALID"},
	        {LOCI_ABOUT_PUT, LOCI_E_TOO_LARGE, 413, "MANIFEST_INVALID"},
	        {LOCI_ABOUT_MANIFEST, LOCI_E_NOT_FOUND, 404, "MANIFEST_UNKNOWN"},
	        {LOCI_ABOUT_NAME, LOCI_E_INVALID, 400, "NAME_INVALID"},
	        {LOCI_ABOUT_NAME, LOCI_E_NOT_FOUND, 404, "NAME_UNKNOWN"},
	        {LOCI_ABOUT_UPLOAD, LOCI_E_SIZE_MISMATCH, 400, "SIZE_INVALID"},
	        {LOCI_ABOUT_TARGET, LOCI_E_TOO_LARGE, 414, "UNSUPPORTED"},
	        {LOCI_ABOUT_BLOB, LOCI_E_BUSY, 503, "UNAVAILABLE"},
	        {LOCI_ABOUT_UPLOAD, LOCI_E_NO_SPACE, 507, "UNAVAILABLE"},
	        {LOCI_ABOUT_BLOB, LOCI_E_SYS, 500, "UNKNOWN"},
	        {LOCI_ABOUT_MANIFEST, LOCI_E_INTERNAL, 500, "UNKNOWN"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct loci__problem_row *row =
		        loci__problem_find(cases[i].about, cases[i].code);
		assert_int_equal(row->status, cases[i].status);
		assert_string_equal(row->spec_code, cases[i].spec_code);
	}
}

static void note(void *arg, const struct loci_log_record *rec)
{
	bool *said = arg;
	for (size_t i = 0; i < rec->n_fields; i++)
		*said |= strstr(rec->fields[i].value, "/secret/path") != NULL;
}

/* Our own failures: the operator reads the path, the client does not. */
static void test_own_failures_stay_here(void **state)
{
	bool said = false;
	const struct loci_registry reg = {.log = {note, &said, LOCI_LOG_ERROR}};
	const struct loci_error err = {LOCI_E_SYS, 5, "open '/secret/path': Input/output error"};
	struct loci__rs *rs = loci__rs_new();
	(void)state;
	loci__problem_late(&reg, rs, LOCI_ABOUT_BLOB, &err, "sha256:00");
	assert_int_equal(rs->http.status, 500);
	assert_null(strstr(rs->http.body, "/secret/path"));
	assert_true(said);
	loci_http_response_free(&rs->http);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_injection),
	        cmocka_unit_test(test_too_many_headers),
	        cmocka_unit_test(test_too_much_text),
	        cmocka_unit_test(test_failed_body),
	        cmocka_unit_test(test_error),
	        cmocka_unit_test(test_worst_error),
	        cmocka_unit_test(test_every_problem),
	        cmocka_unit_test(test_problems),
	        cmocka_unit_test(test_own_failures_stay_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
