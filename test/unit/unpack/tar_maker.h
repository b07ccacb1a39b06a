/* SPDX-License-Identifier: Apache-2.0 */
/* Small archives for unit tests. */
#ifndef LOCI_TEST_TAR_MAKER_H
#define LOCI_TEST_TAR_MAKER_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct archive {
	unsigned char bytes[1 << 20];
	size_t n;
};

static inline void archive_seal(unsigned char *b)
{
	unsigned sum = 0;
	memset(b + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += b[i];
	snprintf((char *)b + 148, 8, "%06o", sum);
}

static inline void archive_data(struct archive *a, const void *p, size_t n)
{
	memcpy(a->bytes + a->n, p, n);
	memset(a->bytes + a->n + n, 0, -n & 511);
	a->n += n + (-n & 511);
}

/* A ustar header and the content. */
static inline void archive_add(struct archive *a, char type, const char *name, const char *link,
                               const void *p, size_t n)
{
	unsigned char *b = a->bytes + a->n;
	memset(b, 0, 512);
	snprintf((char *)b, 100, "%s", name);
	snprintf((char *)b + 100, 8, "%07o", type == '5' ? 0755 : 0644);
	snprintf((char *)b + 108, 8, "%07o", 0);
	snprintf((char *)b + 116, 8, "%07o", 0);
	snprintf((char *)b + 124, 12, "%011o", (unsigned)n);
	snprintf((char *)b + 136, 12, "%011o", 1000000);
	b[156] = (unsigned char)type;
	snprintf((char *)b + 157, 100, "%s", link);
	memcpy(b + 257, "ustar\00000", 8);
	archive_seal(b);
	a->n += 512;
	if (n)
		archive_data(a, p, n);
}

static inline void archive_file(struct archive *a, const char *name, const char *text)
{
	archive_add(a, '0', name, "", text, strlen(text));
}

static inline void archive_end(struct archive *a)
{
	memset(a->bytes + a->n, 0, 1024);
	a->n += 1024;
}

#endif
