/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/request_id.h"

#include "core/base/hex.h"

#include <string.h>

static bool is_sane(const char *id)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789-._:+/=@";
	size_t n = strspn(id, chars);
	return n && n <= LOCI_REQUEST_ID_MAX && !id[n];
}

const char *loci__request_id_find(const struct loci_http_header *headers, size_t n)
{
	const char *found = NULL;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(headers[i].name, LOCI_REQUEST_ID_HEADER) != 0)
			continue;
		if (found || !is_sane(headers[i].value))
			return NULL;
		found = headers[i].value;
	}
	return found;
}

/* The finisher of splitmix64: one to one, so different counts give different ids. */
void loci__request_id_make(uint64_t seed, uint64_t n, char ret[LOCI_REQUEST_ID_MADE])
{
	uint64_t x = seed + n * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	loci__hex_format(&x, sizeof(x), ret);
}
