/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/nearest.h"
#include "conf/value.h"
#include "core/base/err.h"

#include <string.h>

struct fields {
	uint64_t number, size, duration;
	unsigned small;
	double real;
	bool flag;
	int word;
	char *text, *path;
	struct loci_string_list list;
};

static const struct loci_option_word words[] = {{"off", 0}, {"some", 1}, {"all", 7}, {NULL, 0}};

static int check_short(const char *value, struct loci_error *err)
{
	if (strlen(value) <= 8)
		return 0;
	return loci__err_set(err, LOCI_E_INVALID, "expected at most 8 letters");
}

static const struct loci_option number = {LOCI_OPT_NUMBER(struct fields, number)};
static const struct loci_option ranged = {LOCI_OPT_NUMBER(struct fields, number), .min = 5,
                                          .max = 9};
static const struct loci_option small = {LOCI_OPT_NUMBER(struct fields, small)};
static const struct loci_option size = {LOCI_OPT_SIZE(struct fields, size), .max = 1ULL << 40};
static const struct loci_option duration = {LOCI_OPT_DURATION(struct fields, duration),
                                            .min = 1000};
static const struct loci_option any_duration = {LOCI_OPT_DURATION(struct fields, duration)};
static const struct loci_option real = {LOCI_OPT_DOUBLE(struct fields, real), .max = 10};
static const struct loci_option flag = {LOCI_OPT_BOOL(struct fields, flag)};
static const struct loci_option word = {LOCI_OPT_ENUM(struct fields, word), .words = words};
static const struct loci_option text = {LOCI_OPT_STRING(struct fields, text)};
static const struct loci_option path = {LOCI_OPT_PATH(struct fields, path)};
static const struct loci_option checked = {LOCI_OPT_STRING(struct fields, text),
                                           .check = check_short};

struct good_row {
	const struct loci_option *row;
	const char *text;
	const char *formatted; /* what it reads as when printed again */
};
static const struct good_row good[] = {
        {&number, "0", "0"},
        {&number, "18446744073709551615", "18446744073709551615"},
        {&number, "007", "7"},
        {&ranged, "5", "5"},
        {&ranged, "9", "9"},
        {&small, "4294967295", "4294967295"},
        {&size, "0", "0"},
        {&size, "512", "512B"},
        {&size, "1536", "1536B"},
        {&size, "64KiB", "64KiB"},
        {&size, "1024KiB", "1MiB"},
        {&size, "10MB", "10MB"},
        {&size, "2g", "2GiB"},
        {&size, "1TiB", "1TiB"},
        {&duration, "1s", "1s"},
        {&duration, "90s", "90s"},
        {&duration, "1h30m", "90m"},
        {&duration, "1500ms", "1500ms"},
        {&duration, "7d", "7d"},
        {&any_duration, "0", "0"},
        {&any_duration, "0s", "0"},
        {&real, "0.5", "0.5"},
        {&real, "10", "10"},
        {&flag, "true", "true"},
        {&flag, "on", "true"},
        {&flag, "1", "true"},
        {&flag, "no", "false"},
        {&word, "some", "some"},
        {&word, "all", "all"},
        {&text, "", ""},
        {&text, "a b", "a b"},
        {&path, "/x", "/x"},
        {&checked, "12345678", "12345678"},
};

static void test_good_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fields f = {0};
		struct loci_error err = {0};
		struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(256);
		char *field = (char *)&f + good[i].row->offset;
		if (loci__option_value_parse(good[i].row, good[i].text, field, &err) != 0)
			fail_msg("'%s': %s", good[i].text, err.msg);
		loci__option_value_format(good[i].row, field, &b);
		assert_string_equal(b.p ? b.p : "", good[i].formatted);
		/* What it prints it reads again, as the same. */
		struct loci_buf again loci__cleanup_buf = LOCI_BUF_INIT(256);
		assert_int_equal(loci__option_value_parse(good[i].row, b.p ? b.p : "", field, &err),
		                 0);
		loci__option_value_format(good[i].row, field, &again);
		assert_string_equal(again.p ? again.p : "", good[i].formatted);
		loci__option_value_done(good[i].row, field);
	}
}

