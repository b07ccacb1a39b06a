/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 256 shards, by the first byte of the digest. In this process a shard is a count of publishers
 * under a mutex, which the collector keeps locked while it is alone; towards others it is a lock on
 * one byte of run/.publishing, shared while the count is above 0. A publisher that meets nobody
 * pays two uncontended mutexes and two fcntl.
 *
 * The file is opened by the first who needs it: a store that is only read does without.
 */
#include "core/store/guard.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/store/byte_lock.h"

#include <fcntl.h>
#include <pthread.h>

#define SHARDS    256
#define FILE_NAME ".publishing"
#define FILE_MODE 0600
#define RUN_MODE  0700

struct shard {
	pthread_mutex_t lock;
	unsigned publishers;
};

struct loci__guard {
	int dirfd;
	pthread_mutex_t open_lock;
	int fd; /* -1: not yet; under open_lock */
	struct shard shards[SHARDS];
};

int loci__guard_new(int dirfd, struct loci__guard **ret, struct loci_error *err)
{
	struct loci__guard *g = calloc(1, sizeof(*g));
	if (!g)
		return loci__err_nomem(err);
	g->dirfd = dirfd;
	g->fd = -1;
	pthread_mutex_init(&g->open_lock, NULL);
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&g->shards[i].lock, NULL);
	*ret = g;
	return 0;
}

void loci__guard_free(struct loci__guard *g)
{
	if (!g)
		return;
	loci__close_fd(&g->fd);
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&g->shards[i].lock);
	pthread_mutex_destroy(&g->open_lock);
	free(g);
}

static int open_file(struct loci__guard *g, struct loci_error *err)
{
	loci__cleanup_close int run_fd = -1;
	int rc = loci__mkdirs_open(g->dirfd, "run", RUN_MODE, &run_fd, err);
	if (rc < 0)
		return rc;
	g->fd = openat(run_fd, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	return g->fd < 0 ? loci__err_sys(err, "open 'run/" FILE_NAME "'") : 0;
}

/* The fd, or an enum loci_code. */
static int file_of(struct loci__guard *g, struct loci_error *err)
{
	pthread_mutex_lock(&g->open_lock);
	int rc = g->fd < 0 ? open_file(g, err) : 0;
	int fd = g->fd;
	pthread_mutex_unlock(&g->open_lock);
	return rc < 0 ? rc : fd;
}

static unsigned shard_of(const struct loci_digest *d)
{
	return d->bytes[0];
}

int loci__guard_enter(struct loci__guard *g, const struct loci_digest *d, struct loci_error *err)
{
	unsigned n = shard_of(d);
	struct shard *s = &g->shards[n];
	int rc = 0;
	int fd = file_of(g, err);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&s->lock);
	/* Waiting here with the mutex held keeps off only those who would wait just so. */
	if (s->publishers == 0 && loci__byte_lock_shared(fd, n) < 0)
		rc = loci__err_sys(err, "lock 'run/" FILE_NAME "'");
	else
		s->publishers++;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void loci__guard_leave(struct loci__guard *g, const struct loci_digest *d)
{
	unsigned n = shard_of(d);
	struct shard *s = &g->shards[n];
	pthread_mutex_lock(&s->lock);
	if (--s->publishers == 0)
		loci__byte_unlock(g->fd, n); /* the fd stands since this thread entered */
	pthread_mutex_unlock(&s->lock);
}

int loci__guard_take(struct loci__guard *g, const struct loci_digest *d, struct loci_error *err)
{
	unsigned n = shard_of(d);
	struct shard *s = &g->shards[n];
	int fd = file_of(g, err);
	if (fd < 0)
		return fd;
	if (pthread_mutex_trylock(&s->lock) != 0)
		return LOCI_E_BUSY;
	int rc = 0;
	if (s->publishers > 0)
		rc = LOCI_E_BUSY;
	else if (loci__byte_try_lock(fd, n) < 0)
		rc = errno == EAGAIN ? LOCI_E_BUSY : loci__err_sys(err, "lock 'run/" FILE_NAME "'");
	if (rc < 0)
		pthread_mutex_unlock(&s->lock);
	return rc;
}

void loci__guard_drop(struct loci__guard *g, const struct loci_digest *d)
{
	unsigned n = shard_of(d);
	loci__byte_unlock(g->fd, n);
	pthread_mutex_unlock(&g->shards[n].lock);
}
