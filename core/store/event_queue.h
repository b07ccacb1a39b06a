/* SPDX-License-Identifier: Apache-2.0 */
/* The rows around the events: where the queue stands, and the marks of its readers. */
#ifndef LOCI_STORE_EVENT_QUEUE_H
#define LOCI_STORE_EVENT_QUEUE_H

#include "core/store/txn.h"
#include "loci/event.h"

struct loci__event_queue {
	uint64_t types; /* that are recorded */
	uint64_t first; /* sequence of the oldest row; next when there is none */
	uint64_t next;
	uint64_t max; /* rows */
	uint64_t dropped;
};
/* All zero types when nothing was ever configured. */
int loci__event_queue_get(struct loci__txn *t, struct loci__event_queue *ret,
                          struct loci_error *err);
int loci__event_queue_put(struct loci__txn *t, const struct loci__event_queue *q,
                          struct loci_error *err);
struct loci__key loci__key_of_event(uint64_t sequence);

#endif
