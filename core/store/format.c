/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/format.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#define FORMAT_WORD     "loci-store "
#define FORMAT_FILE_MAX 256

int loci__format_read(int dirfd, const char *dir, unsigned *ret, struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	uint64_t version;
	int rc = loci__read_file(dirfd, LOCI_FORMAT_FILE, FORMAT_FILE_MAX, &text, &n, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "no store at '%s'", dir);
	if (rc < 0)
		return rc;
	struct loci_cursor c = loci__cursor(text, n);
	if (!loci__take_text(&c, FORMAT_WORD) || !loci__take_u64(&c, &version) || version == 0)
		return loci__err_set(
		        err, LOCI_E_INVALID,
		        "'%s/" LOCI_FORMAT_FILE "': expected '" FORMAT_WORD "<number>'", dir);
	if (version > LOCI_FORMAT_NOW)
		return loci__err_set(
		        err, LOCI_E_UNSUPPORTED,
		        "store '%s' has format %llu, made by a newer version; this one "
		        "knows formats up to %d",
		        dir, (unsigned long long)version, LOCI_FORMAT_NOW);
	*ret = (unsigned)version;
	return 0;
}

int loci__format_write(int dirfd, unsigned version, struct loci_error *err)
{
	char text[FORMAT_FILE_MAX];
	int n = snprintf(text, sizeof(text), FORMAT_WORD "%u\n", version);
	return loci__write_file_atomic(dirfd, LOCI_FORMAT_FILE, text, (size_t)n, 0644,
	                               /* sync= */ true, err);
}

static int lock_as(int dirfd, int how, const char *dir, struct loci_error *err)
{
	int rc;
	do
		rc = flock(dirfd, how);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? loci__err_sys(err, "lock '%s'", dir) : 0;
}

int loci__format_lock(int dirfd, const char *dir, unsigned *ret, struct loci_error *err)
{
	int rc = lock_as(dirfd, LOCK_SH, dir, err);
	if (rc == 0)
		rc = loci__format_read(dirfd, dir, ret, err);
	if (rc < 0 || *ret == LOCI_FORMAT_NOW)
		return rc;
	/* The kernel gives the shared lock up first: a peer may migrate it in between. */
	rc = lock_as(dirfd, LOCK_EX, dir, err);
	return rc < 0 ? rc : loci__format_read(dirfd, dir, ret, err);
}

void loci__format_unlock(int dirfd)
{
	flock(dirfd, LOCK_UN);
}
