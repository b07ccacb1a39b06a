/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/workers.h"

#include "core/base/err.h"

#include <stdlib.h>

struct loci__workers {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct loci__job *first;
	struct loci__job **last; /* where the next one goes */
	unsigned n_queued;
	unsigned n_idle;
	unsigned n_waiting; /* jobs, for their clients */
	bool ending;
	unsigned n, max;
	pthread_t threads[];
};

/* The next job; NULL when all is done and no more will come. */
static struct loci__job *take(struct loci__workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->n_idle++;
	while (!w->first && !w->ending)
		pthread_cond_wait(&w->wake, &w->lock);
	w->n_idle--;
	struct loci__job *j = w->first;
	if (j) {
		w->n_queued--;
		w->first = j->next;
		if (!w->first)
			w->last = &w->first;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

/* Hashing takes all of a core that it can get: a loop that wakes up goes first. */
static void *worker(void *arg)
{
	struct loci__job *j;
	loci__thread_give_way();
	while ((j = take(arg)))
		j->run(j);
	return NULL;
}

/* Before the threads are seen by anybody else, or with the lock held. */
static int start(struct loci__workers *w, struct loci_error *err)
{
	int rc = loci__thread_start(&w->threads[w->n], worker, w, err);
	w->n += rc == 0;
	return rc;
}

int loci__workers_new(unsigned max, struct loci__workers **ret, struct loci_error *err)
{
	struct loci__workers *w = calloc(1, sizeof(*w) + max * sizeof(w->threads[0]));
	if (!w)
		return loci__err_nomem(err);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->last = &w->first;
	w->max = max;
	int rc = start(w, err);
	if (rc < 0) {
		loci__workers_free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void loci__workers_free(struct loci__workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void loci__workers_submit(struct loci__workers *w, struct loci__job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->last = j;
	w->last = &j->next;
	/* One that cannot be started is no error: those that are there come to it. */
	if (++w->n_queued > w->n_idle && w->n < w->max)
		(void)start(w, /* err= */ NULL);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool loci__workers_may_wait(struct loci__workers *w)
{
	pthread_mutex_lock(&w->lock);
	bool may = !w->first && w->n_waiting < (w->max + 1) / 2;
	w->n_waiting += may;
	pthread_mutex_unlock(&w->lock);
	return may;
}

void loci__workers_waited(struct loci__workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->n_waiting--;
	pthread_mutex_unlock(&w->lock);
}
