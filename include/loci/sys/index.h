/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam under the index: ordered tables of byte strings with transactions. The store's logic
 * stands above it and knows no engine; LMDB is the implementation that ships, tests put one that
 * fails in between. An implementation embeds struct loci_index and struct loci_index_txn as the
 * first member of its own.
 */
#ifndef LOCI_SYS_INDEX_H
#define LOCI_SYS_INDEX_H

#include "loci/api.h"
#include "loci/error.h"

LOCI_BEGIN_DECLS

/* enum name, name on disk; docs/internals/store.md has their keys and values. */
#define LOCI_INDEX_TABLE_MAP(XX)     \
	XX(REPO, "repo")             \
	XX(TAG, "tag")               \
	XX(TAG_OF, "tag-of")         \
	XX(MANIFEST, "manifest")     \
	XX(MEMBER, "member")         \
	XX(REFERRER, "referrer")     \
	XX(PARENT, "parent")         \
	XX(BLOB, "blob")             \
	XX(LINK, "link")             \
	XX(HOLDER, "holder")         \
	XX(LEASE, "lease")           \
	XX(IMAGE, "image")           \
	XX(IMAGE_LAST, "image-last") \
	XX(LAYER, "layer")           \
	XX(USAGE, "usage")           \
	XX(PULLED, "pulled")         \
	XX(EVENT, "event")           \
	XX(EVENT_MARK, "event-mark")

enum loci_index_table {
#define LOCI_INDEX_TABLE_ENUM_(sym, name) LOCI_INDEX_##sym,
	LOCI_INDEX_TABLE_MAP(LOCI_INDEX_TABLE_ENUM_)
#undef LOCI_INDEX_TABLE_ENUM_
	        LOCI_INDEX_TABLES
};

#define LOCI_INDEX_KEY_MAX 511 /* bytes of a key; a key has at least one */

/** Not an error of the caller: the write transaction must be aborted and run again from its start
 *  (the index has to grow first; a conflict, in an engine that has them). */
#define LOCI_INDEX_AGAIN (LOCI_CODE_LAST_ - 1)

struct loci_index {
	const struct loci_index_ops *ops;
};
struct loci_index_txn {
	struct loci_index *index;
};

/** Return non-zero to end the walk. The slices live for the call; nothing may be written in it. */
typedef int (*loci_index_scan_fn)(void *arg, struct loci_slice key, struct loci_slice val);

struct loci_index_ops {
	/** No transaction may be open. */
	void (*close)(struct loci_index *ix);

	/** A snapshot. Any thread, any number at once, never waits for a writer's sync; ended by
	 * the thread that began it, soon: what it sees cannot be reused meanwhile. */
	int (*read_begin)(struct loci_index *ix, struct loci_index_txn **ret,
	                  struct loci_error *err);
	void (*read_end)(struct loci_index_txn *t);

	/** Waits for the writers of other processes; in this process only one thread writes.
	 *  durable: commit returns when a power cut can no longer undo it. */
	int (*write_begin)(struct loci_index *ix, bool durable, struct loci_index_txn **ret,
	                   struct loci_error *err);
	/** All or nothing; the transaction is over in every case. */
	int (*commit)(struct loci_index_txn *take_t, struct loci_error *err);
	void (*abort)(struct loci_index_txn *t);

	/** NOT_FOUND leaves err alone. The value lives until the transaction ends or writes. */
	int (*get)(struct loci_index_txn *t, int table, struct loci_slice key,
	           struct loci_slice *ret_val, struct loci_error *err);
	/** Replaces what was there. */
	int (*put)(struct loci_index_txn *t, int table, struct loci_slice key,
	           struct loci_slice val, struct loci_error *err);
	/** NOT_FOUND leaves err alone. */
	int (*del)(struct loci_index_txn *t, int table, struct loci_slice key,
	           struct loci_error *err);
	/** Every row with a key of `from` or above, in byte order. */
	int (*scan)(struct loci_index_txn *t, int table, struct loci_slice from,
	            loci_index_scan_fn fn, void *arg, struct loci_error *err);

	/** Now and then, from the writing thread: clear what dead processes left. */
	void (*upkeep)(struct loci_index *ix);
	/** 1: no other process has the index open, 0: some has. */
	int (*is_alone)(struct loci_index *ix, struct loci_error *err);
};

struct loci_index_opts {
	uint64_t map_size;    /* bytes of address space to reserve */
	unsigned max_readers; /* snapshots at once, all processes */
	unsigned pid_wait_ms; /* how long to wait for another process's claim (see the docs) */
};
/** path: an existing directory of the index alone. Expected: BUSY, DENIED, UNSUPPORTED. */
typedef int (*loci_index_open_fn)(const char *path, const struct loci_index_opts *opts,
                                  struct loci_index **ret, struct loci_error *err);

LOCI_END_DECLS
#endif
