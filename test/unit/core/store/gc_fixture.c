/* SPDX-License-Identifier: Apache-2.0 */
#include "gc_fixture.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/hex.h"
#include "core/base/fs.h"
#include "core/store/link_row.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int gc_try(struct loci_store *st, unsigned flags, const struct loci__gc_hook *hook,
           struct loci_gc_stats *ret, struct loci_error *err)
{
	const struct loci_gc_opts o = {.struct_size = sizeof(o), .flags = flags, .share = 100};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	int rc = loci__gc_run_with(st, &o, hook, &stats, err);
	if (ret)
		*ret = stats;
	return rc;
}

struct loci_gc_stats gc_run(struct loci_store *st, unsigned flags, const struct loci__gc_hook *hook)
{
	struct loci_gc_stats stats;
	assert_loci_ok(gc_try(st, flags, hook, &stats, &e_));
	if (!hook) /* with one, somebody may be writing still */
		assert_usage_is_right(st);
	return stats;
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct age_op {
	const char *repo;
	const struct loci_digest *digest;
};

static int age_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct age_op *o = arg;
	struct loci__key lease = loci__key_of_digest(o->digest);
	int rc = loci__txn_put_u64(t, LOCI_INDEX_LEASE, &lease, 1, err);
	if (rc == 0 && o->repo) {
		struct loci__key link = loci__key_of_repo_digest(o->repo, o->digest);
		rc = loci__txn_put_u64(t, LOCI_INDEX_LINK, &link, 1, err);
	}
	return rc;
}

void gc_age(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	struct age_op o = {repo, d};
	assert_loci_ok(loci__store_write(st, age_op, &o, &e_));
}

static int count_row(void *arg, struct loci_slice key, struct loci_slice val)
{
	(void)key;
	(void)val;
	++*(unsigned *)arg;
	return 0;
}

unsigned count_rows(struct loci_store *st, int table)
{
	struct loci__txn t = {0};
	struct loci__key first = {0};
	unsigned n = 0;
	assert_loci_ok(loci__read_begin(st->sh->index, &t, &e_));
	assert_loci_ok(loci__txn_scan(&t, table, &first, count_row, &n, &e_));
	loci__read_end(&t);
	return n;
}

unsigned count_all_rows(struct loci_store *st)
{
	static const char *const names[] = {
#define NAME(sym, name) [LOCI_INDEX_##sym] = name,
	        LOCI_INDEX_TABLE_MAP(NAME)
#undef NAME
	};
	unsigned total = 0;
	for (int table = 0; table < LOCI_INDEX_TABLES; table++) {
		unsigned n = table == LOCI_INDEX_IMAGE_LAST ? 0 : count_rows(st, table);
		if (n)
			print_message("%u rows in '%s'\n", n, names[table]);
		total += n;
	}
	return total;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int count_file(void *arg, const struct loci_digest *d)
{
	(void)d;
	++*(unsigned *)arg;
	return 0;
}

unsigned count_files(const struct fixture *f)
{
	struct loci_blobs *b = f->st->sh->blobs;
	struct loci_blobs_cursor cursor = {{0}};
	unsigned n = 0;
	int rc;
	while ((rc = b->ops->walk(b, &cursor, count_file, &n, NULL)) == 0)
		;
	assert_int_equal(rc, 1);
	return n;
}

void blob_path(const struct fixture *f, const struct loci_digest *d, char *path, size_t size)
{
	char hex[2 * 64 + 1];
	loci__hex_format(d->bytes, d->len, hex);
	snprintf(path, size, "%s/blobs/%s/%.2s/%s", f->store, loci_digest_alg_name(d->alg), hex,
	         hex);
}

bool has_file(const struct fixture *f, const struct loci_digest *d)
{
	char path[600];
	blob_path(f, d, path, sizeof(path));
	return access(path, F_OK) == 0;
}

void make_orphan(const struct fixture *f, const char *text, unsigned age_s, struct loci_digest *ret)
{
	char path[600];
	*ret = digest_of(text, strlen(text));
	blob_path(f, ret, path, sizeof(path));
	*strrchr(path, '/') = '\0';
	loci__cleanup_close int dirfd = -1;
	assert_loci_ok(loci__mkdirs_open(AT_FDCWD, path, 0700, &dirfd, &e_));
	blob_path(f, ret, path, sizeof(path));
	loci__cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(loci__write_all(fd, text, strlen(text)), 0);
	struct timespec times[2];
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	assert_int_equal(futimens(fd, times), 0);
}

/* ---- manifests ------------------------------------------------------------------------------- */

struct loci_digest put_text(struct loci_store *st, const char *repo, const char *type,
                            const char *text, unsigned flags)
{
	struct loci_manifest_put_result res = {0};
	const struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = type,
	        .bytes = text,
	        .n = strlen(text),
	        .flags = flags,
	};
	assert_loci_ok(loci_manifest_put(st, repo, &put, &res, &e_));
	return res.digest;
}

struct loci_digest put_index(struct loci_store *st, const char *repo, const struct loci_digest *d,
                             size_t n, const char *note)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1 << 20);
	char text[LOCI_DIGEST_STR_MAX];
	loci__buf_printf(&b,
	                 "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                 "\",\"annotations\":{\"note\":\"%s\"},\"manifests\":[",
	                 note);
	for (size_t i = 0; i < n; i++) {
		loci_digest_format(&d[i], text);
		loci__buf_printf(&b, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1}",
		                 i ? "," : "", LOCI_MEDIA_OCI_MANIFEST, text);
	}
	loci__buf_puts(&b, "]}");
	assert_int_equal(b.failed, 0);
	return put_text(st, repo, LOCI_MEDIA_OCI_INDEX, b.p, 0);
}

bool has_manifest(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	struct loci_manifest_bytes *m;
	if (loci_manifest_get(st, repo, NULL, d, &m, NULL) < 0)
		return false;
	loci_manifest_bytes_free(m);
	return true;
}
