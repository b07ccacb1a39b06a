/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection: one pass. Condemn links, manifests, blobs, in this order, as each dooms the
 * next; wait for the grace; remove in the same order; then files that no row names.
 *
 * Why two steps: a client that asks for a blob is answered out of a snapshot, and the renewal of
 * its lease is queued behind the answer. Removing at once what a snapshot shows as garbage would
 * break that answer. Condemning makes later questions say "not there"; those answered before it
 * have their renewal in the index long before the grace is over, and the removal finds it.
 *
 * Both marks stand in the index with their time, so that a pass that was killed costs nothing and
 * is nobody's business: the next one removes what it finds condemned.
 */
#include "core/store/gc.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/store/freeze.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define GRACE_S    10
#define STEP_ROWS  256
#define SHARE      25 /* percent */
#define WAIT_MS    50 /* how often a pass that waits asks whether it is canceled */
#define REST_MAX   2000
#define SECOND_US  1000000
#define ROUNDS_MAX 64 /* each undoes one level of nested indexes, or 64 parents of a blob */
#define ROOTS_MAX  ((size_t)64 << 20)
#define RUN_MODE   0700
#define LOCK_NAME  ".collecting"
#define LOCK_MODE  0600

const char *loci_gc_kind_name(int kind)
{
	static const char *const names[LOCI_GC_KINDS] = {
	        [LOCI_GC_LINK] = "link", [LOCI_GC_MANIFEST] = "manifest", [LOCI_GC_BLOB] = "blob",
	        [LOCI_GC_FILE] = "file", [LOCI_GC_SESSION] = "session",
	};
	return kind >= 0 && kind < LOCI_GC_KINDS ? names[kind] : "unknown";
}

