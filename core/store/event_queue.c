/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who read events. EVENT_MARK has a row for each reader (types, mark), and under the key of
 * one zero byte, which is no reader's name, where the queue stands.
 */
#include "core/store/event_queue.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/store/event.h"
#include "core/store/event_row.h"
#include "core/store/store.h"

#include <errno.h>
#include <string.h>

#define LOOK_MAX   1000 /* rows of one look for the next event: a snapshot is short */
#define REMOVE_MAX 512  /* rows that one operation removes */

/* ---- rows ------------------------------------------------------------------------------------ */

struct loci__key loci__key_of_event(uint64_t sequence)
{
	struct loci__key k = {.n = 8};
	for (int i = 0; i < 8; i++)
		k.b[i] = (char)(sequence >> (56 - 8 * i));
	return k;
}

static bool take_sequence(struct loci_slice key, uint64_t *ret)
{
	if (key.n != 8)
		return false;
	*ret = 0;
	for (int i = 0; i < 8; i++)
		*ret = *ret << 8 | (unsigned char)key.p[i];
	return true;
}

static const struct loci__key queue_key = {.n = 1};

int loci__event_queue_get(struct loci__txn *t, struct loci__event_queue *ret,
                          struct loci_error *err)
{
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_EVENT_MARK, &queue_key, &v, err);
	*ret = (struct loci__event_queue){.first = 1, .next = 1};
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc == 0 && !(loci__take_u64le(&v, &ret->types) && loci__take_u64le(&v, &ret->first) &&
	                 loci__take_u64le(&v, &ret->next) && loci__take_u64le(&v, &ret->max) &&
	                 loci__take_u64le(&v, &ret->dropped) && ret->first <= ret->next))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the row of the events is damaged");
	return rc;
}

int loci__event_queue_put(struct loci__txn *t, const struct loci__event_queue *q,
                          struct loci_error *err)
{
	char b[40];
	loci__put_u64le(b, q->types);
	loci__put_u64le(b + 8, q->first);
	loci__put_u64le(b + 16, q->next);
	loci__put_u64le(b + 24, q->max);
	loci__put_u64le(b + 32, q->dropped);
	return loci__txn_put(t, LOCI_INDEX_EVENT_MARK, &queue_key,
	                     (struct loci_slice){b, sizeof(b)}, err);
}

static struct loci__key key_of_reader(const char *name)
{
	struct loci__key k = {0};
	loci__key_text(&k, name);
	return k;
}

struct mark {
	uint64_t types;
	uint64_t done;
};

static bool take_mark(struct loci_slice v, struct mark *ret)
{
	return loci__take_u64le(&v, &ret->types) && loci__take_u64le(&v, &ret->done);
}

static int mark_get(struct loci__txn *t, const char *reader, struct mark *ret,
                    struct loci_error *err)
{
	struct loci__key k = key_of_reader(reader);
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_EVENT_MARK, &k, &v, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "events: no reader '%s'", reader);
	if (rc == 0 && !take_mark(v, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the mark of '%s' is damaged",
		                   reader);
	return rc;
}

static int mark_put(struct loci__txn *t, const char *reader, const struct mark *m,
                    struct loci_error *err)
{
	struct loci__key k = key_of_reader(reader);
	char b[16];
	loci__put_u64le(b, m->types);
	loci__put_u64le(b + 8, m->done);
	return loci__txn_put(t, LOCI_INDEX_EVENT_MARK, &k, (struct loci_slice){b, sizeof(b)}, err);
}

static bool is_reader_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static int check_reader(const char *name, struct loci_error *err)
{
	size_t n = name ? strlen(name) : 0;
	struct loci_cursor c = loci__cursor(name, n);
	struct loci_slice run;
	if (n <= LOCI_EVENT_READER_MAX && loci__take_run(&c, is_reader_char, &run) &&
	    loci__cursor_at_end(&c))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "reader of events '%s': expected letters, digits, '-', '_' and '.', "
	                     "at most %d",
	                     name ? name : "", LOCI_EVENT_READER_MAX);
}

/* ---- removing what everybody has dealt with -------------------------------------------------- */

static int remove_up_to(struct loci__txn *t, struct loci__event_queue *q, uint64_t last,
                        struct loci_error *err)
{
	int rc = 0;
	for (int i = 0; rc == 0 && i < REMOVE_MAX && q->first < q->next && q->first <= last; i++) {
		struct loci__key k = loci__key_of_event(q->first++);
		rc = loci__txn_del(t, LOCI_INDEX_EVENT, &k, err);
		rc = rc == LOCI_E_NOT_FOUND ? 0 : rc;
	}
	return rc;
}

