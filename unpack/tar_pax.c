/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended headers: records of the form "LENGTH KEY=VALUE\n" (POSIX pax). An empty value takes the
 * key back, a repeated key's last value counts, unknown keys are passed over.
 */
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "unpack/tar_parts.h"

#include <limits.h>
#include <string.h>

#define XATTR_PREFIX "SCHILY.xattr."

int loci__tar_pieces_add(struct loci_tar_pieces *m, int64_t offset, int64_t n,
                         struct loci_error *err)
{
	if (offset < 0 || n < 0 || n > INT64_MAX - offset)
		return loci__err_set(err, LOCI_E_INVALID, "its sparse map is out of range");
	if (m->n == m->cap) {
		if (m->cap == LOCI_TAR_MAX_PIECES)
			return loci__err_set(err, LOCI_E_TOO_LARGE,
			                     "its sparse map has more than %d pieces",
			                     LOCI_TAR_MAX_PIECES);
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct loci_tar_piece *p = realloc(m->p, cap * sizeof(*p));
		if (!p)
			return loci__err_nomem(err);
		m->p = p;
		m->cap = cap;
	}
	m->p[m->n++] = (struct loci_tar_piece){(uint64_t)offset, (uint64_t)n};
	return 0;
}

void loci__tar_pax_reset(struct loci_tar_pax *x)
{
	struct loci_tar_pieces pieces = x->pieces;
	pieces.n = 0;
	*x = (struct loci_tar_pax){
	        .pieces = pieces, .xattrs = x->xattrs, .sparse_blocks = -1, .sparse_offset = -1};
}

void loci__tar_pax_done(struct loci_tar_pax *x)
{
	free(x->pieces.p);
	free(x->xattrs);
	*x = (struct loci_tar_pax){0};
}

static bool parse_i64(const char *s, size_t n, int64_t *ret)
{
	bool minus = n > 0 && s[0] == '-';
	uint64_t v;
	if (!loci__parse_u64(s + minus, n - minus, &v) || v > INT64_MAX)
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

/* "[-]seconds[.fraction]"; digits beyond nanoseconds are dropped, as Go does. */
static bool parse_time(const char *s, size_t n, int64_t *ret_s, long *ret_ns)
{
	struct loci_cursor c = loci__cursor(s, n);
	bool minus = loci__take_char(&c, '-');
	uint64_t whole;
	if (!loci__take_u64(&c, &whole) || whole > INT64_MAX - 1)
		return false;
	long ns = 0;
	if (loci__take_char(&c, '.')) {
		long unit = 100000000;
		for (; c.p < c.end; c.p++, unit /= 10) {
			if (!loci__is_digit((unsigned char)*c.p))
				return false;
			ns += (*c.p - '0') * unit;
		}
	}
	if (!loci__cursor_at_end(&c))
		return false;
	*ret_s = minus ? -(int64_t)whole - (ns > 0) : (int64_t)whole;
	*ret_ns = minus && ns ? 1000000000 - ns : ns;
	return true;
}

static int bad_value(struct loci_error *err, const char *key)
{
	return loci__err_set(err, LOCI_E_INVALID, "its extended header: bad value of '%s'", key);
}

static int set_number(const char *key, const char *v, size_t n, bool *ret_has, int64_t *ret,
                      struct loci_error *err)
{
	*ret_has = n > 0;
	return n == 0 || parse_i64(v, n, ret) ? 0 : bad_value(err, key);
}

/* Format 0.0: offset and numbytes alternate. */
static int add_piece(struct loci_tar_pax *x, bool is_offset, const char *key, const char *v,
                     size_t n, struct loci_error *err)
{
	int64_t number;
	if (!parse_i64(v, n, &number) || number < 0 || is_offset != (x->sparse_offset < 0))
		return bad_value(err, key);
	if (is_offset) {
		x->sparse_offset = number;
		return 0;
	}
	int rc = loci__tar_pieces_add(&x->pieces, x->sparse_offset, number, err);
	x->sparse_offset = -1;
	return rc;
}

static int add_xattr(struct loci_tar_pax *x, const char *key, const char *v, size_t n,
                     struct loci_error *err)
{
	if (x->n_xattrs == LOCI_TAR_MAX_XATTRS)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "it has more than %d extended attributes",
		                     LOCI_TAR_MAX_XATTRS);
	if (!x->xattrs && !(x->xattrs = calloc(LOCI_TAR_MAX_XATTRS, sizeof(*x->xattrs))))
		return loci__err_nomem(err);
	x->xattrs[x->n_xattrs++] = (struct loci_tar_xattr){key + strlen(XATTR_PREFIX), v, n};
	return 0;
}

