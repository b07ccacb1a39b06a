/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of values by type. Units are rows; every refusal says what was expected, as the reader of
 * the message has no manual at hand.
 */
#include "conf/value.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* The first that fits formats a value: larger ones stand first. */
static const struct unit size_units[] = {
        {"TiB", 1ULL << 40},
        {"GiB", 1ULL << 30},
        {"MiB", 1ULL << 20},
        {"KiB", 1ULL << 10},
        {"TB", 1000000000000U},
        {"GB", 1000000000U},
        {"MB", 1000000U},
        {"KB", 1000U},
        {"t", 1ULL << 40},
        {"g", 1ULL << 30},
        {"m", 1ULL << 20},
        {"k", 1ULL << 10},
        {"T", 1ULL << 40},
        {"G", 1ULL << 30},
        {"M", 1ULL << 20},
        {"K", 1ULL << 10},
        {"B", 1},
        {"", 1},
        {NULL, 0},
};
static const struct unit duration_units[] = {
        {"d", 86400000}, {"h", 3600000}, {"ms", 1}, {"m", 60000}, {"s", 1000}, {NULL, 0},
};

static const struct {
	const char *text;
	bool value;
} bool_words[] = {
        {"true", true},   {"yes", true}, {"on", true},   {"1", true},
        {"false", false}, {"no", false}, {"off", false}, {"0", false},
};

