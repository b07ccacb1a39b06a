/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/manifest_row.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

/* time (8), subject (digest, or one zero byte), length of the media type (1), media type, bytes */

int loci__manifest_row_get(struct loci__txn *t, const struct loci_digest *d,
                           struct loci__manifest_row *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_MANIFEST, &k, &v, err);
	if (rc < 0)
		return rc;
	memset(ret, 0, sizeof(*ret));
	bool ok = loci__take_u64le(&v, &ret->time) && v.n > 0;
	if (ok && v.p[0] == 0) {
		v.p++;
		v.n--;
	} else if (ok) {
		ok = loci__take_digest(&v, &ret->subject);
	}
	size_t type_n = ok && v.n > 0 ? (unsigned char)v.p[0] : 0;
	if (!ok || v.n < 1 + type_n)
		return loci__err_set(err, LOCI_E_INTERNAL, "index: a manifest's row is damaged");
	ret->media_type = (struct loci_slice){v.p + 1, type_n};
	ret->bytes = (struct loci_slice){v.p + 1 + type_n, v.n - 1 - type_n};
	return 0;
}

int loci__manifest_row_put(struct loci__txn *t, const struct loci_digest *d,
                           const struct loci__manifest_row *row, struct loci_error *err)
{
	size_t max = 8 + LOCI_DIGEST_KEY_MAX + 1 + row->media_type.n + row->bytes.n;
	loci__cleanup_free char *b = malloc(max);
	if (!b)
		return loci__err_nomem(err);
	loci__put_u64le(b, row->time);
	size_t n = 8;
	if (row->subject.alg)
		n += loci__put_digest(b + n, &row->subject);
	else
		b[n++] = 0;
	b[n++] = (char)row->media_type.n;
	memcpy(b + n, row->media_type.p, row->media_type.n);
	n += row->media_type.n;
	memcpy(b + n, row->bytes.p, row->bytes.n);
	n += row->bytes.n;
	struct loci__key k = loci__key_of_digest(d);
	return loci__txn_put(t, LOCI_INDEX_MANIFEST, &k, (struct loci_slice){b, n}, err);
}

/* time (8), media type */

int loci__member_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci__member_row *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_MEMBER, &k, &v, err);
	if (rc < 0)
		return rc;
	if (!loci__take_u64le(&v, &ret->time) || v.n > LOCI_MEDIA_TYPE_MAX)
		return loci__err_set(err, LOCI_E_INTERNAL,
		                     "index: the row of a repository's manifest is damaged");
	ret->media_type = v;
	return 0;
}

int loci__member_row_put(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         const struct loci__member_row *row, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	char b[8 + LOCI_MEDIA_TYPE_MAX];
	loci__put_u64le(b, row->time);
	memcpy(b + 8, row->media_type.p, row->media_type.n); /* checked: fits */
	return loci__txn_put(t, LOCI_INDEX_MEMBER, &k,
	                     (struct loci_slice){b, 8 + row->media_type.n}, err);
}