enum key {
	KEY_PATH,
	KEY_LINKPATH,
	KEY_UID,
	KEY_GID,
	KEY_SIZE,
	KEY_MTIME,
	KEY_SPARSE_NAME,
	KEY_SPARSE_SIZE,
	KEY_SPARSE_REALSIZE,
	KEY_SPARSE_MAP,
	KEY_SPARSE_MAJOR,
	KEY_SPARSE_MINOR,
	KEY_SPARSE_BLOCKS,
	KEY_SPARSE_OFFSET,
	KEY_SPARSE_BYTES,
	KEY_UNUSED
};
static const struct {
	const char *text;
	enum key key;
} keys[] = {
        {"path", KEY_PATH},
        {"linkpath", KEY_LINKPATH},
        {"uid", KEY_UID},
        {"gid", KEY_GID},
        {"size", KEY_SIZE},
        {"mtime", KEY_MTIME},
        {"uname", KEY_UNUSED}, /* known only so that a NUL in it is refused */
        {"gname", KEY_UNUSED},
        {"GNU.sparse.name", KEY_SPARSE_NAME},
        {"GNU.sparse.size", KEY_SPARSE_SIZE},
        {"GNU.sparse.realsize", KEY_SPARSE_REALSIZE},
        {"GNU.sparse.map", KEY_SPARSE_MAP},
        {"GNU.sparse.major", KEY_SPARSE_MAJOR},
        {"GNU.sparse.minor", KEY_SPARSE_MINOR},
        {"GNU.sparse.numblocks", KEY_SPARSE_BLOCKS},
        {"GNU.sparse.offset", KEY_SPARSE_OFFSET},
        {"GNU.sparse.numbytes", KEY_SPARSE_BYTES},
};

static int apply(struct loci_tar_pax *x, enum key key, const char *name, const char *v, size_t n,
                 struct loci_error *err)
{
	bool has;
	const char *text = n ? v : NULL;
	switch (key) {
	case KEY_PATH: x->path = text; return 0;
	case KEY_LINKPATH: x->linkpath = text; return 0;
	case KEY_SPARSE_NAME: x->sparse_name = text; return 0;
	case KEY_SPARSE_MAP: x->sparse_map = text; return 0;
	case KEY_SPARSE_MAJOR: x->sparse_major = text; return 0;
	case KEY_SPARSE_MINOR: x->sparse_minor = text; return 0;
	case KEY_UID: return set_number(name, v, n, &x->has_uid, &x->uid, err);
	case KEY_GID: return set_number(name, v, n, &x->has_gid, &x->gid, err);
	case KEY_SIZE: return set_number(name, v, n, &x->has_size, &x->size, err);
	case KEY_SPARSE_SIZE:
		return set_number(name, v, n, &x->has_sparse_size, &x->sparse_size, err);
	case KEY_SPARSE_REALSIZE:
		return set_number(name, v, n, &x->has_sparse_realsize, &x->sparse_realsize, err);
	case KEY_SPARSE_BLOCKS: return set_number(name, v, n, &has, &x->sparse_blocks, err);
	case KEY_SPARSE_OFFSET: return add_piece(x, true, name, v, n, err);
	case KEY_SPARSE_BYTES: return add_piece(x, false, name, v, n, err);
	case KEY_MTIME:
		x->has_mtime = n > 0;
		return n == 0 || parse_time(v, n, &x->mtime, &x->mtime_ns) ? 0
		                                                           : bad_value(err, name);
	case KEY_UNUSED: return 0;
	}
	return 0;
}

/* key and v are strings now; n is the length of v, which may hold NULs. */
static int take_record(struct loci_tar_pax *x, const char *key, const char *v, size_t n,
                       struct loci_error *err)
{
	if (!strncmp(key, XATTR_PREFIX, strlen(XATTR_PREFIX)))
		return add_xattr(x, key, v, n, err);
	for (size_t i = 0; i < loci__array_len(keys); i++) {
		if (strcmp(key, keys[i].text))
			continue;
		/* A name that is cut at a NUL here and not there is two names. */
		return memchr(v, 0, n) ? bad_value(err, key)
		                       : apply(x, keys[i].key, key, v, n, err);
	}
	return 0;
}

int loci__tar_pax_parse(struct loci_tar_pax *x, char *p, size_t n, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(p, n);
	x->present = true;
	while (!loci__cursor_at_end(&c)) {
		char *begin = p + (c.p - p);
		uint64_t length;
		if (!loci__take_u64(&c, &length) || !loci__take_char(&c, ' '))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "its extended header: a record without a length");
		size_t head = (size_t)(c.p - begin);
		if (length <= head || length > (uint64_t)(c.end - begin) ||
		    begin[length - 1] != '\n')
			return loci__err_set(err, LOCI_E_INVALID,
			                     "its extended header: a record's length is wrong");
		char *key = begin + head, *end = begin + length - 1;
		char *equals = memchr(key, '=', (size_t)(end - key));
		if (!equals || equals == key || memchr(key, 0, (size_t)(equals - key)))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "its extended header: a record without a key");
		*equals = *end = '\0';
		int rc = take_record(x, key, equals + 1, (size_t)(end - equals - 1), err);
		if (rc < 0)
			return rc;
		c.p = end + 1;
	}
	return 0;
}
