/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a scrub was stopped: a line in run/scrub/, whose directory's lock also keeps a second scrub
 * away. Losing it costs reading again, so nothing is synced.
 */
#include "core/store/scrub.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define MARK_NAME "mark"
#define MARK_MAX  ((size_t)256)

static const struct {
	const char *word;
	int table;
} words[] = {{"blob ", LOCI_INDEX_BLOB}, {"manifest ", LOCI_INDEX_MANIFEST}};

int loci__scrub_mark_open(struct loci_store *st, int *ret_fd, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	int rc = loci_store_subdir(st, "scrub", &fd, err);
	if (rc < 0)
		return rc;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? loci__err_set(err, LOCI_E_BUSY,
		                               "another scrub of this store is at work")
		               : loci__err_sys(err, "lock the scrub's directory");
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

bool loci__scrub_mark_parse(const char *p, size_t n, struct loci__scrub_mark *ret)
{
	for (size_t i = 0; i < loci__array_len(words); i++) {
		struct loci_cursor c = loci__cursor(p, n);
		struct loci_slice text;
		if (!loci__take_text(&c, words[i].word))
			continue;
		ret->table = words[i].table;
		return loci__take_until(&c, '\n', &text) && loci__cursor_at_end(&c) &&
		       loci_digest_parse(text.p, text.n, &ret->digest, /* err= */ NULL) == 0;
	}
	return false;
}

int loci__scrub_mark_get(int fd, struct loci__scrub_mark *ret)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	if (loci__read_file(fd, MARK_NAME, MARK_MAX, &text, &n, /* err= */ NULL) < 0)
		return LOCI_E_NOT_FOUND;
	return loci__scrub_mark_parse(text, n, ret) ? 0 : LOCI_E_NOT_FOUND;
}

void loci__scrub_mark_set(int fd, const struct loci__scrub_mark *mark)
{
	char text[MARK_MAX], digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&mark->digest, digest);
	int n = snprintf(text, sizeof(text), "%s%s\n", words[mark->table == words[1].table].word,
	                 digest);
	(void)!loci__write_file_atomic(fd, MARK_NAME, text, (size_t)n, 0600, /* sync= */ false,
	                               /* err= */ NULL);
}

void loci__scrub_mark_clear(int fd)
{
	unlinkat(fd, MARK_NAME, 0);
}
