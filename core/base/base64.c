/* SPDX-License-Identifier: Apache-2.0 */
/* Basic credentials travel in it, and docker's config.json keeps them in it. */
#include "core/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t loci__base64_format(const void *p, size_t n, char *buf)
{
	const unsigned char *b = p;
	char *out = buf;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)b[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)b[i + 1] << 8;
		if (i + 2 < n)
			v |= b[i + 2];
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? alphabet[v & 63] : '=';
	}
	*out = '\0';
	return (size_t)(out - buf);
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool loci__base64_parse(const char *s, size_t s_n, void *ret, size_t size, size_t *ret_n)
{
	if (s_n % 4)
		return false;
	size_t pad = 0;
	while (pad < 2 && pad < s_n && s[s_n - 1 - pad] == '=')
		pad++;
	size_t n = s_n / 4 * 3 - pad;
	if (n > size)
		return false;
	unsigned char *out = ret;
	for (size_t i = 0, o = 0; i < s_n; i += 4) {
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = i + k < s_n - pad ? value_of(s[i + k]) : 0;
			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		for (int shift = 16; shift >= 0; shift -= 8, o++) {
			if (o < n)
				out[o] = (unsigned char)(v >> shift);
			else if (v >> shift & 0xff)
				return false;
		}
	}
	*ret_n = n;
	return true;
}
