/* SPDX-License-Identifier: Apache-2.0 */
#include "exposition.h"

#include "core/base/cursor.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static bool is_name(unsigned char c)
{
	return loci__is_alnum(c) || c == '_' || c == ':';
}

static bool is_not_blank(unsigned char c)
{
	return c > ' ' && c < 0x7f;
}

static void need(bool ok, const char *line, const char *what)
{
	if (!ok)
		fail_msg("metrics: %s: %s", what, line);
}

/* "…" with the three escapes; leaves the cursor behind the quote. */
static void skip_quoted(struct loci_cursor *c, const char *line)
{
	need(loci__take_char(c, '"'), line, "a label without a quoted value");
	while (c->p < c->end && *c->p != '"') {
		if (*c->p == '\\') {
			c->p++;
			need(c->p < c->end && strchr("\\\"n", *c->p), line, "an unknown escape");
		}
		c->p++;
	}
	need(loci__take_char(c, '"'), line, "an open quote");
}

static void skip_labels(struct loci_cursor *c, const char *line)
{
	struct loci_slice name;
	if (!loci__take_char(c, '{'))
		return;
	do {
		need(loci__take_run(c, is_name, &name) && !loci__is_digit((unsigned char)*name.p),
		     line, "a label's name");
		need(loci__take_char(c, '='), line, "a label without '='");
		skip_quoted(c, line);
	} while (loci__take_char(c, ','));
	need(loci__take_char(c, '}'), line, "open labels");
}

static double number(struct loci_slice s, const char *line)
{
	char buf[64], *end;
	need(loci__slice_copy(s, buf, sizeof(buf)), line, "a long number");
	double v = strtod(buf, &end);
	need(end != buf && *end == '\0', line, "no number");
	return v;
}

/* Samples of a histogram carry its name with a suffix. */
static bool belongs(const char *family, const char *type, struct loci_slice name)
{
	size_t n = strlen(family);
	if (name.n < n || memcmp(name.p, family, n) != 0)
		return false;
	struct loci_slice rest = loci__slice(name.p + n, name.n - n);
	if (strcmp(type, "histogram") != 0)
		return rest.n == 0;
	return loci__slice_is(rest, "_bucket") || loci__slice_is(rest, "_sum") ||
	       loci__slice_is(rest, "_count");
}

static void take_sample(struct exposition *e, char *line)
{
	struct loci_cursor c = loci__cursor(line, strlen(line));
	struct loci_slice name, value;
	need(e->n_families > 0, line, "a sample without a family");
	need(loci__take_run(&c, is_name, &name), line, "no name");
	const char *family = e->families[e->n_families - 1].name;
	const char *type = e->families[e->n_families - 1].type;
	need(type && belongs(family, type, name), line, "a sample of another family");
	skip_labels(&c, line);
	char *end = line + (c.p - line);
	need(loci__take_char(&c, ' '), line, "no blank before the value");
	need(loci__take_run(&c, is_not_blank, &value) && loci__cursor_at_end(&c), line,
	     "more than a value");
	double v = number(value, line);
	need(strcmp(type, "counter") != 0 || v >= 0, line, "a counter below zero");
	*end = '\0';
	need(exposition_value(e, line) == -1, line, "a series that is there");
	assert_true(e->n_samples < EXPOSITION_SAMPLES_MAX);
	e->samples[e->n_samples].series = line;
	e->samples[e->n_samples++].value = v;
	e->families[e->n_families - 1].n_samples++;
}

static void take_help(struct exposition *e, char *rest)
{
	char *end = strchr(rest, ' ');
	need(end && end[1], rest, "no help");
	*end = '\0';
	for (size_t i = 0; i < e->n_families; i++)
		need(strcmp(e->families[i].name, rest) != 0, rest, "a family that is there");
	assert_true(e->n_families < EXPOSITION_FAMILIES_MAX);
	e->families[e->n_families++].name = rest;
}

static void take_type(struct exposition *e, char *rest)
{
	char *end = strchr(rest, ' ');
	need(end && e->n_families > 0, rest, "no type");
	*end = '\0';
	const char *type = end + 1;
	need(strcmp(e->families[e->n_families - 1].name, rest) == 0, rest, "HELP of another one");
	need(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
	             strcmp(type, "histogram") == 0,
	     rest, "an unknown type");
	size_t n = strlen(rest);
	need((n > 6 && strcmp(rest + n - 6, "_total") == 0) || strcmp(type, "counter") != 0, rest,
	     "a counter that does not end in _total");
	e->families[e->n_families - 1].type = type;
}

/* Buckets rise to +Inf, which is the count. */
static void check_buckets(const struct exposition *e)
{
	double last = 0;
	for (size_t i = 0; i < e->n_samples; i++) {
		const char *series = e->samples[i].series;
		if (!strstr(series, "_bucket{"))
			continue;
		need(e->samples[i].value >= last, series, "a bucket below the one before");
		last = e->samples[i].value;
		if (!strstr(series, "le=\"+Inf\""))
			continue;
		assert_true(i + 2 < e->n_samples);
		need(strstr(e->samples[i + 1].series, "_sum") != NULL, series, "no sum");
		need(strstr(e->samples[i + 2].series, "_count") != NULL, series, "no count");
		need(e->samples[i + 2].value == last, series, "a count that is not +Inf's");
		last = 0;
	}
	need(last == 0, "", "buckets without +Inf");
}

void exposition_parse(struct exposition *e, const char *text)
{
	memset(e, 0, sizeof(*e));
	e->text = strdup(text);
	assert_non_null(e->text);
	size_t n = strlen(text);
	assert_true(n > 0 && text[n - 1] == '\n');
	for (char *line = e->text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (strncmp(line, "# HELP ", 7) == 0)
			take_help(e, line + 7);
		else if (strncmp(line, "# TYPE ", 7) == 0)
			take_type(e, line + 7);
		else
			take_sample(e, line);
	}
	for (size_t i = 0; i < e->n_families; i++)
		need(e->families[i].n_samples > 0, e->families[i].name, "a family without samples");
	check_buckets(e);
}

void exposition_done(struct exposition *e)
{
	free(e->text);
	memset(e, 0, sizeof(*e));
}

bool exposition_has_family(const struct exposition *e, const char *name, const char *type)
{
	for (size_t i = 0; i < e->n_families; i++)
		if (strcmp(e->families[i].name, name) == 0)
			return strcmp(e->families[i].type, type) == 0;
	return false;
}

double exposition_value(const struct exposition *e, const char *series)
{
	for (size_t i = 0; i < e->n_samples; i++)
		if (strcmp(e->samples[i].series, series) == 0)
			return e->samples[i].value;
	return -1;
}
