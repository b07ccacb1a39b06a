/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' text format 0.0.4. All samples of a family stand together behind its HELP and TYPE:
 * that is why a family is a row with a function, and not whatever somebody prints.
 */
#include "registry/metrics.h"

#include "core/base/cursor.h"
#include "core/base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct loci_metrics {
	struct loci_buf *out;
	const struct loci_metric_family *family;
	bool has_head;
};

static bool is_name_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '_' || c == ':';
}

bool loci__metric_name_is_valid(const char *name)
{
	struct loci_cursor c = loci__cursor(name, strlen(name));
	struct loci_slice run;
	return !loci__is_digit((unsigned char)*name) && loci__take_run(&c, is_name_char, &run) &&
	       loci__cursor_at_end(&c);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Backslash and line feed always, the quote in a label's value; what is no UTF-8 becomes U+FFFD. */
static void put_escaped(struct loci_buf *out, const char *s, bool in_quotes)
{
	size_t left = strlen(s);
	while (left) {
		size_t n = loci__utf8_length((const unsigned char *)s, left);
		if (n == 0)
			loci__buf_puts(out, "\xef\xbf\xbd");
		else if (*s == '\\')
			loci__buf_puts(out, "\\\\");
		else if (*s == '\n')
			loci__buf_puts(out, "\\n");
		else if (*s == '"' && in_quotes)
			loci__buf_puts(out, "\\\"");
		else
			loci__buf_append(out, s, n);
		s += n ? n : 1;
		left -= n ? n : 1;
	}
}

/* Not by "%g": that writes the decimal sign of the embedder's locale. Nine digits behind the point
 * tell nanoseconds apart, and up to 2^53 a whole number is exact. */
static void put_number(struct loci_buf *out, double v)
{
	if (isnan(v) || isinf(v)) {
		loci__buf_puts(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (v < 0) {
		loci__buf_putc(out, '-');
		v = -v;
	}
	if (v >= 1e15) {
		loci__buf_printf(out, "%.0f", v);
		return;
	}
	uint64_t whole = (uint64_t)v;
	uint64_t nano = (uint64_t)((v - (double)whole) * 1e9 + 0.5);
	if (nano == 1000000000) {
		whole++;
		nano = 0;
	}
	loci__buf_printf(out, "%llu", (unsigned long long)whole);
	if (nano) {
		char digits[16];
		int n = snprintf(digits, sizeof(digits), "%09llu", (unsigned long long)nano);
		while (n > 1 && digits[n - 1] == '0')
			n--;
		loci__buf_printf(out, ".%.*s", n, digits);
	}
}

static void put_label(struct loci_buf *out, bool first, const char *name, const char *value)
{
	loci__buf_printf(out, "%s%s=\"", first ? "{" : ",", name);
	put_escaped(out, value, /* in_quotes= */ true);
	loci__buf_putc(out, '"');
}

static void put_head(struct loci_metrics *m)
{
	static const char *const types[] = {[LOCI_METRIC_COUNTER] = "counter",
	                                    [LOCI_METRIC_GAUGE] = "gauge",
	                                    [LOCI_METRIC_HISTOGRAM] = "histogram"};
	if (m->has_head)
		return;
	m->has_head = true;
	loci__buf_printf(m->out, "# HELP %s ", m->family->name);
	put_escaped(m->out, m->family->help, /* in_quotes= */ false);
	loci__buf_printf(m->out, "\n# TYPE %s %s\n", m->family->name, types[m->family->type]);
}

static void put_sample(struct loci_metrics *m, const char *suffix,
                       const struct loci_metric_label *labels, size_t n, const char *le, double v)
{
	loci__buf_puts(m->out, m->family->name);
	loci__buf_puts(m->out, suffix);
	for (size_t i = 0; i < n; i++)
		put_label(m->out, i == 0, labels[i].name, labels[i].value);
	if (le)
		put_label(m->out, n == 0, "le", le);
	loci__buf_puts(m->out, n || le ? "} " : " ");
	put_number(m->out, v);
	loci__buf_putc(m->out, '\n');
}

/* ---- samples --------------------------------------------------------------------------------- */

void loci_metrics_value(struct loci_metrics *m, const struct loci_metric_label *labels,
                        size_t n_labels, double value)
{
	if (m->family->type == LOCI_METRIC_HISTOGRAM)
		return;
	put_head(m);
	put_sample(m, "", labels, n_labels, /* le= */ NULL, value);
}

void loci_metrics_histogram(struct loci_metrics *m, const struct loci_metric_label *labels,
                            size_t n_labels, const struct loci_histogram *h)
{
	struct loci_buf le loci__cleanup_buf = LOCI_BUF_INIT(64);
	uint64_t count = 0;
	if (m->family->type != LOCI_METRIC_HISTOGRAM || h->n_bounds > LOCI_HISTOGRAM_BOUNDS_MAX)
		return;
	put_head(m);
	for (size_t i = 0; i < h->n_bounds; i++) {
		count += h->counts[i];
		loci__buf_reset(&le);
		put_number(&le, (double)h->bounds[i] * h->unit);
		put_sample(m, "_bucket", labels, n_labels, le.failed ? "" : le.p, (double)count);
	}
	count += h->counts[h->n_bounds];
	put_sample(m, "_bucket", labels, n_labels, "+Inf", (double)count);
	put_sample(m, "_sum", labels, n_labels, /* le= */ NULL, (double)h->sum * h->unit);
	put_sample(m, "_count", labels, n_labels, /* le= */ NULL, (double)count);
}

void loci__metric_family_print(const struct loci_metric_family *f, void *arg, struct loci_buf *out)
{
	struct loci_metrics m = {.out = out, .family = f};
	f->collect(&m, f, arg);
}
