/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scrub share. */
#ifndef LOCI_STORE_SCRUB_H
#define LOCI_STORE_SCRUB_H

#include "core/store/store.h"
#include "loci/scrub.h"

struct loci__scrub {
	struct loci_store *st;
	struct loci_scrub_opts opts;
	struct loci_scrub_result *result;
	uint64_t began_ms; /* of the rate's account */
	uint64_t told_ms;  /* last progress */
	void *chunk;       /* LOCI_SCRUB_CHUNK, aligned for direct reads */
};

#define LOCI_SCRUB_CHUNK ((size_t)1 << 20)
#define LOCI_SCRUB_ALIGN 4096

/* ---- scrub_read.c ---- */

/* How long to wait when so many bytes were read in elapsed_ms, to keep to the rate. */
uint64_t loci__scrub_wait_ms(uint64_t bytes, uint64_t rate, uint64_t elapsed_ms);
/* Counts bytes, keeps to the rate, tells progress. CANCELED. */
int loci__scrub_pace(struct loci__scrub *s, uint64_t bytes, struct loci_error *err);
/* The verdict on an open blob: GOOD, DAMAGED or UNREADABLE (then why says it); or CANCELED. */
int loci__scrub_file(struct loci__scrub *s, int fd, const struct loci_digest *d,
                     struct loci_error *why, struct loci_error *err);
/* ---- scrub_disk.c ---- */

/* Past the page cache from now on, if the file system can. */
void loci__scrub_open_direct(int fd);
/* As pread, at a multiple of LOCI_SCRUB_ALIGN; without direct reads, what was not in the page cache
 * is not there afterwards either. */
ssize_t loci__scrub_pread(int fd, void *p, size_t n, uint64_t offset);

/* ---- scrub_refs.c ---- */

/* Tells by events what needs the blob or manifest. CANCELED. */
int loci__scrub_references(struct loci__scrub *s, const struct loci_digest *d, bool is_manifest,
                           struct loci_error *err);

/* ---- scrub_mark.c: where to go on ---- */

struct loci__scrub_mark {
	int table; /* LOCI_INDEX_BLOB, LOCI_INDEX_MANIFEST */
	struct loci_digest digest;
};
/* The directory of marks, held by this process. BUSY. */
int loci__scrub_mark_open(struct loci_store *st, int *ret_fd, struct loci_error *err);
/* NOT_FOUND: from the start. What cannot be read is no mark. */
int loci__scrub_mark_get(int fd, struct loci__scrub_mark *ret);
void loci__scrub_mark_set(int fd, const struct loci__scrub_mark *mark); /* best effort */
void loci__scrub_mark_clear(int fd);
/* "blob sha256:…\n" */
bool loci__scrub_mark_parse(const char *p, size_t n, struct loci__scrub_mark *ret);

/* ---- events ---- */

int loci__scrub_tell(struct loci__scrub *s, const struct loci_scrub_event *ev,
                     struct loci_error *err);

#endif
