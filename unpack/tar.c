/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/tar.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "unpack/tar_parts.h"

#include <string.h>

struct loci_tar {
	struct loci_chunks in;
	const unsigned char *p; /* the unread part of the lent chunk */
	size_t n;
	uint64_t at;        /* of p in the stream */
	uint64_t header_at; /* of the header that is being looked at, for messages */
	bool ended;         /* of the archive */
	bool source_failed; /* its error speaks for itself */
	unsigned char split[LOCI_TAR_BLOCK]; /* a block that two chunks share */

	/* The current entry's content. */
	uint64_t stored; /* bytes still in the archive */
	size_t padding;  /* behind them */
	size_t piece;    /* of the map, and how much of it was handed out */
	uint64_t piece_at;

	struct loci_tar_pieces map;
	struct loci_tar_header header;
	struct loci_tar_pax pax, global;
	struct loci_buf pax_text, global_text, long_name, long_link;
	bool has_long_name, has_long_link;
	struct loci_tar_entry entry;
};

int loci__tar_new(const struct loci_chunks *in, struct loci_tar **ret, struct loci_error *err)
{
	struct loci_tar *t = calloc(1, sizeof(*t));
	if (!t)
		return loci__err_nomem(err);
	t->in = *in;
	struct loci_buf *texts[] = {&t->pax_text, &t->global_text, &t->long_name, &t->long_link};
	for (size_t i = 0; i < loci__array_len(texts); i++)
		loci__buf_init(texts[i], LOCI_TAR_MAX_PAX + 1);
	*ret = t;
	return 0;
}

void loci__tar_free(struct loci_tar *t)
{
	if (!t)
		return;
	loci__buf_done(&t->pax_text);
	loci__buf_done(&t->global_text);
	loci__buf_done(&t->long_name);
	loci__buf_done(&t->long_link);
	loci__tar_pax_done(&t->pax);
	loci__tar_pax_done(&t->global);
	free(t->map.p);
	free(t);
}

/* ---- the stream ---- */

/* Makes t->n > 0, or gives 0 at the end. */
static int more(struct loci_tar *t, struct loci_error *err)
{
	if (t->n)
		return 1;
	ssize_t n = t->in.next(t->in.arg, &t->p, err);
	t->n = n > 0 ? (size_t)n : 0;
	t->source_failed = n < 0;
	return n < 0 ? (int)n : n > 0;
}

static void eat(struct loci_tar *t, size_t n)
{
	t->p += n;
	t->n -= n;
	t->at += n;
}

static int cut_short(const struct loci_tar *t, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_INVALID, "the archive is cut short at byte %llu",
	                     (unsigned long long)t->at);
}