struct bad_row {
	const struct loci_option *row;
	const char *text;
	const char *message;
};
static const struct bad_row bad[] = {
        {&number, "", "expected a whole number, found nothing"},
        {&number, "-1", "expected a whole number, found '-1'"},
        {&number, "+1", "expected a whole number, found '+1'"},
        {&number, " 1", "expected a whole number, found ' 1'"},
        {&number, "1 ", "expected a whole number, found '1 '"},
        {&number, "0x10", "expected a whole number, found '0x10'"},
        {&number, "1\n", "expected a whole number, found '1?'"},
        {&number, "18446744073709551616",
         "expected at most 18446744073709551615, found '18446744073709551616'"},
        {&ranged, "4", "expected 5 to 9, found '4'"},
        {&ranged, "10", "expected 5 to 9, found '10'"},
        {&small, "4294967296", "expected at most 4294967295, found '4294967296'"},
        {&size, "5 MiB", "expected a size like 512KiB or 10GB, found '5 MiB'"},
        {&size, "5MiBs", "expected a size like 512KiB or 10GB, found '5MiBs'"},
        {&size, "5kib", "expected a size like 512KiB or 10GB, found '5kib'"},
        {&size, "1.5GiB", "expected a size like 512KiB or 10GB, found '1.5GiB'"},
        {&size, "2TiB", "expected at most 1TiB, found '2TiB'"},
        {&size, "99999999999TiB", "expected at most 1TiB, found '99999999999TiB'"},
        {&size, "16777216TiB", "expected at most 1TiB, found '16777216TiB'"}, /* 2^64 */
        {&duration, "213503982335d",
         "expected at most 18446744073709551615ms, found '213503982335d'"},
        {&duration, "18446744073709551615ms1s",
         "expected at most 18446744073709551615ms, found '18446744073709551615ms1s'"},
        {&duration, "30", "expected a time like 500ms, 30s, 5m or 1h, found '30'"},
        {&duration, "s", "expected a time like 500ms, 30s, 5m or 1h, found 's'"},
        {&duration, "5 m", "expected a time like 500ms, 30s, 5m or 1h, found '5 m'"},
        {&duration, "5min", "expected a time like 500ms, 30s, 5m or 1h, found '5min'"},
        {&duration, "0", "expected at least 1s, found '0'"},
        {&duration, "999ms", "expected at least 1s, found '999ms'"},
        {&real, ".5", "expected a number like 2 or 0.5, found '.5'"},
        {&real, "1.", "expected a number like 2 or 0.5, found '1.'"},
        {&real, "1e3", "expected a number like 2 or 0.5, found '1e3'"},
        {&real, "nan", "expected a number like 2 or 0.5, found 'nan'"},
        {&real, "10.5", "expected at most 10, found '10.5'"},
        {&flag, "TRUE", "expected true or false, found 'TRUE'"},
        {&flag, "2", "expected true or false, found '2'"},
        {&word, "none", "expected off, some or all, found 'none'"},
        {&word, "", "expected off, some or all, found nothing"},
        {&path, "", "expected a path, found nothing"},
        {&checked, "123456789", "expected at most 8 letters"},
};

static void test_bad_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fields f, before;
		struct loci_error err = {0};
		memset(&f, 0, sizeof(f));
		before = f;
		char *field = (char *)&f + bad[i].row->offset;
		assert_int_equal(loci__option_value_parse(bad[i].row, bad[i].text, field, &err),
		                 LOCI_E_USAGE);
		assert_int_equal(err.code, LOCI_E_USAGE);
		assert_string_equal(err.msg, bad[i].message);
		assert_memory_equal(&f, &before, sizeof(f));
	}
}

static void test_strings_and_lists_are_replaced_and_grow(void **state)
{
	(void)state;
	static const struct loci_option list = {LOCI_OPT_LIST(struct fields, list)};
	struct fields f = {0};
	assert_int_equal(loci__option_value_parse(&text, "one", &f.text, NULL), 0);
	assert_int_equal(loci__option_value_parse(&text, "two", &f.text, NULL), 0);
	assert_string_equal(f.text, "two");
	loci__option_value_done(&text, &f.text);
	assert_null(f.text);

	for (unsigned i = 0; i < LOCI_OPTION_LIST_MAX; i++)
		assert_int_equal(loci__option_value_parse(&list, "x", &f.list, NULL), 0);
	struct loci_error err = {0};
	assert_int_equal(loci__option_value_parse(&list, "x", &f.list, &err), LOCI_E_USAGE);
	assert_string_equal(err.msg, "more than 1024 values");
	assert_int_equal(f.list.n, LOCI_OPTION_LIST_MAX);
	assert_null(f.list.v[f.list.n]);
	loci__option_value_done(&list, &f.list);
	assert_null(f.list.v);
}

static void test_values_have_a_limit(void **state)
{
	(void)state;
	struct fields f = {0};
	struct loci_error err = {0};
	char *long_text = test_malloc(LOCI_OPTION_VALUE_MAX + 2);
	memset(long_text, 'x', LOCI_OPTION_VALUE_MAX + 1);
	long_text[LOCI_OPTION_VALUE_MAX + 1] = '\0';
	assert_int_equal(loci__option_value_parse(&text, long_text, &f.text, &err), LOCI_E_USAGE);
	long_text[LOCI_OPTION_VALUE_MAX] = '\0';
	assert_int_equal(loci__option_value_parse(&text, long_text, &f.text, &err), 0);
	loci__option_value_done(&text, &f.text);
	test_free(long_text);
}

static void test_nearest(void **state)
{
	(void)state;
	static const char *const names[] = {"listen",    "store",  "log-format",
	                                    "log-level", "config", "tty"};
	static const struct {
		const char *wanted, *best;
	} rows[] = {
	        {"lsiten", "listen"}, {"listne", "listen"},
	        {"stor", "store"},    {"logformat", "log-format"},
	        {"conf", "config"},   {"zzzzzz", NULL},
	        {"tyt", "tty"},       {"x", NULL},
	        {"", NULL},           {"listen-here-and-there", NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_nearest near;
		loci__nearest_init(&near, rows[i].wanted);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			loci__nearest_offer(&near, names[k]);
		if (!rows[i].best)
			assert_null(near.best);
		else
			assert_string_equal(near.best, rows[i].best);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good_values),
	        cmocka_unit_test(test_bad_values),
	        cmocka_unit_test(test_strings_and_lists_are_replaced_and_grow),
	        cmocka_unit_test(test_values_have_a_limit),
	        cmocka_unit_test(test_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
