/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/range.h"

#include "core/base/cursor.h"

#include <string.h>

/* A position; one beyond 64 bits is beyond the end of everything and stays comparable. */
static bool take_position(struct loci_cursor *c, uint64_t *ret)
{
	struct loci_slice digits;
	if (loci__take_u64(c, ret))
		return true;
	if (!loci__take_run(c, loci__is_digit, &digits))
		return false;
	*ret = UINT64_MAX;
	return true;
}

enum spec { SPEC_MALFORMED, SPEC_BACKWARDS, SPEC_OUTSIDE, SPEC_INSIDE };

/* -suffix: the last so many bytes. */
static enum spec take_suffix(struct loci_cursor *c, uint64_t size, struct loci__range *ret)
{
	uint64_t suffix;
	if (!take_position(c, &suffix))
		return SPEC_MALFORMED;
	*ret = (struct loci__range){size > suffix ? size - suffix : 0, size - 1};
	return suffix > 0 && size > 0 ? SPEC_INSIDE : SPEC_OUTSIDE;
}

/* first-last, first- or -suffix: everything that RFC 9110 calls a range-spec. */
static enum spec take_range_spec(struct loci_cursor *c, uint64_t size, struct loci__range *ret)
{
	uint64_t first, last = UINT64_MAX;
	if (loci__take_char(c, '-'))
		return take_suffix(c, size, ret);
	if (!take_position(c, &first) || !loci__take_char(c, '-'))
		return SPEC_MALFORMED;
	if (take_position(c, &last) && last < first)
		return SPEC_BACKWARDS;
	*ret = (struct loci__range){first, last < size ? last : size - 1};
	return first < size ? SPEC_INSIDE : SPEC_OUTSIDE;
}

/* Whether less than a part's head lies between them, or nothing, or they overlap. */
static bool are_near(const struct loci__range *a, const struct loci__range *b)
{
	const struct loci__range *low = a->first <= b->first ? a : b;
	const struct loci__range *high = low == a ? b : a;
	return high->first <= low->last || high->first - low->last <= LOCI_RANGES_GAP;
}

/* Joins the range with all that are near, in the place of the first of them. Once through is
 * enough: what is near to the joined one is near to one of its two. */
static void add(struct loci__ranges *all, struct loci__range range)
{
	size_t at = all->n;
	for (size_t i = 0; i < all->n;) {
		if (!are_near(&all->r[i], &range)) {
			i++;
			continue;
		}
		range.first = range.first < all->r[i].first ? range.first : all->r[i].first;
		range.last = range.last > all->r[i].last ? range.last : all->r[i].last;
		at = i < at ? i : at;
		all->n--;
		memmove(&all->r[i], &all->r[i + 1], (all->n - i) * sizeof(range));
	}
	at = at < all->n ? at : all->n;
	memmove(&all->r[at + 1], &all->r[at], (all->n - at) * sizeof(range));
	all->r[at] = range;
	all->n++;
}

/* Commas may stand alone, says RFC 9110 5.6.1 of every list. */
static bool skip_to_spec(struct loci_cursor *c)
{
	do
		loci__skip_blanks(c);
	while (loci__take_char(c, ','));
	return !loci__cursor_at_end(c);
}

static int take_ranges(struct loci_cursor *c, uint64_t size, struct loci__ranges *all)
{
	struct loci__range range;
	size_t asked = 0;
	bool backwards = false;
	while (skip_to_spec(c)) {
		enum spec spec = take_range_spec(c, size, &range);
		loci__skip_blanks(c);
		if (spec == SPEC_MALFORMED || ++asked > LOCI_RANGES_MAX ||
		    (!loci__cursor_at_end(c) && *c->p != ','))
			return LOCI_RANGE_NONE;
		if (spec == SPEC_INSIDE)
			add(all, range);
		backwards |= spec == SPEC_BACKWARDS;
	}
	if (asked == 0)
		return LOCI_RANGE_NONE;
	return all->n && !backwards ? LOCI_RANGE_SOME : LOCI_RANGE_UNSATISFIABLE;
}

int loci__ranges_parse(const char *value, uint64_t size, struct loci__ranges *ret)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	struct loci__ranges all = {0};
	loci__skip_blanks(&c);
	if (!loci__take_text_nocase(&c, "bytes") || !loci__take_char(&c, '='))
		return LOCI_RANGE_NONE;
	int kind = take_ranges(&c, size, &all);
	if (kind == LOCI_RANGE_SOME)
		*ret = all;
	return kind;
}

static bool take_total(struct loci_cursor *c, uint64_t last)
{
	uint64_t total;
	if (loci__take_char(c, '*'))
		return true;
	return loci__take_u64(c, &total) && total > last;
}

bool loci__content_range_parse(const char *value, struct loci__range *ret)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	uint64_t first, last;
	bool rfc_form = loci__take_text_nocase(&c, "bytes ");
	if (!loci__take_u64(&c, &first) || !loci__take_char(&c, '-') || !loci__take_u64(&c, &last))
		return false;
	if (rfc_form && (!loci__take_char(&c, '/') || !take_total(&c, last)))
		return false;
	if (!loci__cursor_at_end(&c) || last < first || last - first == UINT64_MAX)
		return false;
	*ret = (struct loci__range){first, last};
	return true;
}