bool loci_gc_is_failure(int rc)
{
	return rc < 0 && rc != LOCI_E_BUSY && rc != LOCI_E_READ_ONLY && rc != LOCI_E_CANCELED;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Times have a second's grain: what is promised for n seconds is kept for more than n. */
bool loci__gc_is_old(const struct loci__gc *gc, uint64_t time)
{
	return !gc->lease_s || time + gc->lease_s < loci__clock_epoch();
}

/* The row says when a lease ends; with another length than the store's it has begun at the same
 * time. */
bool loci__gc_lease_is_over(const struct loci__gc *gc, const struct loci__lease *lease)
{
	uint64_t given = gc->st->opts.lease_s;
	if (!lease->until)
		return true;
	return loci__gc_is_old(gc, lease->until > given ? lease->until - given : 0);
}

bool loci__gc_grace_is_over(const struct loci__gc *gc, uint64_t condemned)
{
	return gc->o.flags & LOCI_GC_NO_GRACE || condemned + gc->o.grace_s < loci__clock_epoch();
}

static uint64_t clock_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int check_canceled(const struct loci__gc *gc, struct loci_error *err)
{
	if (gc->o.is_canceled && gc->o.is_canceled(gc->o.cancel_arg))
		return loci__err_set(err, LOCI_E_CANCELED, "garbage collection was canceled");
	return 0;
}

static int rest(const struct loci__gc *gc, uint64_t us, struct loci_error *err)
{
	int rc = check_canceled(gc, err);
	while (rc == 0 && us > 0) {
		uint64_t slice = us < WAIT_MS * 1000 ? us : WAIT_MS * 1000;
		struct timespec t = {(time_t)(slice / 1000000), (long)(slice % 1000000) * 1000};
		nanosleep(&t, NULL);
		us -= slice;
		rc = check_canceled(gc, err);
	}
	return rc;
}

uint64_t loci__gc_step_begin(void)
{
	return clock_us();
}

int loci__gc_step_end(struct loci__gc *gc, uint64_t began_us, struct loci_error *err)
{
	uint64_t us = clock_us() - began_us;
	gc->stats.steps++;
	gc->stats.work_ms += us; /* in µs until the end of the pass */
	uint64_t pause = us * (100 - gc->o.share) / gc->o.share;
	return rest(gc, pause < REST_MAX * 1000 ? pause : REST_MAX * 1000, err);
}

/* The clock may be set meanwhile: forward, it cuts no grace short that this round gave; back, it
 * keeps nobody waiting for hours, and what is marked with a time of the future is left to the next
 * pass. */
static bool has_waited(const struct loci__gc *gc, uint64_t us)
{
	uint64_t grace_us = gc->o.grace_s * 1000000;
	if (gc->o.flags & LOCI_GC_NO_GRACE || us > grace_us + SECOND_US)
		return true;
	return loci__gc_grace_is_over(gc, gc->condemned_at) && (!gc->gives_grace || us > grace_us);
}

/* Until everything condemned in this round may go. */
static int wait_grace(struct loci__gc *gc, struct loci_error *err)
{
	int rc = 0;
	uint64_t began = clock_us();
	loci__gc_at(gc, LOCI__GC_CONDEMNED);
	while (rc == 0 && !has_waited(gc, clock_us() - began))
		rc = rest(gc, WAIT_MS * 1000, err);
	return rc;
}

/* ---- small things ---------------------------------------------------------------------------- */

void loci__gc_note_condemned(struct loci__gc *gc, uint64_t at)
{
	gc->has_condemned = true;
	if (at > gc->condemned_at)
		gc->condemned_at = at;
}

void loci__gc_give_grace(struct loci__gc *gc)
{
	gc->gives_grace = true;
	loci__gc_note_condemned(gc, loci__clock_epoch());
}

void loci__gc_report(struct loci__gc *gc, const struct loci_gc_object *object)
{
	gc->stats.of[object->kind].removed++;
	gc->stats.of[object->kind].bytes += object->bytes;
	if (gc->o.report)
		gc->o.report(gc->o.report_arg, object);
}

void loci__gc_at(struct loci__gc *gc, enum loci__gc_point point)
{
	if (gc->hook.at)
		gc->hook.at(gc->hook.arg, point);
}

/* ---- one collector at a time ----------------------------------------------------------------- */

static int busy(int fd, struct loci_error *err)
{
	char text[32] = "";
	ssize_t n = loci__pread_full(fd, text, sizeof(text) - 1, 0);
	struct loci_cursor c = loci__cursor(text, n > 0 ? (size_t)n : 0);
	uint64_t pid;
	if (loci__take_u64(&c, &pid))
		return loci__err_set(err, LOCI_E_BUSY,
		                     "garbage is being collected, by process %llu",
		                     (unsigned long long)pid);
	return loci__err_set(err, LOCI_E_BUSY, "garbage is being collected");
}

/* The kernel lets go of it with its holder. The process id in it is for people. */
static int lock_collector(struct loci_store *st, int *ret_fd, struct loci_error *err)
{
	loci__cleanup_close int run_fd = -1;
	int rc = loci__mkdirs_open(st->sh->dirfd, "run", RUN_MODE, &run_fd, err);
	if (rc < 0)
		return rc;
	loci__cleanup_close int fd =
	        openat(run_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, LOCK_MODE);
	if (fd < 0)
		return loci__err_sys(err, "open 'run/" LOCK_NAME "'");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? busy(fd, err)
		                            : loci__err_sys(err, "lock 'run/" LOCK_NAME "'");
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)loci__pwrite_all(fd, text, (size_t)n, 0);
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

uint64_t loci_gc_last(const struct loci_store *st)
{
	struct stat file;
	if (!*st->sh->alive || fstatat(st->sh->dirfd, "run/" LOCK_NAME, &file, 0) < 0)
		return 0;
	return (uint64_t)file.st_mtime; /* the process id was written into it */
}

/* ---- the pass -------------------------------------------------------------------------------- */

static int condemn(struct loci__gc *gc, struct loci_error *err)
{
	gc->has_condemned = false;
	gc->gives_grace = false;
	gc->is_postponed = false;
	int rc = loci__gc_condemn_links(gc, err);
	return rc == 0 ? loci__gc_condemn_objects(gc, err) : rc;
}

static int remove_condemned(struct loci__gc *gc, struct loci_error *err)
{
	int rc = wait_grace(gc, err);
	gc->stats.rounds++;
	if (rc == 0)
		rc = loci__gc_remove_links(gc, err);
	return rc == 0 ? loci__gc_remove_objects(gc, err) : rc;
}

static int sessions(struct loci__gc *gc, struct loci_error *err)
{
	struct loci_blobs *b = gc->st->sh->blobs;
	const struct loci_store_opts *o = &gc->st->opts;
	if (loci__gc_is_dry(gc))
		return 0;
	int n = b->ops->session_expire(b, o->upload_expiry_s, o->upload_check_s, err);
	if (n > 0)
		gc->stats.of[LOCI_GC_SESSION].removed += (unsigned)n;
	return n < 0 ? n : 0;
}

static int collect(struct loci__gc *gc, struct loci_error *err)
{
	int rc;
	do {
		rc = condemn(gc, err);
		if (rc < 0 || loci__gc_is_dry(gc) || !gc->has_condemned)
			break;
		rc = remove_condemned(gc, err);
	} while (rc == 0 && gc->is_postponed && gc->stats.rounds < ROUNDS_MAX);
	if (rc == 0)
		rc = loci__gc_files(gc, err);
	return rc == 0 ? sessions(gc, err) : rc;
}

static void fill_opts(struct loci__gc *gc, const struct loci_gc_opts *given)
{
	struct loci_gc_opts *o = &gc->o;
	if (given)
		memcpy(o, given, given->struct_size < sizeof(*o) ? given->struct_size : sizeof(*o));
	o->grace_s = o->grace_s ? o->grace_s : GRACE_S;
	o->step_rows = o->step_rows ? o->step_rows : STEP_ROWS;
	if (!o->share || o->share > 100)
		o->share = o->share ? 100 : SHARE;
	gc->lease_s = o->lease_s ? o->lease_s : gc->st->opts.lease_s;
	if (o->flags & LOCI_GC_NO_LEASE)
		gc->lease_s = o->flags & LOCI_GC_NO_GRACE ? 0 : o->grace_s;
}

static void give_stats(const struct loci__gc *gc, struct loci_gc_stats *stats)
{
	size_t n = stats->struct_size;
	memcpy(stats, &gc->stats, n < sizeof(gc->stats) ? n : sizeof(gc->stats));
	stats->struct_size = n;
}

int loci__gc_run_with(struct loci_store *st, const struct loci_gc_opts *opts,
                      const struct loci__gc_hook *hook, struct loci_gc_stats *stats,
                      struct loci_error *err)
{
	loci__cleanup_close int lock_fd = -1;
	struct loci__gc gc = {.st = st, .roots = LOCI_BUF_INIT(ROOTS_MAX)};
	int rc = loci__store_check(st, err);
	if (rc < 0)
		return rc;
	fill_opts(&gc, opts);
	if (hook)
		gc.hook = *hook;
	uint64_t began = clock_us();
	/* A dry run may stand beside a collector. */
	if (!loci__gc_is_dry(&gc))
		rc = loci__check_frozen(&st->sh->dirfd, err);
	if (rc == 0 && !loci__gc_is_dry(&gc))
		rc = lock_collector(st, &lock_fd, err);
	if (rc == 0)
		rc = collect(&gc, err);
	gc.stats.work_ms /= 1000;
	gc.stats.duration_ms = (clock_us() - began) / 1000;
	loci__buf_done(&gc.roots);
	if (stats)
		give_stats(&gc, stats);
	return rc;
}

int loci_gc_run(struct loci_store *st, const struct loci_gc_opts *opts, struct loci_gc_stats *stats,
                struct loci_error *err)
{
	return loci__gc_run_with(st, opts, /* hook= */ NULL, stats, err);
}
