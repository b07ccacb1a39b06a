/* SPDX-License-Identifier: Apache-2.0 */
/* Two sets of values of one table, before and now: what differs, and taking over what may. */
#include "conf/option.h"

#include "conf/options.h"
#include "conf/value.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

/* What is secret differs, too, but nobody is shown how. */
static const char *shown(const struct loci_option *row, const struct loci_buf *text)
{
	if (!text->len)
		return "(not set)";
	return row->flags & LOCI_OPTION_SECRET ? "(set)" : text->p;
}

/* The values change places: each set goes on owning what it holds. */
static void swap(struct loci_option_at *a, struct loci_option_at *b)
{
	char *x = a->field, *y = b->field;
	for (size_t i = 0; i < a->row->size; i++) {
		char byte = x[i];
		x[i] = y[i];
		y[i] = byte;
	}
	struct loci_option_origin origin = *a->origin;
	*a->origin = *b->origin;
	*b->origin = origin;
}

static bool differ(const struct loci_buf *a, const struct loci_buf *b)
{
	return a->len != b->len || (a->len && memcmp(a->p, b->p, a->len) != 0);
}

static int adopt(struct loci_option_at *to, struct loci_option_at *from,
                 const struct loci_options_adoption *how, struct loci_error *err)
{
	struct loci_buf old loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_FILE_MAX);
	struct loci_buf now loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_FILE_MAX);
	bool may = to->row->flags & LOCI_OPTION_RELOADS;
	loci__option_value_format(to->row, to->field, &old);
	loci__option_value_format(to->row, from->field, &now);
	loci__buf_putc(&old, '\0'); /* a text to show, also of nothing */
	loci__buf_putc(&now, '\0');
	int r = loci__buf_check(&old, "value", err);
	if (r == 0)
		r = loci__buf_check(&now, "value", err);
	if (r < 0)
		return r;
	old.len--;
	now.len--;
	if (differ(&old, &now) && how->changed)
		how->changed(how->arg, to->row, may, shown(to->row, &old), shown(to->row, &now));
	if (may && !how->dry)
		swap(to, from);
	return 0;
}

int loci__options_adopt(struct loci_options *to, struct loci_options *from,
                        const struct loci_options_adoption *how, struct loci_error *err)
{
	struct loci_option_at a = {0}, b = {0};
	int r = 0;
	while (r == 0 && loci__options_next(to, &a) && loci__options_next(from, &b))
		r = adopt(&a, &b, how, err);
	return r;
}