const char *loci__option_excerpt(const char *text, char *buf, size_t size)
{
	size_t n = 0;
	for (; text[n] && n + 1 < size; n++) {
		unsigned char c = (unsigned char)text[n];
		buf[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}

const char *loci__option_metavar(const struct loci_option *row)
{
	static const char *const by_type[] = {
	        [LOCI_OPTION_BOOL] = NULL,       [LOCI_OPTION_COUNT] = NULL,
	        [LOCI_OPTION_NUMBER] = "N",      [LOCI_OPTION_SIZE] = "SIZE",
	        [LOCI_OPTION_DURATION] = "TIME", [LOCI_OPTION_DOUBLE] = "NUMBER",
	        [LOCI_OPTION_STRING] = "TEXT",   [LOCI_OPTION_PATH] = "PATH",
	        [LOCI_OPTION_ENUM] = "WORD",     [LOCI_OPTION_LIST] = "TEXT",
	};
	return row->metavar ? row->metavar : by_type[row->type];
}

const char *loci__option_negation(const struct loci_option *row)
{
	return row->type == LOCI_OPTION_BOOL && row->value && strcmp(row->value, "true") == 0
	               ? "[no-]"
	               : "";
}

static int refuse(const char *text, struct loci_error *err, const char *expected)
{
	char found[LOCI_EXCERPT_MAX];
	if (!*text)
		return loci__err_set(err, LOCI_E_USAGE, "expected %s, found nothing", expected);
	return loci__err_set(err, LOCI_E_USAGE, "expected %s, found '%s'", expected,
	                     loci__option_excerpt(text, found, sizeof(found)));
}

static uint64_t field_max(const struct loci_option *row)
{
	uint64_t widest = row->size == sizeof(unsigned) ? UINT_MAX : UINT64_MAX;
	return row->max && row->max < widest ? row->max : widest;
}

static void format_units(const struct unit *units, uint64_t value, struct loci_buf *b)
{
	for (const struct unit *u = units; value && u->suffix; u++)
		if (value % u->factor == 0 && value / u->factor > 0) {
			loci__buf_printf(b, "%" PRIu64 "%s", value / u->factor, u->suffix);
			return;
		}
	loci__buf_puts(b, "0");
}

static void format_duration(uint64_t ms, struct loci_buf *b)
{
	static const struct unit exact[] = {
	        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
	};
	format_units(exact, ms, b);
}

static void format_number(const struct loci_option *row, uint64_t value, struct loci_buf *b)
{
	if (row->type == LOCI_OPTION_SIZE)
		format_units(size_units, value, b);
	else if (row->type == LOCI_OPTION_DURATION)
		format_duration(value, b);
	else
		loci__buf_printf(b, "%" PRIu64, value);
}

/* The limits of a number are named in its own unit. */
static int refuse_range(const struct loci_option *row, const char *text, bool too_large,
                        struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(256);
	if (row->min && !row->max && !too_large) {
		loci__buf_puts(&b, "at least ");
		format_number(row, row->min, &b);
	} else if (row->min && row->max) {
		format_number(row, row->min, &b);
		loci__buf_puts(&b, " to ");
		format_number(row, field_max(row), &b);
	} else {
		loci__buf_puts(&b, "at most ");
		format_number(row, field_max(row), &b);
	}
	return b.failed ? loci__err_nomem(err) : refuse(text, err, b.p);
}

static bool take_unit(struct loci_cursor *c, const struct unit *units, uint64_t *ret)
{
	for (const struct unit *u = units; u->suffix; u++) {
		struct loci_cursor at = *c;
		if (!loci__take_text(&at, u->suffix))
			continue;
		if (!loci__cursor_at_end(&at) && !loci__is_digit((unsigned char)*at.p))
			continue; /* "m" of "ms" */
		*c = at;
		*ret = u->factor;
		return true;
	}
	return false;
}

enum number_result { NUMBER_OK, NUMBER_MALFORMED, NUMBER_TOO_LARGE };

/* number unit [number unit …]; sizes and plain numbers have just one. */
static enum number_result parse_number(const char *text, const struct unit *units, bool many,
                                       uint64_t *ret)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	uint64_t sum = 0;
	do {
		uint64_t value, factor = 1;
		struct loci_slice digits;
		struct loci_cursor at = c;
		if (!loci__take_u64(&c, &value))
			return loci__take_run(&at, loci__is_digit, &digits) ? NUMBER_TOO_LARGE
			                                                    : NUMBER_MALFORMED;
		if (units && !take_unit(&c, units, &factor))
			return NUMBER_MALFORMED;
		if (__builtin_mul_overflow(value, factor, &value) ||
		    __builtin_add_overflow(sum, value, &sum))
			return NUMBER_TOO_LARGE;
	} while (many && !loci__cursor_at_end(&c));
	if (!loci__cursor_at_end(&c))
		return NUMBER_MALFORMED;
	*ret = sum;
	return NUMBER_OK;
}

static int store_number(const struct loci_option *row, const char *text, enum number_result how,
                        const char *expected, uint64_t value, void *field, struct loci_error *err)
{
	if (how == NUMBER_MALFORMED)
		return refuse(text, err, expected);
	bool too_large = how == NUMBER_TOO_LARGE || value > field_max(row);
	if (too_large || value < row->min)
		return refuse_range(row, text, too_large, err);
	if (row->size == sizeof(unsigned))
		*(unsigned *)field = (unsigned)value;
	else
		*(uint64_t *)field = value;
	return 0;
}

static int set_number(const struct loci_option *row, const char *text, void *field,
                      struct loci_error *err)
{
	uint64_t value = 0;
	enum number_result how = parse_number(text, NULL, false, &value);
	return store_number(row, text, how, "a whole number", value, field, err);
}

static int set_size(const struct loci_option *row, const char *text, void *field,
                    struct loci_error *err)
{
	uint64_t value = 0;
	enum number_result how = parse_number(text, size_units, false, &value);
	return store_number(row, text, how, "a size like 512KiB or 10GB", value, field, err);
}

static int set_duration(const struct loci_option *row, const char *text, void *field,
                        struct loci_error *err)
{
	uint64_t value = 0;
	enum number_result how = strcmp(text, "0") == 0
	                                 ? NUMBER_OK
	                                 : parse_number(text, duration_units, true, &value);
	return store_number(row, text, how, "a time like 500ms, 30s, 5m or 1h", value, field, err);
}

static int set_bool(const struct loci_option *row, const char *text, void *field,
                    struct loci_error *err)
{
	(void)row;
	for (size_t i = 0; i < sizeof(bool_words) / sizeof(bool_words[0]); i++)
		if (strcmp(bool_words[i].text, text) == 0) {
			*(bool *)field = bool_words[i].value;
			return 0;
		}
	return refuse(text, err, "true or false");
}

static int set_count(const struct loci_option *row, const char *text, void *field,
                     struct loci_error *err)
{
	(void)row;
	(void)text;
	(void)err;
	if (*(unsigned *)field < UINT_MAX)
		++*(unsigned *)field;
	return 0;
}

/* Digits, optionally a dot and digits: 15 in all are exact in a double. */
static int set_double(const struct loci_option *row, const char *text, void *field,
                      struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	struct loci_slice whole = {0}, rest = {0};
	bool well = loci__take_run(&c, loci__is_digit, &whole) &&
	            (!loci__take_char(&c, '.') || loci__take_run(&c, loci__is_digit, &rest)) &&
	            loci__cursor_at_end(&c) && whole.n + rest.n <= 15;
	if (!well)
		return refuse(text, err, "a number like 2 or 0.5");
	double value = 0, scale = 1;
	for (size_t i = 0; i < whole.n; i++)
		value = value * 10 + (whole.p[i] - '0');
	for (size_t i = 0; i < rest.n; i++) {
		value = value * 10 + (rest.p[i] - '0');
		scale *= 10;
	}
	value /= scale;
	bool too_large = row->max && value > (double)row->max;
	if (too_large || value < (double)row->min)
		return refuse_range(row, text, too_large, err);
	*(double *)field = value;
	return 0;
}

static int set_enum(const struct loci_option *row, const char *text, void *field,
                    struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1024);
	for (const struct loci_option_word *w = row->words; w->word; w++) {
		if (strcmp(w->word, text) == 0) {
			*(int *)field = w->value;
			return 0;
		}
		loci__buf_printf(&b, "%s%s",
		                 w == row->words ? ""
		                 : w[1].word     ? ", "
		                                 : " or ",
		                 w->word);
	}
	return b.failed ? loci__err_nomem(err) : refuse(text, err, b.p);
}