static int take_least(void *arg, struct loci_slice key, struct loci_slice val)
{
	uint64_t *least = arg;
	struct mark m;
	(void)key;
	if (take_mark(val, &m) && m.done < *least)
		*least = m.done;
	return 0;
}

static int remove_done(struct loci__txn *t, struct loci__event_queue *q, struct loci_error *err)
{
	const struct loci__key readers = {.n = 1, .b = {1}};
	uint64_t least = UINT64_MAX;
	int rc = loci__txn_scan(t, LOCI_INDEX_EVENT_MARK, &readers, take_least, &least, err);
	return rc < 0 ? rc : remove_up_to(t, q, least, err);
}

/* ---- configuring ----------------------------------------------------------------------------- */

struct configure_op {
	const struct loci_event_reader *readers;
	size_t n;
	uint64_t max;
	unsigned types;
	bool more; /* out: events of nobody are left */
};

struct stranger {
	const struct configure_op *o;
	char name[LOCI_EVENT_READER_MAX + 1];
	bool found;
};

static bool is_named(const struct configure_op *o, struct loci_slice name)
{
	for (size_t i = 0; i < o->n; i++)
		if (loci__slice_is(name, o->readers[i].name))
			return true;
	return false;
}

static int take_stranger(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct stranger *s = arg;
	(void)val;
	s->found = !is_named(s->o, key) && loci__slice_copy(key, s->name, sizeof(s->name));
	return s->found;
}

static int remove_strangers(struct loci__txn *t, const struct configure_op *o,
                            struct loci_error *err)
{
	const struct loci__key readers = {.n = 1, .b = {1}};
	for (;;) {
		struct stranger s = {.o = o};
		int rc = loci__txn_scan(t, LOCI_INDEX_EVENT_MARK, &readers, take_stranger, &s, err);
		if (rc < 0 || !s.found)
			return rc;
		struct loci__key k = key_of_reader(s.name);
		rc = loci__txn_del(t, LOCI_INDEX_EVENT_MARK, &k, err);
		if (rc < 0)
			return rc;
	}
}

static int write_reader(struct loci__txn *t, const struct loci_event_reader *r, uint64_t last,
                        struct loci_error *err)
{
	struct mark m = {.done = last};
	int rc = mark_get(t, r->name, &m, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	m.types = r->types;
	return mark_put(t, r->name, &m, err);
}

static int configure_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct configure_op *o = arg;
	struct loci__event_queue q;
	int rc = loci__event_queue_get(t, &q, err);
	if (rc == 0)
		rc = remove_strangers(t, o, err);
	for (size_t i = 0; rc == 0 && i < o->n; i++)
		rc = write_reader(t, &o->readers[i], q.next - 1, err);
	q.types = o->types;
	q.max = o->max;
	if (rc == 0)
		rc = remove_done(t, &q, err);
	o->more = o->n == 0 && q.first < q.next;
	return rc < 0 ? rc : loci__event_queue_put(t, &q, err);
}