/* 1 and a block lent until the next call, or 0 at the end of the stream. */
static int take_block(struct loci_tar *t, const unsigned char **ret, struct loci_error *err)
{
	size_t have = 0;
	while (have < LOCI_TAR_BLOCK) {
		int rc = more(t, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return have ? cut_short(t, err) : 0;
		if (have == 0 && t->n >= LOCI_TAR_BLOCK) {
			*ret = t->p;
			eat(t, LOCI_TAR_BLOCK);
			return 1;
		}
		size_t n = LOCI_TAR_BLOCK - have < t->n ? LOCI_TAR_BLOCK - have : t->n;
		memcpy(t->split + have, t->p, n);
		eat(t, n);
		have += n;
	}
	*ret = t->split;
	return 1;
}

/* Passes over n bytes; at the end of the stream some may be missing when lax. */
static int skip(struct loci_tar *t, uint64_t n, bool lax, struct loci_error *err)
{
	while (n) {
		int rc = more(t, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return lax ? 0 : cut_short(t, err);
		size_t step = n < t->n ? (size_t)n : t->n;
		eat(t, step);
		n -= step;
	}
	return 0;
}

static void set_content(struct loci_tar *t, uint64_t size)
{
	t->stored = size;
	t->padding = (size_t)(-size & (LOCI_TAR_BLOCK - 1));
}

/* Some writers leave the last padding out: Go takes that for the end too. */
static int skip_content(struct loci_tar *t, struct loci_error *err)
{
	int rc = skip(t, t->stored, false, err);
	if (rc == 0)
		rc = skip(t, t->padding, true, err);
	t->stored = t->padding = 0;
	return rc;
}

/* The content of an extended header as a string. */
static int take_text(struct loci_tar *t, uint64_t size, struct loci_buf *to, struct loci_error *err)
{
	if (size > LOCI_TAR_MAX_PAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "its extended header has %llu bytes, the limit is %d",
		                     (unsigned long long)size, LOCI_TAR_MAX_PAX);
	loci__buf_reset(to);
	set_content(t, size);
	while (t->stored) {
		int rc = more(t, err);
		if (rc <= 0)
			return rc < 0 ? rc : cut_short(t, err);
		size_t n = t->stored < t->n ? (size_t)t->stored : t->n;
		if (loci__buf_append(to, t->p, n) < 0)
			return loci__buf_check(to, "extended header", err);
		eat(t, n);
		t->stored -= n;
	}
	if (loci__buf_append(to, "", 0) < 0)
		return loci__buf_check(to, "extended header", err);
	return skip_content(t, err);
}

/* ---- entries ---- */

/* 1 and a header, or 0 at the end: two zero blocks, or no more bytes. */
static int take_header(struct loci_tar *t, const unsigned char **ret, struct loci_error *err)
{
	static const unsigned char zero[LOCI_TAR_BLOCK];
	t->header_at = t->at;
	int rc = take_block(t, ret, err);
	if (rc <= 0 || memcmp(*ret, zero, sizeof(zero)))
		return rc;
	rc = take_block(t, ret, err);
	if (rc <= 0)
		return rc;
	if (memcmp(*ret, zero, sizeof(zero)))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "a single block of zeros inside the archive");
	return 0;
}

/* The next header of a file; those that extend it are collected on the way. */
static int take_headers(struct loci_tar *t, const unsigned char **ret, struct loci_error *err)
{
	struct loci_tar_header *h = &t->header;
	loci__tar_pax_reset(&t->pax);
	t->has_long_name = t->has_long_link = false;
	for (;;) {
		int rc = take_header(t, ret, err);
		if (rc > 0 && (rc = loci__tar_header_parse(*ret, h, err)) == 0)
			rc = 1;
		if (rc <= 0)
			return rc;
		uint64_t size = (uint64_t)h->size;
		switch (h->type) {
		case 'x':
			loci__tar_pax_reset(&t->pax);
			rc = take_text(t, size, &t->pax_text, err);
			if (rc == 0)
				rc = loci__tar_pax_parse(&t->pax, t->pax_text.p, t->pax_text.len,
				                         err);
			break;
		case 'g':
			/* Checked and dropped: Go gives it to the caller, and no engine looks. */
			loci__tar_pax_reset(&t->global);
			rc = take_text(t, size, &t->global_text, err);
			if (rc == 0)
				rc = loci__tar_pax_parse(&t->global, t->global_text.p,
				                         t->global_text.len, err);
			/* To Go it is an entry of its own: what stood before it was about it. */
			loci__tar_pax_reset(&t->pax);
			t->has_long_name = t->has_long_link = false;
			break;
		case 'L':
			t->has_long_name = true;
			rc = take_text(t, size, &t->long_name, err);
			break;
		case 'K':
			t->has_long_link = true;
			rc = take_text(t, size, &t->long_link, err);
			break;
		default: return 1;
		}
		if (rc < 0)
			return rc;
	}
}

static void merge(struct loci_tar *t)
{
	const struct loci_tar_pax *x = &t->pax;
	struct loci_tar_header *h = &t->header;
	struct loci_tar_entry *e = &t->entry;
	*e = (struct loci_tar_entry){
	        .type = h->type,
	        .name = x->path ? x->path : h->name,
	        .link = x->linkpath ? x->linkpath : h->link,
	        .size = (uint64_t)(x->has_size ? x->size : h->size),
	        .mode = h->mode,
	        .uid = x->has_uid ? x->uid : h->uid,
	        .gid = x->has_gid ? x->gid : h->gid,
	        .dev_major = h->dev_major,
	        .dev_minor = h->dev_minor,
	        .mtime = x->has_mtime ? x->mtime : h->mtime,
	        .mtime_ns = x->has_mtime ? x->mtime_ns : 0,
	        .xattrs = x->xattrs,
	        .n_xattrs = x->n_xattrs,
	};
	if (t->has_long_name && t->long_name.p && t->long_name.p[0])
		e->name = t->long_name.p;
	if (t->has_long_link && t->long_link.p && t->long_link.p[0])
		e->link = t->long_link.p;
}

/* From the byte in the header to what is made. */
static int settle_type(struct loci_tar *t, struct loci_error *err)
{
	struct loci_tar_entry *e = &t->entry;
	size_t n = strlen(e->name);
	switch (e->type) {
	case '\0':
		/* Version 7 knew no directories: a slash at the end made one. */
		e->type = n && e->name[n - 1] == '/' ? LOCI_TAR_DIR : LOCI_TAR_FILE;
		return 0;
	case '7':
	case 'S': e->type = LOCI_TAR_FILE; return 0;
	case LOCI_TAR_FILE:
	case LOCI_TAR_LINK:
	case LOCI_TAR_SYMLINK:
	case LOCI_TAR_CHAR:
	case LOCI_TAR_BLOCKDEV:
	case LOCI_TAR_DIR:
	case LOCI_TAR_FIFO: return 0;
	default:
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "its type is unknown: 0x%02x",
		                     (unsigned char)e->type);
	}
}

