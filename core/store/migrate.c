/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an older format to the present one, when a store is opened.
 *
 * One transaction, then the format file: killed in between, the next open does it again, as the
 * transaction begins by forgetting what it made before.
 *
 * A process of the older version writes rows without what the newer format asks, so none may have
 * the store open. Peers of this version wait at the format's lock before they open the index; who
 * has the index open is therefore an older one. One that read the old format and opens the index
 * while we work is seen by looking again at the end; the old format is written back then, and the
 * next open counts anew.
 */
#include "core/store/migrate.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "core/store/format.h"
#include "core/store/usage.h"

#include <time.h>

#define ALONE_POLL_MS 20

static int be_alone(struct loci__shared *sh, const char *dir, unsigned wait_ms,
                    struct loci_error *err)
{
	uint64_t start = loci__clock_ms();
	for (;;) {
		int rc = sh->index->ops->is_alone(sh->index, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (loci__clock_ms() - start >= wait_ms)
			break;
		struct timespec pause = {.tv_nsec = ALONE_POLL_MS * 1000000L};
		nanosleep(&pause, NULL);
	}
	return loci__err_set(err, LOCI_E_BUSY,
	                     "store '%s' has an older format and a process of an older version "
	                     "has it open; stop that, then this version takes the store over",
	                     dir);
}

int loci__migrate(struct loci__shared *sh, const char *dir, unsigned from, unsigned wait_ms,
                  const struct loci_log *log, struct loci_error *err)
{
	uint64_t start = loci__clock_ms();
	int rc = be_alone(sh, dir, wait_ms, err);
	if (rc == 0)
		rc = loci__writer_run(sh->writer, /* durable= */ true, loci__usage_recount_op,
		                      /* arg= */ NULL, err);
	if (rc == 0)
		rc = loci__format_write(sh->dirfd, LOCI_FORMAT_NOW, err);
	if (rc < 0)
		return rc;
	rc = be_alone(sh, dir, /* wait_ms= */ 0, err);
	if (rc < 0) {
		/* If even this fails, the accounting may be off by what that process writes. */
		(void)loci__format_write(sh->dirfd, from, /* err= */ NULL);
		return rc;
	}
	loci__log(log, LOCI_LOG_INFO, "store", "brought '%s' from format %u to %d in %llu ms", dir,
	          from, LOCI_FORMAT_NOW, (unsigned long long)(loci__clock_ms() - start));
	return 0;
}