static int copy_string(const struct loci_option *row, const char *text, char **ret,
                       struct loci_error *err)
{
	if (!*text && row->type != LOCI_OPTION_STRING)
		return refuse(text, err, row->type == LOCI_OPTION_PATH ? "a path" : "a text");
	int r = row->check ? row->check(text, err) : 0;
	if (r < 0) {
		if (err)
			err->code = LOCI_E_USAGE;
		return LOCI_E_USAGE;
	}
	*ret = strdup(text);
	return *ret ? 0 : loci__err_nomem(err);
}

static int set_string(const struct loci_option *row, const char *text, void *field,
                      struct loci_error *err)
{
	char *copy;
	int r = copy_string(row, text, &copy, err);
	if (r < 0)
		return r;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int add_string(const struct loci_option *row, const char *text, void *field,
                      struct loci_error *err)
{
	struct loci_string_list *list = field;
	char *copy loci__cleanup_free = NULL;
	if (list->n == LOCI_OPTION_LIST_MAX)
		return loci__err_set(err, LOCI_E_USAGE, "more than %d values",
		                     LOCI_OPTION_LIST_MAX);
	int r = copy_string(row, text, &copy, err);
	if (r < 0)
		return r;
	const char **v = reallocarray(list->v, list->n + 2, sizeof(*v));
	if (!v)
		return loci__err_nomem(err);
	list->v = v;
	v[list->n++] = loci__steal_ptr(&copy);
	v[list->n] = NULL;
	return 0;
}

static int (*const setters[])(const struct loci_option *, const char *, void *,
                              struct loci_error *) = {
        [LOCI_OPTION_BOOL] = set_bool,         [LOCI_OPTION_COUNT] = set_count,
        [LOCI_OPTION_NUMBER] = set_number,     [LOCI_OPTION_SIZE] = set_size,
        [LOCI_OPTION_DURATION] = set_duration, [LOCI_OPTION_DOUBLE] = set_double,
        [LOCI_OPTION_STRING] = set_string,     [LOCI_OPTION_PATH] = set_string,
        [LOCI_OPTION_ENUM] = set_enum,         [LOCI_OPTION_LIST] = add_string,
};

int loci__option_value_parse(const struct loci_option *row, const char *text, void *field,
                             struct loci_error *err)
{
	if (strlen(text) > LOCI_OPTION_VALUE_MAX)
		return loci__err_set(err, LOCI_E_USAGE, "value of more than %d bytes",
		                     LOCI_OPTION_VALUE_MAX);
	return setters[row->type](row, text, field, err);
}

static void format_double(double value, struct loci_buf *b)
{
	loci__buf_printf(b, "%.15g", value);
}

static void format_enum(const struct loci_option *row, int value, struct loci_buf *b)
{
	for (const struct loci_option_word *w = row->words; w->word; w++)
		if (w->value == value) {
			loci__buf_puts(b, w->word);
			return;
		}
}

static void format_list(const struct loci_string_list *list, struct loci_buf *b)
{
	for (size_t i = 0; i < list->n; i++)
		loci__buf_printf(b, "%s%s", i ? "," : "", list->v[i]);
}

void loci__option_value_format(const struct loci_option *row, const void *field, struct loci_buf *b)
{
	switch (row->type) {
	case LOCI_OPTION_BOOL: loci__buf_puts(b, *(const bool *)field ? "true" : "false"); break;
	case LOCI_OPTION_COUNT: loci__buf_printf(b, "%u", *(const unsigned *)field); break;
	case LOCI_OPTION_DOUBLE: format_double(*(const double *)field, b); break;
	case LOCI_OPTION_ENUM: format_enum(row, *(const int *)field, b); break;
	case LOCI_OPTION_LIST: format_list(field, b); break;
	case LOCI_OPTION_STRING:
	case LOCI_OPTION_PATH:
		if (*(char *const *)field)
			loci__buf_puts(b, *(char *const *)field);
		break;
	default:
		format_number(row,
		              row->size == sizeof(unsigned) ? *(const unsigned *)field
		                                            : *(const uint64_t *)field,
		              b);
	}
}

void loci__option_value_done(const struct loci_option *row, void *field)
{
	if (row->type == LOCI_OPTION_STRING || row->type == LOCI_OPTION_PATH)
		free(*(char **)field);
	if (row->type == LOCI_OPTION_LIST) {
		struct loci_string_list *list = field;
		for (size_t i = 0; i < list->n; i++)
			free((char *)list->v[i]);
		free(list->v);
	}
	memset(field, 0, row->size);
}
