/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue in the index. One row tells where it begins and ends and what is recorded, so that an
 * operation that nobody listens to pays for one look-up; sequences have no gaps, so that dropping
 * the oldest needs no search.
 */
#include "core/store/event.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/store/event_queue.h"
#include "core/store/event_row.h"
#include "core/store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Rows that one new event may push out: more than one only after the queue was made shorter. */
#define DROP_MAX 64

/* ---- who asks -------------------------------------------------------------------------------- */

static _Thread_local const struct loci_origin *thread_origin;

const struct loci_origin *loci_origin_set(const struct loci_origin *origin)
{
	const struct loci_origin *before = thread_origin;
	thread_origin = origin;
	return before;
}

const struct loci_origin *loci__origin(void)
{
	return thread_origin;
}

/* A caller that was built with an older header has fewer fields. */
static struct loci_origin whole_origin(const struct loci_origin *given)
{
	struct loci_origin o = {0};
	if (given)
		memcpy(&o, given, given->struct_size < sizeof(o) ? given->struct_size : sizeof(o));
	return o;
}

/* ---- recording ------------------------------------------------------------------------------- */

static int drop_oldest(struct loci__txn *t, struct loci__event_queue *q, struct loci_error *err)
{
	struct loci__key k = loci__key_of_event(q->first);
	int rc = loci__txn_del(t, LOCI_INDEX_EVENT, &k, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	q->first++;
	q->dropped++;
	return 0;
}

static int append(struct loci__txn *t, struct loci__event_queue *q, struct loci_slice row,
                  struct loci_error *err)
{
	struct loci__key k = loci__key_of_event(q->next);
	int rc = loci__txn_put(t, LOCI_INDEX_EVENT, &k, row, err);
	q->next++;
	for (int i = 0; rc == 0 && i < DROP_MAX && q->next - q->first > q->max; i++)
		rc = drop_oldest(t, q, err);
	t->has_events = true;
	return rc;
}

int loci__event_add(struct loci__txn *t, const struct loci_event *given, struct loci_error *err)
{
	struct loci__event_queue q;
	char row[LOCI_EVENT_ROW_MAX];
	int rc = loci__event_queue_get(t, &q, err);
	if (rc < 0 || !(q.types & LOCI_EVENT_BIT(given->type)))
		return rc;
	struct loci_event e = *given;
	e.time_ms = loci__clock_epoch_ms();
	e.origin = whole_origin(t->origin);
	size_t left = given->n_tags;
	do {
		e.n_tags = left < LOCI_EVENT_TAGS_MAX ? left : LOCI_EVENT_TAGS_MAX;
		rc = append(t, &q, (struct loci_slice){row, loci__event_encode(&e, row)}, err);
		left -= e.n_tags;
		e.tags += e.n_tags;
	} while (rc == 0 && left);
	return rc < 0 ? rc : loci__event_queue_put(t, &q, err);
}

struct posted {
	int type;
	size_t n;
	char row[LOCI_EVENT_ROW_MAX];
};

static int posted_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct posted *p = arg;
	struct loci__event_queue q;
	int rc = loci__event_queue_get(t, &q, err);
	if (rc < 0 || !(q.types & LOCI_EVENT_BIT(p->type)))
		return rc;
	rc = append(t, &q, (struct loci_slice){p->row, p->n}, err);
	return rc < 0 ? rc : loci__event_queue_put(t, &q, err);
}

void loci_event_pulled(struct loci_store *st, const char *repo, const struct loci_manifest_bytes *m,
                       const char *tag)
{
	if (!loci_event_is_wanted(st, LOCI_EVENT_MANIFEST_PULL))
		return;
	const struct loci_event e = {
	        .type = LOCI_EVENT_MANIFEST_PULL,
	        .time_ms = loci__clock_epoch_ms(),
	        .repo = repo,
	        .digest = m->digest,
	        .size = m->n,
	        .media_type = m->media_type,
	        .tags = &tag,
	        .n_tags = tag ? 1 : 0,
	        .origin = whole_origin(loci__origin()),
	};
	struct posted *p = malloc(sizeof(*p));
	if (!p)
		return;
	p->type = e.type;
	p->n = loci__event_encode(&e, p->row);
	if (loci__store_check(st, /* err= */ NULL) < 0 ||
	    loci__writer_post(st->sh->writer, posted_op, p, /* err= */ NULL) < 0)
		free(p);
}

/* ---- the bell -------------------------------------------------------------------------------- */

struct loci__bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	uint64_t rings;
	atomic_uint wanted; /* types that are recorded, as far as we know */
};

struct loci__bell *loci__bell_new(void)
{
	struct loci__bell *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;
	if (!b)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->rung, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void loci__bell_free(struct loci__bell *b)
{
	if (!b)
		return;
	pthread_cond_destroy(&b->rung);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void loci__bell_ring(struct loci__bell *b)
{
	pthread_mutex_lock(&b->lock);
	b->rings++;
	pthread_cond_broadcast(&b->rung);
	pthread_mutex_unlock(&b->lock);
}

void loci__bell_set_wanted(struct loci__bell *b, unsigned types)
{
	atomic_store_explicit(&b->wanted, types, memory_order_relaxed);
}

bool loci_event_is_wanted(const struct loci_store *st, int type)
{
	const struct loci__bell *b = loci__writer_bell(st->sh->writer);
	unsigned wanted = atomic_load_explicit(&b->wanted, memory_order_relaxed);
	return type ? wanted & LOCI_EVENT_BIT(type) : wanted != 0;
}

void loci_events_wait(struct loci_store *st, uint64_t *seen, unsigned ms)
{
	struct loci__bell *b = loci__writer_bell(st->sh->writer);
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	int rc = 0;
	pthread_mutex_lock(&b->lock);
	while (b->rings == *seen && rc == 0)
		rc = pthread_cond_timedwait(&b->rung, &b->lock, &until);
	*seen = b->rings;
	pthread_mutex_unlock(&b->lock);
}

void loci_events_wake(struct loci_store *st)
{
	loci__bell_ring(loci__writer_bell(st->sh->writer));
}
