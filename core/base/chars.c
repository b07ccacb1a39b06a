/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/chars.h"

#include <string.h>

#define IN(c, from, to) ((c) >= (from) && (c) <= (to))
#define IS_ALNUM(c)     (IN(c, '0', '9') || IN(c, 'a', 'z') || IN(c, 'A', 'Z'))
#define IS_MARK(c)                                                                            \
	((c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' || \
	 (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' ||  \
	 (c) == '`' || (c) == '|' || (c) == '~')
#define IS_VISIBLE(c) IN(c, 0x21, 0x7e)
#define ENDS_HOST(c)                                                                          \
	((c) == '/' || (c) == '?' || (c) == '#' || (c) == '@' || (c) == '\\' || (c) == '"' || \
	 (c) == '<' || (c) == '>' || (c) == '^' || (c) == '`' || (c) == '{' || (c) == '|' ||  \
	 (c) == '}')

#define CLASSES(c)                                                                           \
	((IN(c, '0', '9') ? LOCI_CHAR_DIGIT | LOCI_CHAR_LOWER_HEX : 0) |                     \
	 (IN(c, 'a', 'z') ? LOCI_CHAR_LOWER : 0) | (IN(c, 'A', 'Z') ? LOCI_CHAR_UPPER : 0) | \
	 (IN(c, 'a', 'f') ? LOCI_CHAR_LOWER_HEX : 0) |                                       \
	 (IN(c, 'A', 'F') ? LOCI_CHAR_UPPER_HEX : 0) |                                       \
	 (IS_ALNUM(c) || IS_MARK(c) ? LOCI_CHAR_TOKEN : 0) |                                 \
	 (IS_VISIBLE(c) && (c) != '#' ? LOCI_CHAR_TARGET : 0) |                              \
	 (IS_VISIBLE(c) && !ENDS_HOST(c) ? LOCI_CHAR_HOST : 0))

#define ROW_4(c)  CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW_16(c) ROW_4(c), ROW_4((c) + 4), ROW_4((c) + 8), ROW_4((c) + 12)
#define ROW_64(c) ROW_16(c), ROW_16((c) + 16), ROW_16((c) + 32), ROW_16((c) + 48)

/* Nothing above ASCII is of a class. */
const unsigned char loci__chars[256] = {ROW_64(0), ROW_64(64)};

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Never misses one; a tab looks like one, too, and so may a byte above one. */
static bool may_have_control(uint64_t w)
{
	uint64_t del = w ^ EACH(0x7f);
	uint64_t low = (w - EACH(0x20)) & ~w;
	return (low | ((del - EACH(1)) & ~del)) & EACH(0x80);
}

static inline bool look(const char *p, size_t n)
{
	uint64_t w = EACH(' ');
	memcpy(&w, p, n);
	for (size_t i = 0; may_have_control(w) && i < n; i++)
		if (is_control((unsigned char)p[i]))
			return true;
	return false;
}

bool loci__chars_have_control(const char *p, size_t n)
{
	for (; n >= sizeof(uint64_t); p += sizeof(uint64_t), n -= sizeof(uint64_t))
		if (look(p, sizeof(uint64_t)))
			return true;
	return look(p, n);
}
