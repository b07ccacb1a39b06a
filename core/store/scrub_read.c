/* SPDX-License-Identifier: Apache-2.0 */
/* One blob from its first byte to the verdict, at the pace that was asked for. */
#include "core/store/scrub.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"

#define PROGRESS_MS  200
#define NAP_MS       50 /* between two looks whether to stop */
#define PARTS_SECOND 1000

LOCI_DEFINE_CLEANUP(hasher_free_ptr, struct loci_hasher, loci_hasher_free)

/* ---- pace ------------------------------------------------------------------------------------ */

uint64_t loci__scrub_wait_ms(uint64_t bytes, uint64_t rate, uint64_t elapsed_ms)
{
	if (!rate)
		return 0;
	uint64_t due_ms = bytes / rate * PARTS_SECOND + bytes % rate * PARTS_SECOND / rate;
	return due_ms > elapsed_ms ? due_ms - elapsed_ms : 0;
}

static int tell_progress(struct loci__scrub *s, struct loci_error *err)
{
	uint64_t now = loci__clock_ms();
	if (now - s->told_ms < PROGRESS_MS)
		return 0;
	s->told_ms = now;
	const struct loci_scrub_event ev = {.kind = LOCI_SCRUB_PROGRESS};
	return loci__scrub_tell(s, &ev, err);
}

static void nap(uint64_t ms)
{
	const struct timespec t = {.tv_nsec = (long)(ms < NAP_MS ? ms : NAP_MS) * 1000000};
	nanosleep(&t, NULL); /* a signal may cut it short: then we look whether to stop */
}

int loci__scrub_pace(struct loci__scrub *s, uint64_t bytes, struct loci_error *err)
{
	s->result->bytes += bytes;
	for (;;) {
		int rc = tell_progress(s, err);
		uint64_t wait = loci__scrub_wait_ms(s->result->bytes, s->opts.rate,
		                                    loci__clock_ms() - s->began_ms);
		if (rc < 0 || !wait)
			return rc;
		nap(wait);
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What fails once may have been the moment. */
static ssize_t read_twice(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got = -1;
	for (int tries = 0; got < 0 && tries < 2; tries++) {
		do {
			got = loci__scrub_pread(fd, p, n, offset);
		} while (got < 0 && errno == EINTR);
	}
	return got;
}

int loci__scrub_file(struct loci__scrub *s, int fd, const struct loci_digest *d,
                     struct loci_error *why, struct loci_error *err)
{
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	struct loci_digest got;
	uint64_t offset = 0;
	int rc = loci_hasher_new(d->alg, &h, err);
	loci__scrub_open_direct(fd);
	while (rc == 0) {
		/* Always from an aligned place: after a short read that is none, this is the end.
		 */
		ssize_t n = read_twice(fd, s->chunk, LOCI_SCRUB_CHUNK, offset);
		if (n < 0) {
			loci__err_sys(why, "read blob %s at %llu", loci__digest_text(d).s,
			              (unsigned long long)offset);
			return LOCI_SCRUB_UNREADABLE;
		}
		if (n == 0)
			break;
		offset += (uint64_t)n;
		rc = loci_hasher_update(h, s->chunk, (size_t)n, err);
		if (rc == 0)
			rc = loci__scrub_pace(s, (uint64_t)n, err);
		if (n % LOCI_SCRUB_ALIGN)
			break;
	}
	if (rc == 0)
		rc = loci_hasher_finish(h, &got, err);
	if (rc < 0)
		return rc;
	return loci_digest_equal(&got, d) ? LOCI_SCRUB_GOOD : LOCI_SCRUB_DAMAGED;
}
