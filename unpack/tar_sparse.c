/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparse files, in the four ways GNU tar has written them: the old type S, whose map stands in the
 * header and in blocks behind it; pax 0.0 (repeated records), 0.1 (one record with all numbers) and
 * 1.0 (text in front of the content).
 */
#include "core/base/err.h"
#include "unpack/tar_parts.h"

#include <limits.h>
#include <string.h>

/* The old header: four pairs, the flag that more blocks follow, the real size. */
enum {
	OLD_MAP = 386,
	OLD_PAIRS = 4,
	OLD_EXTENDED = 482,
	OLD_REALSIZE = 483,
	NUMBER_N = 12,
	PAIR_N = 24,
	MORE_PAIRS = 21,
	MORE_EXTENDED = 504
};

static int bad_map(struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_INVALID, "its sparse map is malformed");
}

/* Pairs until the first empty one. */
static int take_pairs(const unsigned char *p, size_t pairs, struct loci_tar_pieces *m,
                      struct loci_error *err)
{
	for (; pairs && p[0]; pairs--, p += PAIR_N) {
		int64_t offset, n;
		if (!loci__tar_number(p, NUMBER_N, &offset) ||
		    !loci__tar_number(p + NUMBER_N, NUMBER_N, &n))
			return bad_map(err);
		int rc = loci__tar_pieces_add(m, offset, n, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int loci__tar_sparse_old(const unsigned char header[LOCI_TAR_BLOCK], loci_tar_block_fn next,
                         void *arg, struct loci_tar_pieces *m, uint64_t *ret_size,
                         struct loci_error *err)
{
	int64_t size;
	if (!loci__tar_number(header + OLD_REALSIZE, NUMBER_N, &size) || size < 0)
		return bad_map(err);
	bool more = header[OLD_EXTENDED];
	int rc = take_pairs(header + OLD_MAP, OLD_PAIRS, m, err);
	while (rc == 0 && more) {
		const unsigned char *block;
		rc = next(arg, &block, err);
		if (rc < 0)
			return rc;
		more = block[MORE_EXTENDED];
		rc = take_pairs(block, MORE_PAIRS, m, err);
	}
	if (rc == 0)
		*ret_size = (uint64_t)size;
	return rc;
}

int loci__tar_sparse_kind(const struct loci_tar_pax *x)
{
	if (x->sparse_major || x->sparse_minor) {
		const char *major = x->sparse_major ? x->sparse_major : "";
		const char *minor = x->sparse_minor ? x->sparse_minor : "";
		if (!strcmp(major, "1") && !strcmp(minor, "0"))
			return LOCI_TAR_SPARSE_PAX_1_0;
		bool old = !strcmp(major, "0") && (!strcmp(minor, "0") || !strcmp(minor, "1"));
		return old ? LOCI_TAR_SPARSE_PAX : LOCI_TAR_DENSE;
	}
	return x->sparse_map || x->pieces.n ? LOCI_TAR_SPARSE_PAX : LOCI_TAR_DENSE;
}

/* "offset,n,offset,n…" */
static int parse_list(const char *text, struct loci_tar_pieces *m, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	for (;;) {
		uint64_t offset, n;
		if (!loci__take_u64(&c, &offset) || !loci__take_char(&c, ',') ||
		    !loci__take_u64(&c, &n) || offset > INT64_MAX || n > INT64_MAX)
			return bad_map(err);
		int rc = loci__tar_pieces_add(m, (int64_t)offset, (int64_t)n, err);
		if (rc < 0)
			return rc;
		if (loci__cursor_at_end(&c))
			return 0;
		if (!loci__take_char(&c, ','))
			return bad_map(err);
	}
}

int loci__tar_sparse_pax(const struct loci_tar_pax *x, struct loci_tar_pieces *m,
                         struct loci_error *err)
{
	int rc = 0;
	if (x->sparse_offset >= 0)
		return bad_map(err);
	if (x->sparse_map)
		rc = parse_list(x->sparse_map, m, err);
	else
		for (size_t i = 0; rc == 0 && i < x->pieces.n; i++)
			rc = loci__tar_pieces_add(m, (int64_t)x->pieces.p[i].offset,
			                          (int64_t)x->pieces.p[i].n, err);
	/* -1, not given, is as wrong as any other number. */
	if (rc == 0 && (uint64_t)x->sparse_blocks != m->n)
		return bad_map(err);
	return rc;
}

/* Numbers, one a line, in blocks of the content. */
struct lines {
	loci_tar_block_fn next;
	void *arg;
	const unsigned char *block;
	size_t at;
};

static int take_line(struct lines *l, int64_t *ret, struct loci_error *err)
{
	char digits[24];
	size_t n = 0;
	for (;;) {
		if (!l->block || l->at == LOCI_TAR_BLOCK) {
			int rc = l->next(l->arg, &l->block, err);
			if (rc < 0)
				return rc;
			l->at = 0;
		}
		char c = (char)l->block[l->at++];
		if (c == '\n')
			break;
		if (n == sizeof(digits))
			return bad_map(err);
		digits[n++] = c;
	}
	uint64_t v;
	if (!loci__parse_u64(digits, n, &v) || v > INT64_MAX)
		return bad_map(err);
	*ret = (int64_t)v;
	return 0;
}

int loci__tar_sparse_pax_1_0(loci_tar_block_fn next, void *arg, struct loci_tar_pieces *m,
                             struct loci_error *err)
{
	struct lines l = {.next = next, .arg = arg};
	int64_t count, offset, n;
	int rc = take_line(&l, &count, err);
	while (rc == 0 && count-- > 0) {
		rc = take_line(&l, &offset, err);
		if (rc == 0)
			rc = take_line(&l, &n, err);
		if (rc == 0)
			rc = loci__tar_pieces_add(m, offset, n, err);
	}
	return rc;
}

int loci__tar_sparse_check(const struct loci_tar_pieces *m, uint64_t size, uint64_t stored,
                           struct loci_error *err)
{
	uint64_t end = 0, sum = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (m->p[i].offset < end || m->p[i].offset > size ||
		    m->p[i].n > size - m->p[i].offset)
			return loci__err_set(err, LOCI_E_INVALID, "its sparse map is out of range");
		end = m->p[i].offset + m->p[i].n;
		sum += m->p[i].n;
	}
	if (sum != stored)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "its sparse map is for %llu bytes, the archive holds %llu",
		                     (unsigned long long)sum, (unsigned long long)stored);
	return 0;
}
