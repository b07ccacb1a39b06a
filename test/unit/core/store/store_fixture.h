/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store's tests share: a temporary directory, small images, children that run with the
 * store and report by their exit status.
 */
#ifndef LOCI_TEST_STORE_FIXTURE_H
#define LOCI_TEST_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/store/store.h"

#include <stdbool.h>
#include <sys/types.h>

/* A directory below $TMPDIR or /tmp; the store is dir/store. */
struct fixture {
	char dir[256];
	char store[300];
	struct loci_store *st; /* open, unless a test closed it */
};
int fixture_setup(void **state);       /* opens the store */
int fixture_setup_empty(void **state); /* does not */
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f);
struct loci_store *open_store(const char *dir);

/* Succeed or fail the test, with the error's text. */
#define assert_loci_ok(call)                                                        \
	do {                                                                        \
		struct loci_error e_ = {0}; /* the calls say &e_ */                 \
		int rc_ = (call);                                                   \
		if (rc_ < 0)                                                        \
			fail_msg("%s: %s: %s", #call, loci_code_name(rc_), e_.msg); \
	} while (0)
#define assert_loci_code(code, call)                                                         \
	do {                                                                                 \
		struct loci_error e_ = {0};                                                  \
		int rc_ = (call);                                                            \
		if (rc_ != (code))                                                           \
			fail_msg("%s: expected %s, got %s: %s", #call, loci_code_name(code), \
			         loci_code_name(rc_), e_.msg);                               \
	} while (0)
/* In a child: no cmocka there. */
#define child_check(cond) child_check_at((cond), #cond, __FILE__, __LINE__)
void child_check_at(bool ok, const char *what, const char *file, int line);

struct loci_digest digest_of(const void *p, size_t n);
/* Whether the repository (NULL: the store) has the blob; its content is hashed again. */
bool has_blob(struct loci_store *st, const char *repo, const struct loci_digest *d);
bool has_tag(struct loci_store *st, const char *repo, const char *tag,
             const struct loci_digest *want);

/* What the store has kept of its usage is what counting anew gives. */
void assert_usage_is_right(struct loci_store *st);

/* An image manifest over one config and one layer blob, both of their text. The bytes are the
 * caller's to free. */
struct image {
	struct loci_digest config;
	struct loci_digest layer;
	char *manifest;
	size_t n;
	struct loci_digest digest;
};
void image_make(struct image *im, const char *config, const char *layer, const char *subject);
void image_done(struct image *im);
void image_push(struct loci_store *st, const char *repo, const struct image *im, const char *config,
                const char *layer, const char *tag);
int image_put(struct loci_store *st, const char *repo, const struct image *im, const char *tag,
              unsigned flags, struct loci_manifest_put_result *res, struct loci_error *err);

/* An index over the images, which are in the repository. */
struct loci_digest index_push(struct loci_store *st, const char *repo, const struct image *images,
                              size_t n, const char *tag);

/* Runs fn in a forked child; the store must not be open here. */
pid_t child_start(int (*fn)(void *arg), void *arg);
int child_wait(pid_t pid); /* exit status, or 128 + signal */
/* As process 1 of a new PID namespace; false when that is not allowed here. The pid returned is of
 * a process that ends with the same status. */
bool child_start_in_pidns(int (*fn)(void *arg), void *arg, pid_t *ret);

#endif
