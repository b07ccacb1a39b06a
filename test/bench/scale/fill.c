/* SPDX-License-Identifier: Apache-2.0 */
#include "fill.h"

#include "core/base/clock.h"
#include "core/store/link_row.h"
#include "core/store/manifest_row.h"
#include "core/store/store.h"
#include "core/store/usage.h"
#include "images.h"
#include "loci/manifest.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MIN ((uint64_t)20000)   /* images */
#define STEP_MAX ((uint64_t)2000000) /* bounds the memory: some 250 bytes an image */
#define TXN_ROWS ((size_t)65536)     /* 256 MiB of pages at most, and far less as a rule */

/* A row to be written: enough of its key for the order, and which it is. */
struct ref {
	uint64_t key[2];
	uint32_t image;
	uint32_t n;
};

struct step {
	struct loci_store *st;
	uint64_t from;
	size_t n_images;
	struct loci_digest *manifests; /* of image from + index */
	struct ref *refs;
	size_t n_refs;
	const struct table *table;
	size_t done; /* refs */
};

/* How a table's rows are ordered, and one of them written. */
struct table {
	const char *name;
	unsigned rows;  /* an image */
	bool is_shared; /* rows of several images may be the same one */
	void (*order)(const struct step *s, uint64_t i, unsigned n, uint64_t key[2]);
	int (*put)(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
	           struct loci_error *err);
};

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_scale: %s: %s\n", what, err->msg);
	exit(1);
}

static const struct loci_digest *manifest_of(const struct step *s, uint64_t i)
{
	return &s->manifests[i - s->from];
}

static void order_by_digest(const struct loci_digest *d, uint64_t key[2])
{
	memcpy(key, d->bytes, 2 * sizeof(*key));
	key[0] = be64toh(key[0]);
	key[1] = be64toh(key[1]);
}

static void order_by_manifest(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	(void)n;
	order_by_digest(manifest_of(s, i), key);
}

static void order_by_blob(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	struct loci_digest d;
	(void)s;
	image_blob(i, n, &d, NULL);
	order_by_digest(&d, key);
}

static void order_by_repo(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	struct image_name name;
	(void)s;
	(void)n;
	image_name(i, &name);
	key[0] = name.repo_rank;
	key[1] = i;
}

static void order_by_repo_manifest(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	uint64_t digest[2];
	order_by_repo(s, i, n, key);
	order_by_manifest(s, i, n, digest);
	key[1] = digest[0];
}

static void order_by_repo_blob(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	uint64_t digest[2];
	order_by_repo(s, i, n, key);
	order_by_blob(s, i, n, digest);
	key[1] = digest[0];
}

static void order_by_blob_manifest(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	uint64_t digest[2];
	order_by_blob(s, i, n, key);
	order_by_manifest(s, i, n, digest);
	key[1] = digest[0];
}

static void order_by_blob_repo(const struct step *s, uint64_t i, unsigned n, uint64_t key[2])
{
	uint64_t repo[2];
	order_by_blob(s, i, n, key);
	order_by_repo(s, i, n, repo);
	key[1] = repo[0];
}

static const struct loci_slice nothing = {"", 0};

static int put_manifest(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                        struct loci_error *err)
{
	char text[IMAGE_TEXT];
	(void)n;
	const struct loci__manifest_row row = {
	        .time = loci__clock_epoch(),
	        .media_type = {LOCI_MEDIA_OCI_MANIFEST, strlen(LOCI_MEDIA_OCI_MANIFEST)},
	        .bytes = {text, image_manifest(i, 0, text)},
	};
	return loci__manifest_row_put(t, manifest_of(s, i), &row, err);
}

static int put_member(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                      struct loci_error *err)
{
	struct image_name name;
	const struct loci__member_row row = {
	        .time = loci__clock_epoch(),
	        .media_type = {LOCI_MEDIA_OCI_MANIFEST, strlen(LOCI_MEDIA_OCI_MANIFEST)},
	};
	(void)n;
	image_name(i, &name);
	return loci__member_row_put(t, name.repo, manifest_of(s, i), &row, err);
}

