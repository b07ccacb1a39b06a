/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulled images: name → what it resolved to. They are roots: what they lead to is kept.
 *
 * A reference may be longer than a key: a long one is cut and followed by the hash of the whole, so
 * that the rows still stand in the order of the names.
 */
#include "core/store/store.h"

#include "core/base/err.h"

#include <string.h>

#define KEY_TEXT_MAX 440

static int image_key(const char *ref, struct loci__key *ret, struct loci_error *err)
{
	size_t n = strlen(ref);
	ret->n = 0;
	if (n <= KEY_TEXT_MAX) {
		loci__key_text(ret, ref);
		return 0;
	}
	struct loci_digest d;
	int rc = loci_digest_bytes(LOCI_SHA256, ref, n, &d, err);
	if (rc < 0)
		return rc;
	loci__key_bytes(ret, ref, KEY_TEXT_MAX);
	loci__key_bytes(ret, "", 1);
	loci__key_digest(ret, &d);
	return 0;
}

/* pulled_at (8), top, manifest, ref */
static size_t format_row(const struct loci_image *image, char *b)
{
	loci__put_u64le(b, image->pulled_at);
	size_t n = 8;
	n += loci__put_digest(b + n, &image->top);
	n += loci__put_digest(b + n, &image->manifest);
	memcpy(b + n, image->ref, strlen(image->ref));
	return n + strlen(image->ref);
}

static int parse_row(struct loci_slice val, struct loci_image *ret, struct loci_error *err)
{
	if (!loci__take_u64le(&val, &ret->pulled_at) || !loci__take_digest(&val, &ret->top) ||
	    !loci__take_digest(&val, &ret->manifest) || val.n >= sizeof(ret->ref))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of an image is damaged");
	memcpy(ret->ref, val.p, val.n);
	ret->ref[val.n] = '\0';
	return 0;
}

struct image_op {
	const struct loci_image *image;
	struct loci__key key;
	uint64_t lease_until;
};

/* The one row of IMAGE_LAST. */
static struct loci__key last_key(void)
{
	struct loci__key k = {0};
	loci__key_text(&k, "last");
	return k;
}

static int put_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct image_op *o = arg;
	char b[8 + 2 * LOCI_DIGEST_KEY_MAX + LOCI_REF_STR_MAX];
	struct loci__key last = last_key();
	struct loci_slice val = {b, format_row(o->image, b)};
	int rc = loci__txn_put(t, LOCI_INDEX_IMAGE, &o->key, val, err);
	if (rc == 0)
		rc = loci__txn_put(t, LOCI_INDEX_IMAGE_LAST, &last, loci__key_slice(&o->key), err);
	/* Condemned by garbage collection, but still there: from now on they are roots. */
	if (rc == 0)
		rc = loci__lease_revive(t, &o->image->top, o->lease_until, err);
	return rc == 0 ? loci__lease_revive(t, &o->image->manifest, o->lease_until, err) : rc;
}

int loci_image_put(struct loci_store *st, const struct loci_image *image, struct loci_error *err)
{
	struct image_op o = {.image = image, .lease_until = loci__lease_until(st)};
	int rc = loci__store_check(st, err);
	if (rc == 0 && (!image->ref[0] || !memchr(image->ref, '\0', sizeof(image->ref))))
		rc = loci__err_set(err, LOCI_E_INVALID, "image: expected a reference");
	if (rc == 0)
		rc = loci__check_digest(&image->top, err);
	if (rc == 0)
		rc = loci__check_digest(&image->manifest, err);
	if (rc == 0)
		rc = image_key(image->ref, &o.key, err);
	return rc < 0 ? rc : loci__store_write(st, put_op, &o, err);
}

static int last_image_key(struct loci__txn *t, struct loci__key *ret, struct loci_error *err)
{
	struct loci__key last = last_key();
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_IMAGE_LAST, &last, &val, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "no image was pulled yet");
	if (rc < 0)
		return rc;
	ret->n = 0;
	loci__key_bytes(ret, val.p, val.n);
	return 0;
}

int loci_image_get(struct loci_store *st, const char *ref, struct loci_image *ret,
                   struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key k;
	struct loci_slice val;
	int rc = loci__store_check(st, err);
	if (rc == 0 && ref && (!ref[0] || strlen(ref) >= LOCI_REF_STR_MAX))
		rc = loci__err_set(err, LOCI_E_INVALID, "image: expected a reference");
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = ref ? image_key(ref, &k, err) : last_image_key(&t, &k, err);
	if (rc < 0)
		return rc;
	rc = loci__txn_get(&t, LOCI_INDEX_IMAGE, &k, &val, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "image '%s' is not in the store", ref ? ref : "");
	return rc < 0 ? rc : parse_row(val, ret, err);
}
