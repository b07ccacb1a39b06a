/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rand.h"

#include "core/base/err.h"
#include "core/base/hex.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int loci__rand_bytes(void *p, size_t n, struct loci_error *err)
{
	char *at = p;
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return loci__err_sys(err, "get random bytes");
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

int loci__rand_name(char buf[LOCI_RAND_NAME_MAX], struct loci_error *err)
{
	unsigned char bytes[(LOCI_RAND_NAME_MAX - 1) / 2];
	int rc = loci__rand_bytes(bytes, sizeof(bytes), err);
	if (rc == 0)
		loci__hex_format(bytes, sizeof(bytes), buf);
	return rc;
}

int loci__rand_uuid(char buf[LOCI_UUID_MAX], struct loci_error *err)
{
	unsigned char b[16];
	char hex[33];
	int rc = loci__rand_bytes(b, sizeof(b), err);
	if (rc < 0)
		return rc;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* RFC 9562 variant */
	loci__hex_format(b, sizeof(b), hex);
	static const unsigned groups[] = {8, 4, 4, 4, 12};
	const char *from = hex;
	char *to = buf;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (i)
			*to++ = '-';
		memcpy(to, from, groups[i]);
		to += groups[i];
		from += groups[i];
	}
	*to = '\0';
	return 0;
}
