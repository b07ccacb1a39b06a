/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/hex.h"

#include "core/base/cursor.h"

void loci__hex_format(const void *p, size_t n, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = p;
	for (size_t i = 0; i < n; i++) {
		buf[2 * i] = digits[b[i] >> 4];
		buf[2 * i + 1] = digits[b[i] & 15];
	}
	buf[2 * n] = '\0';
}

bool loci__hex_parse(const char *s, size_t s_n, void *ret, size_t n)
{
	unsigned char *b = ret;
	if (s_n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char high = (unsigned char)s[2 * i], low = (unsigned char)s[2 * i + 1];
		if (!loci__is_lower_hex(high) || !loci__is_lower_hex(low))
			return false;
		b[i] = (unsigned char)(loci__hex_value(high) << 4 | loci__hex_value(low));
	}
	return true;
}
