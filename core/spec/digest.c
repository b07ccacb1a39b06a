/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of digests (image-spec descriptor.md "Digests"). Two questions are kept apart: is
 * this a digest at all (the general grammar), and is it one that we can compute. A well-formed
 * digest of an algorithm that is not built in is UNSUPPORTED, so that a caller can tell "come back
 * with another" from "this is nonsense". Nothing but lower-case hex of the exact length gets
 * through for the built-in ones: the text becomes a file name in the store.
 */
#include "loci/digest.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/hex.h"

#include <string.h>

static const struct {
	int alg;
	const char *name;
	unsigned len; /* bytes */
} algs[] = {
        {LOCI_SHA256, "sha256", 32},
        {LOCI_SHA512, "sha512", 64},
};
#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

int loci_digest_alg_parse(const char *s, size_t n)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (loci__slice_is(loci__slice(s, n), algs[i].name))
			return algs[i].alg;
	return 0;
}

const char *loci_digest_alg_name(int alg)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (algs[i].alg == alg)
			return algs[i].name;
	return NULL;
}

static unsigned alg_len(int alg)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (algs[i].alg == alg)
			return algs[i].len;
	return 0;
}

static bool is_encoded_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '=' || c == '_' || c == '-';
}

static bool is_separator(unsigned char c)
{
	return c == '+' || c == '.' || c == '_' || c == '-';
}

/* algorithm ::= [a-z0-9]+ ([+._-] [a-z0-9]+)* */
static bool take_algorithm(struct loci_cursor *c, struct loci_slice *ret)
{
	const char *start = c->p;
	struct loci_slice component;
	for (;;) {
		if (!loci__take_run(c, loci__is_lower_alnum, &component))
			return false;
		if (loci__cursor_at_end(c) || !is_separator((unsigned char)*c->p))
			break;
		c->p++;
	}
	*ret = loci__slice(start, (size_t)(c->p - start));
	return true;
}

int loci_digest_parse(const char *s, size_t n, struct loci_digest *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(s, n);
	struct loci_slice name, encoded;
	if (!take_algorithm(&c, &name))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "digest: byte %zu: expected an algorithm such as sha256",
		                     (size_t)(c.p - s));
	if (!loci__take_char(&c, ':'))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "digest: byte %zu: expected ':' behind the algorithm",
		                     (size_t)(c.p - s));
	if (!loci__take_run(&c, is_encoded_char, &encoded) || !loci__cursor_at_end(&c))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "digest: byte %zu: expected letters and digits",
		                     (size_t)(c.p - s));
	struct loci_digest d = {.alg = loci_digest_alg_parse(name.p, name.n)};
	if (!d.alg)
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "digest: algorithm '%.*s': sha256 and sha512 are built in",
		                     (int)(name.n < 64 ? name.n : 64), name.p);
	d.len = alg_len(d.alg);
	if (!loci__hex_parse(encoded.p, encoded.n, d.bytes, d.len))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "digest: expected %u lower-case hex digits behind '%s:', "
		                     "found %zu characters",
		                     2 * d.len, loci_digest_alg_name(d.alg), encoded.n);
	*ret = d;
	return 0;
}

size_t loci_digest_format(const struct loci_digest *d, char buf[LOCI_DIGEST_STR_MAX])
{
	const char *name = loci_digest_alg_name(d->alg);
	if (!name || d->len != alg_len(d->alg)) {
		buf[0] = '\0';
		return 0;
	}
	size_t at = strlen(name);
	memcpy(buf, name, at);
	buf[at++] = ':';
	loci__hex_format(d->bytes, d->len, buf + at);
	return at + 2 * d->len;
}

bool loci_digest_equal(const struct loci_digest *a, const struct loci_digest *b)
{
	return a->alg == b->alg && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
