/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/pool.h"

#include "core/base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define QUEUE 128

struct loci__pool {
	pthread_mutex_t lock;
	pthread_cond_t more; /* items, or the end */
	pthread_cond_t room;
	struct loci__pool_item queue[QUEUE];
	size_t head, n;
	bool ended; /* no more will come */
	int rc;     /* first failure */
	struct loci_error err;
	loci__pool_fn fn;
	void *arg;
	unsigned n_threads, n_begun;
	pthread_t threads[LOCI_POOL_MAX];
};

/* False: there are no more. */
static bool next(struct loci__pool *p, struct loci__pool_item *ret)
{
	pthread_mutex_lock(&p->lock);
	while (p->n == 0 && !p->ended)
		pthread_cond_wait(&p->more, &p->lock);
	bool got = p->n > 0 && p->rc == 0;
	if (got) {
		*ret = p->queue[p->head];
		p->head = (p->head + 1) % QUEUE;
		p->n--;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return got;
}

static void fail(struct loci__pool *p, int rc, const struct loci_error *err)
{
	pthread_mutex_lock(&p->lock);
	if (p->rc == 0) {
		p->rc = rc;
		p->err = *err;
	}
	p->ended = true;
	pthread_cond_broadcast(&p->more);
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
	struct loci__pool *p = arg;
	struct loci__pool_item item;
	struct loci_error err = {0};
	pthread_mutex_lock(&p->lock);
	unsigned worker = p->n_begun++;
	pthread_mutex_unlock(&p->lock);
	while (next(p, &item)) {
		int rc = p->fn(p->arg, worker, &item, &err);
		if (rc < 0)
			fail(p, rc, &err);
	}
	return NULL;
}

/* Signals are for the caller's threads. */
static int start_threads(struct loci__pool *p, unsigned n)
{
	sigset_t all, before;
	int failed = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->n_threads < n && !failed) {
		failed = pthread_create(&p->threads[p->n_threads], NULL, work, p);
		p->n_threads += !failed;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

int loci__pool_new(unsigned n, loci__pool_fn fn, void *arg, struct loci__pool **ret,
                   struct loci_error *err)
{
	struct loci__pool *p = calloc(1, sizeof(*p));
	if (!p)
		return loci__err_nomem(err);
	p->fn = fn;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	pthread_cond_init(&p->room, NULL);
	int failed = start_threads(p, n < LOCI_POOL_MAX ? n : LOCI_POOL_MAX);
	if (p->n_threads == 0) { /* fewer than wanted will do */
		(void)loci__pool_finish(p, /* abandon= */ true, /* err= */ NULL);
		return loci__err_errno(err, failed, "start a thread");
	}
	*ret = p;
	return 0;
}

int loci__pool_put(struct loci__pool *p, const struct loci__pool_item *item, struct loci_error *err)
{
	pthread_mutex_lock(&p->lock);
	while (p->n == QUEUE && p->rc == 0)
		pthread_cond_wait(&p->room, &p->lock);
	int rc = p->rc;
	if (rc == 0) {
		p->queue[(p->head + p->n++) % QUEUE] = *item;
		pthread_cond_signal(&p->more);
	} else if (err) {
		*err = p->err;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int loci__pool_finish(struct loci__pool *p, bool abandon, struct loci_error *err)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	if (abandon)
		p->n = 0;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	int rc = p->rc;
	if (rc < 0 && err)
		*err = p->err;
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	pthread_cond_destroy(&p->room);
	free(p);
	return rc;
}
