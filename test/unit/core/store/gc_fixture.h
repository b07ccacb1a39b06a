/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of garbage collection share: passes that do not wait, ageing, counting. */
#ifndef LOCI_TEST_GC_FIXTURE_H
#define LOCI_TEST_GC_FIXTURE_H

#include "store_fixture.h"

#include "core/store/gc.h"

/* As if everything was old and nobody else was there. */
#define GC_NOW (LOCI_GC_NO_LEASE | LOCI_GC_NO_GRACE)

int gc_try(struct loci_store *st, unsigned flags, const struct loci__gc_hook *hook,
           struct loci_gc_stats *ret, struct loci_error *err);
/* Must succeed. */
struct loci_gc_stats gc_run(struct loci_store *st, unsigned flags,
                            const struct loci__gc_hook *hook);

/* The link's time and the digest's lease become long past. */
void gc_age(struct loci_store *st, const char *repo, const struct loci_digest *d);
unsigned count_rows(struct loci_store *st, int table);
/* All tables but IMAGE_LAST; prints the ones that are not empty. */
unsigned count_all_rows(struct loci_store *st);
unsigned count_files(const struct fixture *f);
bool has_file(const struct fixture *f, const struct loci_digest *d);
void blob_path(const struct fixture *f, const struct loci_digest *d, char *path, size_t size);
/* A file of a blob without a row, written age_s seconds ago. */
void make_orphan(const struct fixture *f, const char *text, unsigned age_s,
                 struct loci_digest *ret);

/* Any manifest text; repo may be NULL. */
struct loci_digest put_text(struct loci_store *st, const char *repo, const char *type,
                            const char *text, unsigned flags);
/* An index over manifests. */
struct loci_digest put_index(struct loci_store *st, const char *repo, const struct loci_digest *d,
                             size_t n, const char *note);
bool has_manifest(struct loci_store *st, const char *repo, const struct loci_digest *d);

#endif