/* The repository's row counts its manifests. */
static int put_repo(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                    struct loci_error *err)
{
	struct image_name name;
	struct loci__key k = {0};
	uint64_t count = 0;
	(void)s;
	(void)n;
	image_name(i, &name);
	loci__key_text(&k, name.repo);
	int rc = loci__txn_get_u64(t, LOCI_INDEX_REPO, &k, &count, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	return loci__txn_put_u64(t, LOCI_INDEX_REPO, &k, count + 1, err);
}

static int put_tag(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                   struct loci_error *err)
{
	struct image_name name;
	char val[LOCI_DIGEST_KEY_MAX + 8];
	(void)n;
	image_name(i, &name);
	const struct loci__key k = loci__key_of_repo_text(name.repo, name.tag);
	const size_t at = loci__put_digest(val, manifest_of(s, i));
	loci__put_u64le(val + at, loci__clock_epoch());
	return loci__txn_put(t, LOCI_INDEX_TAG, &k, (struct loci_slice){val, at + 8}, err);
}

static int put_tag_of(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                      struct loci_error *err)
{
	struct image_name name;
	(void)n;
	image_name(i, &name);
	struct loci__key k = loci__key_of_repo_digest(name.repo, manifest_of(s, i));
	loci__key_text(&k, name.tag);
	return loci__txn_put(t, LOCI_INDEX_TAG_OF, &k, nothing, err);
}

static int put_parent(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                      struct loci_error *err)
{
	struct loci_digest d;
	image_blob(i, n, &d, NULL);
	struct loci__key k = loci__key_of_digest(&d);
	loci__key_digest(&k, manifest_of(s, i));
	return loci__txn_put(t, LOCI_INDEX_PARENT, &k, nothing, err);
}

static int put_blob(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                    struct loci_error *err)
{
	struct loci__blob_row row = {.time = loci__clock_epoch()};
	struct loci_digest d;
	(void)s;
	image_blob(i, n, &d, &row.size);
	return loci__blob_row_put(t, &d, &row, err);
}

static int put_lease(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                     struct loci_error *err)
{
	struct loci_digest d;
	image_blob(i, n, &d, NULL);
	return loci__lease_put(t, &d, loci__lease_until(s->st), err);
}

static int put_link(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                    struct loci_error *err)
{
	struct image_name name;
	struct loci_digest d;
	(void)s;
	image_name(i, &name);
	image_blob(i, n, &d, NULL);
	return loci__link_row_put(t, name.repo, &d, err);
}

static int put_holder(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                      struct loci_error *err)
{
	struct image_name name;
	struct loci_digest d;
	(void)s;
	image_name(i, &name);
	image_blob(i, n, &d, NULL);
	const struct loci__key k = loci__key_of_holder(&d, LOCI_HOLDER_LINK, name.repo);
	return loci__txn_put(t, LOCI_INDEX_HOLDER, &k, nothing, err);
}

static int put_member_holder(struct loci__txn *t, const struct step *s, uint64_t i, unsigned n,
                             struct loci_error *err)
{
	struct image_name name;
	(void)n;
	image_name(i, &name);
	const struct loci__key k =
	        loci__key_of_holder(manifest_of(s, i), LOCI_HOLDER_MEMBER, name.repo);
	return loci__txn_put(t, LOCI_INDEX_HOLDER, &k, nothing, err);
}

static const struct table tables[] = {
        {"manifest", 1, false, order_by_manifest, put_manifest},
        {"member", 1, false, order_by_repo_manifest, put_member},
        {"repo", 1, false, order_by_repo, put_repo},
        {"tag", 1, false, order_by_repo, put_tag},
        {"tag-of", 1, false, order_by_repo_manifest, put_tag_of},
        {"parent", IMAGE_BLOBS, false, order_by_blob_manifest, put_parent},
        {"blob", IMAGE_BLOBS, true, order_by_blob, put_blob},
        {"lease", IMAGE_BLOBS, true, order_by_blob, put_lease},
        {"link", IMAGE_BLOBS, true, order_by_repo_blob, put_link},
        {"holder of a link", IMAGE_BLOBS, true, order_by_blob_repo, put_holder},
        {"holder of a member", 1, false, order_by_manifest, put_member_holder},
};

static int compare(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;
	if (x->key[0] != y->key[0])
		return x->key[0] < y->key[0] ? -1 : 1;
	return x->key[1] < y->key[1] ? -1 : x->key[1] > y->key[1];
}

static int some_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct step *s = arg;
	size_t end = s->done + TXN_ROWS;
	if (end > s->n_refs)
		end = s->n_refs;
	for (size_t k = s->done; k < end; k++) {
		const struct ref *r = &s->refs[k];
		if (s->table->is_shared && k > s->done && compare(r - 1, r) == 0)
			continue;
		int rc = s->table->put(t, s, s->from + r->image, r->n, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void write_table(struct step *s, const struct table *table)
{
	struct loci_error err = {0};
	s->table = table;
	s->n_refs = 0;
	for (size_t i = 0; i < s->n_images; i++)
		for (unsigned n = 0; n < table->rows; n++) {
			struct ref *r = &s->refs[s->n_refs++];
			*r = (struct ref){.image = (uint32_t)i, .n = n};
			table->order(s, s->from + i, n, r->key);
		}
	qsort(s->refs, s->n_refs, sizeof(*s->refs), compare);
	for (s->done = 0; s->done < s->n_refs; s->done += TXN_ROWS)
		if (loci__store_write(s->st, some_op, s, &err) < 0)
			die(table->name, &err);
}

static void hash_manifests(struct step *s)
{
	char text[IMAGE_TEXT];
	struct loci_error err = {0};
	for (size_t i = 0; i < s->n_images; i++) {
		const size_t n = image_manifest(s->from + i, 0, text);
		if (loci_digest_bytes(LOCI_SHA256, text, n, &s->manifests[i], &err) < 0)
			die("hash", &err);
	}
}

static uint64_t step_size(uint64_t from, uint64_t to)
{
	uint64_t n = from / 2 < STEP_MIN ? STEP_MIN : from / 2;
	if (n > STEP_MAX)
		n = STEP_MAX;
	return n > to - from ? to - from : n;
}

static void fill_step(struct loci_store *st, uint64_t from, uint64_t n)
{
	struct step s = {.st = st, .from = from, .n_images = n};
	s.manifests = malloc(n * sizeof(*s.manifests));
	s.refs = malloc(n * IMAGE_BLOBS * sizeof(*s.refs));
	if (!s.manifests || !s.refs)
		abort();
	hash_manifests(&s);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		write_table(&s, &tables[i]);
	free(s.manifests);
	free(s.refs);
}

void scale_fill(struct loci_store *st, uint64_t from, uint64_t to)
{
	while (from < to) {
		const uint64_t n = step_size(from, to);
		fill_step(st, from, n);
		from += n;
		fprintf(stderr, "bench_scale: %llu of %llu images\n", (unsigned long long)from,
		        (unsigned long long)to);
	}
}
