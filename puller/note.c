/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/note.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"

#include <string.h>
#include <unistd.h>

/* "sha256-abc…": a colon in a file name is trouble for whoever looks at it with tar. */
static void file_name(const struct loci_digest *d, char buf[LOCI_DIGEST_STR_MAX])
{
	loci_digest_format(d, buf);
	char *colon = strchr(buf, ':');
	if (colon)
		*colon = '-';
}

int loci__note_write(int notes_fd, const struct loci_digest *d, const char *upload_id,
                     struct loci_error *err)
{
	char name[LOCI_DIGEST_STR_MAX];
	file_name(d, name);
	return loci__write_file_atomic(notes_fd, name, upload_id, strlen(upload_id), 0600,
	                               /* sync= */ false, err);
}

bool loci__note_read(int notes_fd, const struct loci_digest *d, char id[LOCI_UPLOAD_ID_MAX])
{
	char name[LOCI_DIGEST_STR_MAX];
	loci__cleanup_free char *text = NULL;
	size_t n;
	file_name(d, name);
	if (loci__read_file(notes_fd, name, LOCI_UPLOAD_ID_MAX - 1, &text, &n, NULL) < 0 || !n ||
	    memchr(text, '\0', n))
		return false;
	return loci__slice_copy(loci__slice(text, n), id, LOCI_UPLOAD_ID_MAX);
}

void loci__note_remove(int notes_fd, const struct loci_digest *d)
{
	char name[LOCI_DIGEST_STR_MAX];
	file_name(d, name);
	unlinkat(notes_fd, name, 0);
}
