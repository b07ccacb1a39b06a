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

/* first-last, first- or -suffix: everything that RFC 9110 calls a range-spec. */
static bool take_range_spec(struct loci_cursor *c, uint64_t size, struct loci__range *ret,
                            bool *ret_inside)
{
	uint64_t first, last = UINT64_MAX;
	if (loci__take_char(c, '-')) {
		uint64_t suffix;
		if (!take_position(c, &suffix))
			return false;
		*ret_inside = suffix > 0 && size > 0;
		*ret = (struct loci__range){size > suffix ? size - suffix : 0, size - 1};
		return true;
	}
	if (!take_position(c, &first) || !loci__take_char(c, '-'))
		return false;
	if (take_position(c, &last) && last < first)
		return false;
	*ret_inside = first < size;
	*ret = (struct loci__range){first, last < size ? last : size - 1};
	return true;
}

int loci__range_parse(const char *value, uint64_t size, struct loci__range *ret)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	struct loci__range range;
	bool inside;
	loci__skip_blanks(&c);
	if (!loci__take_text_nocase(&c, "bytes") || !loci__take_char(&c, '='))
		return LOCI_RANGE_NONE;
	loci__skip_blanks(&c);
	if (!take_range_spec(&c, size, &range, &inside))
		return LOCI_RANGE_NONE;
	loci__skip_blanks(&c);
	if (!loci__cursor_at_end(&c)) /* several: answered by the whole */
		return LOCI_RANGE_NONE;
	if (!inside)
		return LOCI_RANGE_UNSATISFIABLE;
	*ret = range;
	return LOCI_RANGE_ONE;
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
