/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"

#include <errno.h>
#include <string.h>

static void every_code_has_a_name_and_a_text(void **state)
{
	(void)state;
	int seen = 0;
#define ROW(num, name, text)                                       \
	assert_int_equal(LOCI_E_##name, num);                      \
	assert_string_equal(loci_code_name(LOCI_E_##name), #name); \
	assert_string_equal(loci_code_text(LOCI_E_##name), text);  \
	seen++;
	LOCI_CODE_MAP(ROW)
#undef ROW
	assert_true(seen >= 20);
	assert_string_equal(loci_code_name(-60), "UNKNOWN");
	assert_string_equal(loci_code_name(0), "OK");
	assert_non_null(loci_code_text(-60));
}

static void set_formats_and_returns_the_code(void **state)
{
	(void)state;
	struct loci_error err;
	assert_int_equal(loci__err_set(&err, LOCI_E_INVALID, "a %d", 7), LOCI_E_INVALID);
	assert_int_equal(err.code, LOCI_E_INVALID);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.msg, "a 7");
	assert_int_equal(loci__err_set(NULL, LOCI_E_BUSY, "x"), LOCI_E_BUSY);
}

static void sys_maps_errno_and_appends_its_text(void **state)
{
	(void)state;
	static const struct {
		int sys_errno, code;
	} rows[] = {
	        {ENOENT, LOCI_E_NOT_FOUND}, {EEXIST, LOCI_E_EXISTS}, {EACCES, LOCI_E_DENIED},
	        {EPERM, LOCI_E_DENIED},     {ENOMEM, LOCI_E_NOMEM},  {ENOSPC, LOCI_E_NO_SPACE},
	        {EDQUOT, LOCI_E_NO_SPACE},  {EBUSY, LOCI_E_BUSY},    {EIO, LOCI_E_SYS},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_error err;
		errno = rows[i].sys_errno;
		assert_int_equal(loci__err_sys(&err, "open '%s'", "/x"), rows[i].code);
		assert_int_equal(errno, rows[i].sys_errno);
		assert_int_equal(err.sys_errno, rows[i].sys_errno);
		assert_int_equal(strncmp(err.msg, "open '/x': ", 11), 0);
		assert_string_equal(err.msg + 11, strerror(rows[i].sys_errno));
	}
}

static void a_long_message_is_cut_and_ended(void **state)
{
	(void)state;
	char text[2 * LOCI_ERROR_MSG_MAX];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct loci_error err;
	errno = EIO;
	loci__err_sys(&err, "%s", text);
	assert_int_equal(strlen(err.msg), LOCI_ERROR_MSG_MAX - 1);
	loci__err_prefix(&err, LOCI_E_SYS, "%s", text);
	assert_int_equal(strlen(err.msg), LOCI_ERROR_MSG_MAX - 1);
}

static void prefix_keeps_the_code(void **state)
{
	(void)state;
	struct loci_error err;
	loci__err_set(&err, LOCI_E_RANGE, "inner");
	assert_int_equal(loci__err_prefix(&err, LOCI_E_SYS, "outer %d", 1), LOCI_E_RANGE);
	assert_string_equal(err.msg, "outer 1: inner");
	assert_int_equal(loci__err_prefix(NULL, LOCI_E_SYS, "outer"), LOCI_E_SYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_code_has_a_name_and_a_text),
	        cmocka_unit_test(set_formats_and_returns_the_code),
	        cmocka_unit_test(sys_maps_errno_and_appends_its_text),
	        cmocka_unit_test(a_long_message_is_cut_and_ended),
	        cmocka_unit_test(prefix_keeps_the_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