int loci_events_configure(struct loci_store *st, const struct loci_event_reader *readers, size_t n,
                          uint64_t max, struct loci_error *err)
{
	struct configure_op o = {.readers = readers, .n = n, .max = max};
	int rc = loci__store_check(st, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = check_reader(readers[i].name, err);
		o.types |= readers[i].types;
	}
	if (rc == 0 && n && max == 0)
		rc = loci__err_set(err, LOCI_E_INVALID, "events: a queue of no length");
	do {
		rc = rc < 0 ? rc : loci__store_write(st, configure_op, &o, err);
	} while (rc == 0 && o.more);
	if (rc == 0)
		loci__bell_set_wanted(loci__writer_bell(st->sh->writer), o.types);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct look {
	unsigned types;
	unsigned looked;
	uint64_t last;
	struct loci_event *found;
	bool no_memory;
};

/* A damaged row is passed over: it must not stop those behind it. */
static int look_at(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct look *l = arg;
	uint64_t sequence;
	if (!take_sequence(key, &sequence))
		return 0;
	l->last = sequence;
	if (l->types & LOCI_EVENT_BIT(loci__event_type_of(val))) {
		l->found = loci__event_decode(sequence, val);
		l->no_memory = !l->found && errno == ENOMEM;
	}
	return l->found || l->no_memory || ++l->looked == LOOK_MAX;
}

int loci_event_next(struct loci_store *st, uint64_t after, unsigned types, struct loci_event **ret,
                    uint64_t *ret_last, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct look l = {.types = types & ~1u, .last = after};
	struct loci__key from = loci__key_of_event(after + 1);
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_scan(&t, LOCI_INDEX_EVENT, &from, look_at, &l, err);
	if (rc == 0 && l.no_memory)
		rc = loci__err_nomem(err);
	if (rc < 0) {
		loci_event_free(l.found);
		return rc;
	}
	*ret = l.found;
	*ret_last = l.last;
	return 0;
}

int loci_event_mark(struct loci_store *st, const char *reader, uint64_t *ret,
                    struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct mark m = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = check_reader(reader, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = mark_get(&t, reader, &m, err);
	if (rc == 0)
		*ret = m.done;
	return rc;
}

struct done_op {
	const char *reader;
	uint64_t sequence;
};

static int done_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct done_op *o = arg;
	struct loci__event_queue q;
	struct mark m = {0};
	int rc = mark_get(t, o->reader, &m, err);
	if (rc == 0)
		rc = loci__event_queue_get(t, &q, err);
	if (rc < 0 || m.done >= o->sequence)
		return rc;
	m.done = o->sequence < q.next ? o->sequence : q.next - 1;
	rc = mark_put(t, o->reader, &m, err);
	if (rc == 0)
		rc = remove_done(t, &q, err);
	return rc < 0 ? rc : loci__event_queue_put(t, &q, err);
}

int loci_event_done(struct loci_store *st, const char *reader, uint64_t sequence,
                    struct loci_error *err)
{
	struct done_op o = {reader, sequence};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = check_reader(reader, err);
	return rc < 0 ? rc
	              : loci__writer_run(st->sh->writer, /* durable= */ false, done_op, &o, err);
}

/* ---- how it stands --------------------------------------------------------------------------- */

int loci_event_stats(struct loci_store *st, struct loci_event_stats *ret, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__event_queue q;
	int rc = loci__store_check(st, err);
	if (rc == 0 && ret->struct_size == 0)
		rc = loci__err_set(err, LOCI_E_INVALID, "event stats: struct_size is not set");
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__event_queue_get(&t, &q, err);
	if (rc < 0)
		return rc;
	const struct loci_event_stats s = {
	        .struct_size = ret->struct_size,
	        .last = q.next - 1,
	        .waiting = q.next - q.first,
	        .dropped = q.dropped,
	        .types = (unsigned)q.types,
	};
	memcpy(ret, &s, s.struct_size < sizeof(s) ? s.struct_size : sizeof(s));
	loci__bell_set_wanted(loci__writer_bell(st->sh->writer), (unsigned)q.types);
	return 0;
}

#define READERS_BATCH 32
struct readers {
	char names[READERS_BATCH][LOCI_EVENT_READER_MAX + 1];
	struct mark marks[READERS_BATCH];
	size_t n;
};

static int take_reader(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct readers *r = arg;
	if (loci__slice_copy(key, r->names[r->n], sizeof(r->names[0])) &&
	    take_mark(val, &r->marks[r->n]))
		r->n++;
	return r->n == READERS_BATCH;
}

static int read_readers(struct loci_store *st, const struct loci__key *from, struct readers *r,
                        struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	r->n = 0;
	int rc = loci__read_begin(st->sh->index, &t, err);
	return rc < 0 ? rc : loci__txn_scan(&t, LOCI_INDEX_EVENT_MARK, from, take_reader, r, err);
}

int loci_event_reader_foreach(struct loci_store *st, loci_event_reader_fn fn, void *arg,
                              struct loci_error *err)
{
	struct loci__key from = {.n = 1, .b = {1}};
	struct readers r;
	int rc = loci__store_check(st, err);
	do {
		rc = rc < 0 ? rc : read_readers(st, &from, &r, err);
		for (size_t i = 0; rc == 0 && i < r.n; i++) {
			const struct loci_event_reader reader = {r.names[i],
			                                         (unsigned)r.marks[i].types};
			if (fn(arg, &reader, r.marks[i].done))
				return loci__err_set(err, LOCI_E_CALLBACK,
				                     "listing stopped by its caller");
		}
		if (rc == 0 && r.n) {
			from = key_of_reader(r.names[r.n - 1]);
			loci__key_bytes(&from, "", 1);
		}
	} while (rc == 0 && r.n == READERS_BATCH);
	return rc;
}
