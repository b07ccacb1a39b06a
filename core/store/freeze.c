/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark against writing: a file in the store, so that one command stops every process on it and
 * a crash of any of them does not lift it. It is looked at inside each write transaction, which
 * serialises the index's writers of all processes: once a transaction of our own has been refused,
 * no older one is open, and whoever copies the store finds it at rest.
 */
#include "core/store/freeze.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/store/store.h"

#include <fcntl.h>
#include <string.h>

#define MARK      "read-only"
#define MARK_PATH "run/" MARK

/* Whatever keeps us from looking counts as a mark: it was put there so that nobody writes. */
bool loci__is_frozen(int dirfd)
{
	return faccessat(dirfd, MARK_PATH, F_OK, 0) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int loci__check_frozen(const void *dirfd, struct loci_error *err)
{
	if (!loci__is_frozen(*(const int *)dirfd))
		return 0;
	return loci__err_set(err, LOCI_E_READ_ONLY, "the store is marked read-only");
}

bool loci_store_is_frozen(const struct loci_store *st)
{
	return *st->sh->alive && loci__is_frozen(st->sh->dirfd);
}

int loci_store_frozen(struct loci_store *st, struct loci_store_freeze *ret, struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	struct stat file;
	size_t n;
	int rc = loci__store_check(st, err);
	if (rc < 0)
		return rc;
	if (fstatat(st->sh->dirfd, MARK_PATH, &file, 0) < 0)
		return loci__err_sys(err, "read-only mark");
	rc = loci__read_file(st->sh->dirfd, MARK_PATH, sizeof(ret->reason) - 1, &text, &n, err);
	if (rc < 0)
		return rc;
	*ret = (struct loci_store_freeze){.since = (uint64_t)file.st_mtime};
	memcpy(ret->reason, text, n);
	return 0;
}

static int open_run(struct loci_store *st, int *ret, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	return rc < 0 ? rc : loci__mkdirs_open(st->sh->dirfd, "run", 0700, ret, err);
}

static int do_nothing(struct loci__txn *t, void *arg, struct loci_error *err)
{
	(void)t;
	(void)arg;
	(void)err;
	return 0;
}

int loci_store_freeze(struct loci_store *st, const char *reason, struct loci_error *err)
{
	loci__cleanup_close int run = -1;
	size_t n = reason ? strlen(reason) : 0;
	if (n >= LOCI_FREEZE_REASON_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "reason of more than %d bytes",
		                     LOCI_FREEZE_REASON_MAX - 1);
	int rc = open_run(st, &run, err);
	if (rc == 0)
		rc = loci__write_file_atomic(run, MARK, reason, n, 0600, /* sync= */ true, err);
	if (rc == 0)
		rc = loci__store_write(st, do_nothing, NULL, err);
	if (rc == LOCI_E_READ_ONLY)
		return 0;
	return rc < 0 ? rc
	              : loci__err_set(err, LOCI_E_BUSY, "read-only mark: it was lifted meanwhile");
}

int loci_store_thaw(struct loci_store *st, struct loci_error *err)
{
	loci__cleanup_close int run = -1;
	int rc = open_run(st, &run, err);
	if (rc < 0)
		return rc;
	if (unlinkat(run, MARK, 0) < 0 || loci__sync_dir(run) < 0)
		return loci__err_sys(err, "lift the read-only mark");
	return 0;
}
