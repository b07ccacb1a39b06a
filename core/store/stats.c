/* SPDX-License-Identifier: Apache-2.0 */
#include "loci/stats.h"

#include "core/base/err.h"
#include "core/store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define INDEX_FILE "index/data.mdb"
#define STALLED_MS 10000

static int read_disk(struct loci_store *st, struct loci_store_stats *s, struct loci_error *err)
{
	struct statvfs fs;
	struct stat file;
	if (fstatvfs(st->sh->dirfd, &fs) < 0)
		return loci__err_sys(err, "stat the file system of '%s'", st->dir);
	s->disk_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	s->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* Of another engine than the one that ships there is no such file. */
	if (fstatat(st->sh->dirfd, INDEX_FILE, &file, AT_SYMLINK_NOFOLLOW) == 0)
		s->index_bytes = (uint64_t)file.st_blocks * 512;
	return 0;
}

int loci_store_stats(struct loci_store *st, struct loci_store_stats *ret, struct loci_error *err)
{
	struct loci_store_stats s = {.struct_size = ret->struct_size};
	int rc = loci__store_check(st, err);
	if (rc == 0 && ret->struct_size == 0)
		rc = loci__err_set(err, LOCI_E_INVALID, "store stats: struct_size is not set");
	if (rc == 0)
		rc = read_disk(st, &s, err);
	if (rc < 0)
		return rc;
	s.queue = loci__writer_stats(st->sh->writer, &s.batches, &s.commits);
	memcpy(ret, &s, ret->struct_size < sizeof(s) ? ret->struct_size : sizeof(s));
	return 0;
}

static int probe_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	(void)t, (void)arg, (void)err;
	return 0;
}

/* Whoever waits behind a writer that the disk does not answer waits as long: who asks is told, and
 * does not hold a thread until then. */
static int check_stalled(struct loci_store *st, struct loci_error *err)
{
	const uint64_t ms = loci__writer_busy_ms(st->sh->writer);
	if (ms < STALLED_MS)
		return 0;
	return loci__err_set(err, LOCI_E_BUSY,
	                     "index: its writer has not answered for %" PRIu64 " s", ms / 1000);
}

int loci_store_probe(struct loci_store *st, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = check_stalled(st, err);
	return rc < 0 ? rc
	              : loci__writer_run(st->sh->writer, /* durable= */ false, probe_op, NULL, err);
}
