/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loci_export: first what goes out is gathered, so that a name that is not there costs nothing;
 * then it is written in the order of digests.
 */
#include "registry/transfer/export.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "registry/transfer/layout.h"

#include <fcntl.h>
#include <string.h>

#define COPY_CHUNK ((size_t)256 << 10)

LOCI_DEFINE_CLEANUP(bytes_free_ptr, struct loci_manifest_bytes, loci_manifest_bytes_free)
LOCI_DEFINE_CLEANUP(hasher_free_ptr, struct loci_hasher, loci_hasher_free)

int loci__export_copy(int fd, uint64_t n, const struct loci_digest *d, loci__export_write_fn write,
                      void *arg, struct loci_error *err)
{
	loci__cleanup_free char *chunk = malloc(COPY_CHUNK);
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	struct loci_digest got;
	if (!chunk)
		return loci__err_nomem(err);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	int rc = loci_hasher_new(d->alg, &h, err);
	while (rc == 0 && n) {
		ssize_t got_n = loci__read_full(fd, chunk, n < COPY_CHUNK ? (size_t)n : COPY_CHUNK);
		if (got_n < 0)
			return loci__err_sys(err, "read a blob");
		if (got_n == 0)
			break;
		rc = loci_hasher_update(h, chunk, (size_t)got_n, err);
		if (rc == 0)
			rc = write(arg, chunk, (size_t)got_n, err);
		n -= (uint64_t)got_n;
	}
	if (rc == 0)
		rc = loci_hasher_finish(h, &got, err);
	if (rc == 0 && (n || !loci_digest_equal(&got, d)))
		return loci__err_set(err, LOCI_E_DIGEST_MISMATCH, "the store's copy is damaged");
	return rc;
}

static int tell(struct loci__export *ex, struct loci_error *err)
{
	const struct loci_transfer_event ev = {.kind = LOCI_TRANSFER_PROGRESS,
	                                       .counts = ex->counts};
	if (!ex->opts.event || ex->opts.event(ex->opts.event_arg, &ev) == 0)
		return 0;
	return loci__err_set(err, LOCI_E_CANCELED, "canceled");
}

static void count(struct loci__export *ex, int way, uint64_t n)
{
	struct loci_transfer_counts *c = ex->counts;
	*(way == LOCI_ADOPTED_PRESENT ? &c->blobs_present : &c->blobs) += 1;
	if (way == LOCI_ADOPTED_LINK)
		c->bytes_linked += n;
	else if (way == LOCI_ADOPTED_CLONE)
		c->bytes_cloned += n;
	else if (way == LOCI_ADOPTED_COPY)
		c->bytes_copied += n;
}

static int write_blob(struct loci__export *ex, struct loci__export_sink *sink, const char *path,
                      const struct loci_digest *d, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	uint64_t n;
	int way;
	int rc = loci_blob_open(ex->st, /* repo= */ NULL, d, &fd, &n, err);
	if (rc == 0)
		rc = sink->ops->blob(sink, path, d, fd, n, &way, err);
	if (rc == 0)
		count(ex, way, n);
	return rc;
}

static int write_manifest(struct loci__export *ex, struct loci__export_sink *sink, const char *path,
                          const struct loci_digest *d, struct loci_error *err)
{
	loci__cleanup(bytes_free_ptr) struct loci_manifest_bytes *m = NULL;
	int rc = loci_manifest_get(ex->st, /* repo= */ NULL, /* tag= */ NULL, d, &m, err);
	if (rc == 0)
		rc = sink->ops->bytes(sink, path, m->bytes, m->n, err);
	if (rc == 0)
		ex->counts->manifests++;
	return rc;
}

static int write_one(struct loci__export *ex, struct loci__export_sink *sink,
                     const struct loci_digest *d, struct loci_error *err)
{
	char path[LOCI_SOURCE_PATH_MAX];
	int is_blob = loci__digest_set_add(&ex->manifests, d, err); /* not one of them */
	if (is_blob < 0)
		return is_blob;
	loci__layout_path(d, path);
	int rc = is_blob ? write_blob(ex, sink, path, d, err)
	                 : write_manifest(ex, sink, path, d, err);
	return rc < 0 ? loci__err_prefix(err, rc, "'%s'", path) : tell(ex, err);
}

static int by_digest(const void *a, const void *b)
{
	const struct loci_digest *x = a, *y = b;
	return x->alg != y->alg ? x->alg - y->alg : memcmp(x->bytes, y->bytes, x->len);
}

static int write_all(struct loci__export *ex, struct loci__export_sink *sink,
                     struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(LOCI_LAYOUT_INDEX_MAX);
	int rc = 0;
	if (ex->seen.n)
		qsort(ex->seen.v, ex->seen.n, sizeof(*ex->seen.v), by_digest);
	for (size_t i = 0; rc == 0 && i < ex->seen.n; i++)
		rc = write_one(ex, sink, &ex->seen.v[i], err);
	if (rc < 0)
		return rc;
	loci__buf_puts(&b, "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                   "\",\"manifests\":[");
	loci__buf_append(&b, ex->index.p, ex->index.len);
	loci__buf_puts(&b, "]}");
	rc = loci__buf_check(&b, LOCI_LAYOUT_INDEX, err);
	return rc < 0 ? rc : sink->ops->finish(sink, LOCI_LAYOUT_INDEX, b.p, b.len, err);
}

static bool is_tar(const char *output)
{
	size_t n = strlen(output);
	return !strcmp(output, "-") || (n > 4 && !strcmp(output + n - 4, ".tar"));
}

/* Whether all names are of one repository. */
static int look_at_names(struct loci__export *ex, const char *const *names, size_t n,
                         struct loci_error *err)
{
	char first[LOCI_REPO_MAX + 1], repo[LOCI_REPO_MAX + 1], tag[LOCI_TAG_MAX + 1];
	struct loci_digest d;
	ex->one_repo = true;
	for (size_t i = 0; i < n; i++) {
		int rc = loci__export_name(names[i], i ? repo : first, tag, &d, err);
		if (rc < 0)
			return rc;
		if (i && strcmp(repo, first) != 0)
			ex->one_repo = false;
	}
	return 0;
}

static int gather_and_write(struct loci__export *ex, const char *const *names, size_t n,
                            const char *output, struct loci_error *err)
{
	struct loci__export_sink *sink = NULL;
	int rc = look_at_names(ex, names, n, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = loci__export_add(ex, names[i], err);
	if (rc == 0)
		rc = is_tar(output)
		             ? loci__export_tar_open(output, &sink, err)
		             : loci__export_dir_open(output, ex->opts.flags & LOCI_EXPORT_LINK,
		                                     &sink, err);
	if (rc < 0)
		return rc;
	rc = write_all(ex, sink, err);
	sink->ops->close(sink);
	return rc;
}

int loci_export(struct loci_store *st, const char *const *names, size_t n, const char *output,
                const struct loci_export_opts *opts, struct loci_transfer_counts *counts,
                struct loci_error *err)
{
	struct loci__export ex = {
	        .st = st, .counts = counts, .index = LOCI_BUF_INIT(LOCI_LAYOUT_INDEX_MAX)};
	*counts = (struct loci_transfer_counts){0};
	if (opts)
		memcpy(&ex.opts, opts,
		       opts->struct_size < sizeof(ex.opts) ? opts->struct_size : sizeof(ex.opts));
	int rc = gather_and_write(&ex, names, n, output, err);
	loci__digest_set_done(&ex.seen);
	loci__digest_set_done(&ex.manifests);
	loci__buf_done(&ex.index);
	return rc;
}