/* Blocks for a sparse map in the content: they count as stored bytes. */
static int map_block(void *arg, const unsigned char **ret, struct loci_error *err)
{
	struct loci_tar *t = arg;
	if (t->stored < LOCI_TAR_BLOCK)
		return loci__err_set(err, LOCI_E_INVALID, "its sparse map is malformed");
	int rc = take_block(t, ret, err);
	if (rc > 0)
		t->stored -= LOCI_TAR_BLOCK;
	return rc == 0 ? cut_short(t, err) : rc;
}

/* Blocks of an old sparse map stand before the content and are not counted. */
static int extra_block(void *arg, const unsigned char **ret, struct loci_error *err)
{
	int rc = take_block(arg, ret, err);
	return rc == 0 ? cut_short(arg, err) : rc;
}

static int settle_pax_sparse(struct loci_tar *t, int kind, struct loci_error *err)
{
	struct loci_tar_entry *e = &t->entry;
	const struct loci_tar_pax *x = &t->pax;
	if (x->sparse_name)
		e->name = x->sparse_name;
	/* As Go: realsize counts where size is missing, whatever their order. */
	int64_t size = x->has_sparse_size ? x->sparse_size : x->sparse_realsize;
	if (size < 0)
		return loci__err_set(err, LOCI_E_INVALID, "its size is negative");
	if (x->has_sparse_size || x->has_sparse_realsize)
		e->size = (uint64_t)size;
	return kind == LOCI_TAR_SPARSE_PAX_1_0
	               ? loci__tar_sparse_pax_1_0(map_block, t, &t->map, err)
	               : loci__tar_sparse_pax(x, &t->map, err);
}

/* How long the content is and which parts of the file it holds. */
static int settle_content(struct loci_tar *t, const unsigned char *block, struct loci_error *err)
{
	struct loci_tar_entry *e = &t->entry;
	t->map.n = t->piece = 0;
	t->piece_at = 0;
	if (t->pax.has_size && t->pax.size < 0)
		return loci__err_set(err, LOCI_E_INVALID, "its size is negative");
	bool old_sparse = t->header.type == 'S';
	int kind = loci__tar_sparse_kind(&t->pax);
	if (e->type != LOCI_TAR_FILE) {
		/* As Go: only files have content, whatever their size says. */
		if (kind != LOCI_TAR_DENSE)
			return loci__err_set(err, LOCI_E_INVALID, "it is sparse and no file");
		e->size = 0;
		set_content(t, 0);
		return 0;
	}
	set_content(t, e->size);
	int rc;
	if (old_sparse && t->header.format != LOCI_TAR_GNU)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "it is sparse in a header that is not GNU's");
	if (old_sparse)
		rc = loci__tar_sparse_old(block, extra_block, t, &t->map, &e->size, err);
	else if (kind != LOCI_TAR_DENSE)
		rc = settle_pax_sparse(t, kind, err);
	else
		return e->size ? loci__tar_pieces_add(&t->map, 0, (int64_t)e->size, err) : 0;
	return rc < 0 ? rc : loci__tar_sparse_check(&t->map, e->size, t->stored, err);
}

static int take_entry(struct loci_tar *t, struct loci_error *err)
{
	const unsigned char *block;
	int rc = take_headers(t, &block, err);
	if (rc <= 0)
		return rc;
	merge(t);
	rc = settle_type(t, err);
	if (rc == 0)
		rc = settle_content(t, block, err);
	return rc < 0 ? rc : 1;
}

int loci__tar_next(struct loci_tar *t, const struct loci_tar_entry **ret, struct loci_error *err)
{
	if (t->ended)
		return 0;
	int rc = skip_content(t, err);
	if (rc < 0)
		return rc;
	rc = take_entry(t, err);
	if (rc < 0)
		return t->source_failed ? rc
		                        : loci__err_prefix(err, rc, "tar header at byte %llu",
		                                           (unsigned long long)t->header_at);
	if (rc == 0)
		t->ended = true;
	else
		*ret = &t->entry;
	return rc;
}

int loci__tar_data(struct loci_tar *t, uint64_t *ret_offset, const unsigned char **ret_p,
                   size_t *ret_n, struct loci_error *err)
{
	while (t->piece < t->map.n && t->piece_at == t->map.p[t->piece].n) {
		t->piece++;
		t->piece_at = 0;
	}
	if (t->piece == t->map.n)
		return 0;
	int rc = more(t, err);
	if (rc <= 0)
		return rc < 0 ? rc : cut_short(t, err);
	const struct loci_tar_piece *piece = &t->map.p[t->piece];
	uint64_t left = piece->n - t->piece_at;
	size_t n = left < t->n ? (size_t)left : t->n;
	*ret_offset = piece->offset + t->piece_at;
	*ret_p = t->p;
	*ret_n = n;
	eat(t, n);
	t->piece_at += n;
	t->stored -= n;
	return 1;
}
