/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/link_row.h"

#include "core/base/clock.h"
#include "core/base/err.h"

/* time (8); of a condemned one 0 (8) and when (8) */

bool loci__link_row_parse(struct loci_slice val, struct loci__link_row *ret)
{
	*ret = (struct loci__link_row){0};
	if (!loci__take_u64le(&val, &ret->time))
		return false;
	return ret->time || loci__take_u64le(&val, &ret->condemned);
}

int loci__link_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                       struct loci__link_row *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_LINK, &k, &val, err);
	if (rc == 0 && !loci__link_row_parse(val, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a link is damaged");
	return rc;
}

int loci__link_row_put(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                       struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	return loci__txn_put_u64(t, LOCI_INDEX_LINK, &k, loci__clock_epoch(), err);
}

int loci__link_row_condemn(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                           uint64_t now, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	char b[16];
	loci__put_u64le(b, 0);
	loci__put_u64le(b + 8, now);
	return loci__txn_put(t, LOCI_INDEX_LINK, &k, (struct loci_slice){b, sizeof(b)}, err);
}

int loci__link_find(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                    struct loci_error *err)
{
	struct loci__link_row row;
	int rc = loci__link_row_get(t, repo, d, &row, err);
	return rc == 0 && row.condemned ? LOCI_E_NOT_FOUND : rc;
}
