/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to the store's repositories, as a queue that survives crashes: an event is written
 * in the transaction of the change it tells of, so neither can be there without the other.
 *
 * Nothing is recorded until somebody says that he reads (loci_events_configure); then every process
 * that has the store open records. Each reader has a mark behind what he has dealt with; what is
 * behind all marks goes. All functions are thread-safe.
 */
#ifndef LOCI_EVENT_H
#define LOCI_EVENT_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

/* ---- who asks for a change --------------------------------------------------------------------
 */

/** Texts of any length (they are cut to 255 bytes when recorded) or NULL. */
struct loci_origin {
	size_t struct_size;
	const char *peer; /* address of the client */
	const char *user_agent;
	const char *request_id;
	const char *host;   /* what the client takes the registry's name to be */
	const char *method; /* of the request */
};

/** What this thread changes in any store from now on is asked for by `origin`, which is borrowed
 *  until the next call; NULL: by nobody in particular. Returns what was set before. A change is
 *  made deep below the request that asks for it, which is why this is not an argument. */
LOCI_API const struct loci_origin *loci_origin_set(const struct loci_origin *origin);

/* ---- events -----------------------------------------------------------------------------------
 */

enum loci_event_type {
	LOCI_EVENT_MANIFEST_PUSH = 1, /* each accepted one, also of what was there */
	LOCI_EVENT_MANIFEST_PULL,
	LOCI_EVENT_MANIFEST_DELETE, /* and with it every tag that pointed at it */
	LOCI_EVENT_TAG_DELETE,      /* alone */
	LOCI_EVENT_BLOB_PUSH,
	LOCI_EVENT_BLOB_MOUNT,
	LOCI_EVENT_BLOB_DELETE, /* also when it was collected */
	LOCI_EVENT_TYPES_       /* how many, and one */
};
#define LOCI_EVENT_BIT(type) (1u << (type))

#define LOCI_EVENT_TAGS_MAX 64 /* of one event; a push with more makes several */

struct loci_event {        /* made by the library: one allocation; fields are only appended */
	uint64_t sequence; /* rises by one; never used twice in a store */
	int type;          /* enum loci_event_type */
	uint64_t time_ms;  /* since the epoch */
	const char *repo;
	struct loci_digest digest; /* of the manifest or blob */
	uint64_t size;             /* bytes of it; 0: not known */
	const char *media_type;    /* "": none */
	const char *from_repo;     /* of a mount; "": any */
	const char *const *tags;   /* pushed with it, pulled by, or deleted */
	size_t n_tags;
	struct loci_origin origin; /* "": not known */
};

/** [read] Whether events of that type (0: of any) are recorded, as far as this process knows: cheap
 *  enough to ask before an event is put together. */
LOCI_API bool loci_event_is_wanted(const struct loci_store *st, int type);
/** [read] A manifest was given to somebody. tag may be NULL. Posted: nobody waits for the disk, and
 *  a crash may lose it. Never fails: when too much is queued the event is dropped. */
LOCI_API void loci_event_pulled(struct loci_store *st, const char *repo,
                                const struct loci_manifest_bytes *m, const char *tag);

/* ---- readers ----------------------------------------------------------------------------------
 */

#define LOCI_EVENT_READER_MAX 63 /* bytes of a reader's name */

struct loci_event_reader {
	const char *name; /* letters, digits, "-", "_", "." */
	unsigned types;   /* LOCI_EVENT_BIT of those he wants */
};

/** These are the readers from now on. Whoever is new starts with what happens next; those who are
 *  not named are forgotten, and without any nothing is recorded. max: events that may wait; when
 *  there are more, the oldest is dropped. Durable. Expected: INVALID. */
LOCI_API LOCI_CHECK int loci_events_configure(struct loci_store *st,
                                              const struct loci_event_reader *readers, size_t n,
                                              uint64_t max, struct loci_error *err);
/** [read] The reader's mark: the sequence of the last event he has dealt with. Expected: NOT_FOUND.
 */
LOCI_API LOCI_CHECK int loci_event_mark(struct loci_store *st, const char *reader, uint64_t *ret,
                                        struct loci_error *err);
/** The reader has dealt with everything up to sequence. It survives the process, not always a power
 *  cut: then some events come again. Marks never go back. Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_event_done(struct loci_store *st, const char *reader,
                                        uint64_t sequence, struct loci_error *err);
/** [read] The first event behind `after` of one of the types (LOCI_EVENT_BIT). At most 1000 are
 *  looked at: *ret is NULL when none of them is; *ret_last is how far it looked. Release with
 *  loci_event_free. */
LOCI_API LOCI_CHECK int loci_event_next(struct loci_store *st, uint64_t after, unsigned types,
                                        struct loci_event **ret, uint64_t *ret_last,
                                        struct loci_error *err);
LOCI_API void loci_event_free(struct loci_event *e); /* NULL is fine */
/** Waits until something has been recorded in this process since *seen was set by the last call (0
 *  at first), or somebody called _wake, or ms passed. Those of other processes are not noticed. */
LOCI_API void loci_events_wait(struct loci_store *st, uint64_t *seen, unsigned ms);
LOCI_API void loci_events_wake(struct loci_store *st);

struct loci_event_stats {
	size_t struct_size; /* set by the caller */
	uint64_t last;      /* sequence of the youngest event ever */
	uint64_t waiting;   /* events in the queue */
	uint64_t dropped;   /* for want of room, so far */
	unsigned types;     /* that are recorded */
};
/** [read] */
LOCI_API LOCI_CHECK int loci_event_stats(struct loci_store *st, struct loci_event_stats *ret,
                                         struct loci_error *err);
/** [read] Readers with their marks, in byte order. Return non-zero to stop: CALLBACK. No store call
 *  may be made inside. */
typedef int (*loci_event_reader_fn)(void *arg, const struct loci_event_reader *reader,
                                    uint64_t mark);
LOCI_API LOCI_CHECK int loci_event_reader_foreach(struct loci_store *st, loci_event_reader_fn fn,
                                                  void *arg, struct loci_error *err);

LOCI_END_DECLS
#endif
