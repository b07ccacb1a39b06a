/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/ring.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <pthread.h>
#include <signal.h>

struct block {
	size_t n; /* bytes; 0: the end */
	int failed;
	unsigned char *p;
};

struct loci_ring {
	const struct loci_reader *from;
	bool threaded;
	pthread_t filler;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Counted on for ever; the slot is the remainder. Under the lock. */
	uint64_t filled, emptied;
	bool closed; /* nobody wants more */
	bool lent;   /* of the consumer alone: a block is out */
	struct loci_error error;
	unsigned n_blocks;
	struct block blocks[LOCI_RING_BLOCKS];
};

/* Fills one block. Nothing comes after one that is not full. */
static bool fill(struct loci_ring *r, struct block *b)
{
	b->n = 0;
	b->failed = 0;
	while (b->n < LOCI_RING_BLOCK_SIZE) {
		ssize_t n = r->from->read(r->from->arg, b->p + b->n, LOCI_RING_BLOCK_SIZE - b->n,
		                          &r->error);
		if (n < 0)
			b->failed = (int)n;
		if (n <= 0)
			return false;
		b->n += (size_t)n;
	}
	return true;
}

static void *filler_main(void *arg)
{
	struct loci_ring *r = arg;
	bool more = true;
	while (more) {
		pthread_mutex_lock(&r->lock);
		while (r->filled - r->emptied == r->n_blocks && !r->closed)
			pthread_cond_wait(&r->changed, &r->lock);
		bool closed = r->closed;
		struct block *b = &r->blocks[r->filled % r->n_blocks];
		pthread_mutex_unlock(&r->lock);
		if (closed)
			break;
		more = fill(r, b);
		pthread_mutex_lock(&r->lock);
		r->filled++;
		pthread_cond_signal(&r->changed);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

/* Signals are the program's business: a thread of a library takes none. */
static bool start(struct loci_ring *r)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&r->filler, NULL, filler_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0;
}

static bool make_blocks(struct loci_ring *r, unsigned n)
{
	for (; r->n_blocks < n; r->n_blocks++)
		if (!(r->blocks[r->n_blocks].p = malloc(LOCI_RING_BLOCK_SIZE)))
			return false;
	return true;
}

int loci__ring_new(const struct loci_reader *from, bool threaded, struct loci_ring **ret,
                   struct loci_error *err)
{
	struct loci_ring *r = calloc(1, sizeof(*r));
	if (!r)
		return loci__err_nomem(err);
	r->from = from;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	if (!make_blocks(r, threaded ? LOCI_RING_BLOCKS : 1)) {
		loci__ring_free(r);
		return loci__err_nomem(err);
	}
	/* Where no more threads are to be had, one does both. */
	r->threaded = threaded && start(r);
	*ret = r;
	return 0;
}

static ssize_t hand_out(const struct block *b, const struct loci_ring *r, const unsigned char **ret,
                        struct loci_error *err)
{
	if (b->n) {
		*ret = b->p;
		return (ssize_t)b->n;
	}
	if (b->failed && err)
		*err = r->error;
	return b->failed;
}

/* What the last block says once its bytes are used up: an error, or the end. */
static ssize_t next_inline(struct loci_ring *r, const unsigned char **ret, struct loci_error *err)
{
	struct block *b = &r->blocks[0];
	if (!r->closed)
		r->closed = !fill(r, b);
	else
		b->n = 0;
	return hand_out(b, r, ret, err);
}

ssize_t loci__ring_next(void *ring, const unsigned char **ret, struct loci_error *err)
{
	struct loci_ring *r = ring;
	if (!r->threaded)
		return next_inline(r, ret, err);
	pthread_mutex_lock(&r->lock);
	struct block *b = &r->blocks[r->emptied % r->n_blocks];
	if (r->lent && b->n == LOCI_RING_BLOCK_SIZE) {
		r->emptied++;
		pthread_cond_signal(&r->changed);
		b = &r->blocks[r->emptied % r->n_blocks];
	} else if (r->lent) {
		b->n = 0; /* the last one stays and says the end */
	}
	while (r->filled == r->emptied)
		pthread_cond_wait(&r->changed, &r->lock);
	r->lent = true;
	pthread_mutex_unlock(&r->lock);
	return hand_out(b, r, ret, err);
}

void loci__ring_free(struct loci_ring *r)
{
	if (!r)
		return;
	if (r->threaded) {
		pthread_mutex_lock(&r->lock);
		r->closed = true;
		pthread_cond_signal(&r->changed);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->filler, NULL);
	}
	for (unsigned i = 0; i < LOCI_RING_BLOCKS; i++)
		free(r->blocks[i].p);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r);
}
