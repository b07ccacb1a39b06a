/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of bytes, each a bit in one table: a look at a byte is a load and a test, wherever it is
 * inlined. Only ASCII has letters.
 */
#ifndef LOCI_BASE_CHARS_H
#define LOCI_BASE_CHARS_H

#include "loci/api.h"

enum {
	LOCI_CHAR_DIGIT = 1 << 0,
	LOCI_CHAR_LOWER = 1 << 1,
	LOCI_CHAR_UPPER = 1 << 2,
	LOCI_CHAR_LOWER_HEX = 1 << 3, /* digits and a to f */
	LOCI_CHAR_UPPER_HEX = 1 << 4, /* A to F alone */
	LOCI_CHAR_TOKEN = 1 << 5,     /* RFC 9110 5.6.2 tchar */
	LOCI_CHAR_TARGET = 1 << 6,    /* of a request target: what is visible, but '#' */
	LOCI_CHAR_HOST = 1 << 7,      /* of a Host: what is visible and ends no authority */
};

extern const unsigned char loci__chars[256];

static inline bool loci__is_digit(unsigned char c)
{
	return loci__chars[c] & LOCI_CHAR_DIGIT;
}
static inline bool loci__is_alpha(unsigned char c)
{
	return loci__chars[c] & (LOCI_CHAR_LOWER | LOCI_CHAR_UPPER);
}
static inline bool loci__is_alnum(unsigned char c)
{
	return loci__chars[c] & (LOCI_CHAR_DIGIT | LOCI_CHAR_LOWER | LOCI_CHAR_UPPER);
}
static inline bool loci__is_lower_alnum(unsigned char c)
{
	return loci__chars[c] & (LOCI_CHAR_DIGIT | LOCI_CHAR_LOWER);
}
static inline bool loci__is_hex(unsigned char c) /* either case */
{
	return loci__chars[c] & (LOCI_CHAR_LOWER_HEX | LOCI_CHAR_UPPER_HEX);
}
static inline bool loci__is_lower_hex(unsigned char c)
{
	return loci__chars[c] & LOCI_CHAR_LOWER_HEX;
}
static inline bool loci__is_token_char(unsigned char c)
{
	return loci__chars[c] & LOCI_CHAR_TOKEN;
}
static inline int loci__hex_value(unsigned char c) /* -1: none */
{
	return !loci__is_hex(c) ? -1 : loci__is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Whether every byte is of one of the classes; true for none at all. */
static inline bool loci__chars_all(const char *p, size_t n, unsigned classes)
{
	for (size_t i = 0; i < n; i++)
		if (!(loci__chars[(unsigned char)p[i]] & classes))
			return false;
	return true;
}
/* Whether there is a control character other than the tab; eight bytes at a time. */
bool loci__chars_have_control(const char *p, size_t n);

#endif
