/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/session_count.h"

#include "core/base/clock.h"
#include "core/base/err.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#define STALE_MS 60000
#define AGAIN_MS 1000

struct loci__session_count {
	struct loci_blobs *blobs;
	pthread_mutex_t lock;
	bool looked;
	uint64_t looked_ms;
	/* As last looked, and this process's doing since. Signed: what ends may have begun
	 * elsewhere, after the look. */
	int64_t sessions, bytes;
};

struct loci__session_count *loci__session_count_new(struct loci_blobs *borrowed_blobs)
{
	struct loci__session_count *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->blobs = borrowed_blobs;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void loci__session_count_free(struct loci__session_count *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct seen {
	int64_t sessions, bytes;
};

static int see(void *arg, const struct loci_session_info *info)
{
	struct seen *seen = arg;
	seen->sessions++;
	seen->bytes += (int64_t)info->size;
	return 0;
}

/* Unless the last look is younger than that, or somebody else is at it. Not under the lock: a
 * hundred thousand sessions take a while. What begins and ends meanwhile may be missed until the
 * next look. */
static int look(struct loci__session_count *c, uint64_t age_ms, struct loci_error *err)
{
	struct seen seen = {0};
	uint64_t now = loci__clock_ms();
	pthread_mutex_lock(&c->lock);
	bool mine = !c->looked || now - c->looked_ms >= age_ms;
	if (mine) {
		c->looked = true;
		c->looked_ms = now;
	}
	pthread_mutex_unlock(&c->lock);
	if (!mine)
		return 0;
	int rc = c->blobs->ops->session_foreach(c->blobs, see, &seen, err);
	pthread_mutex_lock(&c->lock);
	c->looked = rc == 0;
	if (rc == 0) {
		c->sessions = seen.sessions;
		c->bytes = seen.bytes;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static bool is_over(int64_t have, uint64_t more, uint64_t max)
{
	uint64_t n = have > 0 ? (uint64_t)have : 0;
	return max && (n > max || more > max - n);
}

static int too_many(const struct loci__session_count *c, uint64_t max, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_BUSY,
	                     "%" PRId64 " upload sessions are open, %" PRIu64
	                     " is the limit: try again when some have ended",
	                     c->sessions, max);
}

static int too_much(const struct loci__session_count *c, uint64_t max, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_BUSY,
	                     "upload sessions hold %" PRId64 " bytes, %" PRIu64
	                     " is the limit: try again when some have ended",
	                     c->bytes, max);
}

/* Room for so many more by what is counted; then `sessions` are counted. */
static int take_room(struct loci__session_count *c, unsigned sessions, uint64_t bytes,
                     uint64_t max_sessions, uint64_t max_bytes, struct loci_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&c->lock);
	if (is_over(c->sessions, sessions, max_sessions))
		rc = too_many(c, max_sessions, err);
	else if (is_over(c->bytes, bytes, max_bytes))
		rc = too_much(c, max_bytes, err);
	else
		c->sessions += sessions;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int look_and_take(struct loci__session_count *c, unsigned sessions, uint64_t bytes,
                         uint64_t max_sessions, uint64_t max_bytes, struct loci_error *err)
{
	int rc = max_sessions || max_bytes ? look(c, STALE_MS, err) : 0;
	if (rc == 0)
		rc = take_room(c, sessions, bytes, max_sessions, max_bytes, err);
	if (rc != LOCI_E_BUSY)
		return rc;
	rc = look(c, AGAIN_MS, err);
	return rc < 0 ? rc : take_room(c, sessions, bytes, max_sessions, max_bytes, err);
}

int loci__session_count_begin(struct loci__session_count *c, uint64_t max_sessions,
                              uint64_t max_bytes, struct loci_error *err)
{
	return look_and_take(c, /* sessions= */ 1, /* bytes= */ 1, max_sessions, max_bytes, err);
}

int loci__session_count_room(struct loci__session_count *c, uint64_t n, uint64_t max_bytes,
                             struct loci_error *err)
{
	if (!max_bytes)
		return 0;
	return look_and_take(c, /* sessions= */ 0, n, /* max_sessions= */ 0, max_bytes, err);
}

void loci__session_count_grow(struct loci__session_count *c, uint64_t n)
{
	pthread_mutex_lock(&c->lock);
	c->bytes += (int64_t)n;
	pthread_mutex_unlock(&c->lock);
}

void loci__session_count_end(struct loci__session_count *c, uint64_t bytes)
{
	pthread_mutex_lock(&c->lock);
	c->sessions--;
	c->bytes -= (int64_t)bytes;
	pthread_mutex_unlock(&c->lock);
}
