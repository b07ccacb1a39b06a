/* SPDX-License-Identifier: Apache-2.0 */
/* The EVENT row: an event as bytes. Its key is the sequence, big-endian, so that order is order. */
#ifndef LOCI_STORE_EVENT_ROW_H
#define LOCI_STORE_EVENT_ROW_H

#include "loci/event.h"

#define LOCI_EVENT_TEXT_MAX 255 /* bytes of a text of the origin; more is cut */
#define LOCI_EVENT_ROW_MAX  (16 * 1024)

/* Writes it to p, of LOCI_EVENT_ROW_MAX bytes; returns how many. Its sequence is not in it. At most
 * LOCI_EVENT_TAGS_MAX tags. */
size_t loci__event_encode(const struct loci_event *e, char *p);
/* NULL when memory is out or the row is damaged; errno tells: ENOMEM or EBADMSG. */
struct loci_event *loci__event_decode(uint64_t sequence, struct loci_slice row);
/* Its type alone; 0: damaged. */
int loci__event_type_of(struct loci_slice row);

#endif
