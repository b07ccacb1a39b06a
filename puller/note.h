/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which upload session holds the beginning of which blob: one small file per unfinished blob, named
 * by its digest, so that the next process goes on where this one stopped. A note that is lost or
 * wrong costs a transfer from the start and nothing else.
 */
#ifndef LOCI_PULLER_NOTE_H
#define LOCI_PULLER_NOTE_H

#include "loci/digest.h"
#include "loci/store.h"

/* notes_fd: the store's directory for them. */
int loci__note_write(int notes_fd, const struct loci_digest *d, const char *upload_id,
                     struct loci_error *err);
/* false: there is none that makes sense. */
bool loci__note_read(int notes_fd, const struct loci_digest *d, char id[LOCI_UPLOAD_ID_MAX]);
void loci__note_remove(int notes_fd, const struct loci_digest *d);

#endif
