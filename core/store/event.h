/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording events: what the operations call, and the bell that wakes those who wait for one.
 */
#ifndef LOCI_STORE_EVENT_H
#define LOCI_STORE_EVENT_H

#include "core/store/txn.h"
#include "loci/event.h"

/* In a write transaction, behind the change: adds the event if somebody wants its type. Time and
 * origin are filled in here; of more tags than one event has room for several are made. */
int loci__event_add(struct loci__txn *t, const struct loci_event *e, struct loci_error *err);

/* One for each store that is open in this process. */
struct loci__bell;
struct loci__bell *loci__bell_new(void); /* NULL: no memory */
void loci__bell_free(struct loci__bell *b);
void loci__bell_ring(struct loci__bell *b); /* after a commit with events */
/* What loci_event_is_wanted says from now on. */
void loci__bell_set_wanted(struct loci__bell *b, unsigned types);

/* The calling thread's origin, or NULL. */
const struct loci_origin *loci__origin(void);

#endif
