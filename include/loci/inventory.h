/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a repository, for those who judge it (retention, listings), and removal on
 * conditions that are looked at again in the transaction that removes: between judging and removing
 * a client may have pushed, tagged or pulled.
 */
#ifndef LOCI_INVENTORY_H
#define LOCI_INVENTORY_H

#include "loci/usage.h"

LOCI_BEGIN_DECLS

/* ---- when something was pulled --------------------------------------------------------------- */

/** Begins or ends remembering pulls. The time of the first call since it was last off stays, so
 *  that "not pulled for a month" can be told from "not watched for a month". */
LOCI_API LOCI_CHECK int loci_pulls_track(struct loci_store *st, bool on, struct loci_error *err);
/** [read] Since when pulls are remembered, seconds since the epoch; 0: they are not. */
LOCI_API LOCI_CHECK int loci_pulls_since(struct loci_store *st, uint64_t *ret,
                                         struct loci_error *err);
/** Seconds by which a note of a pull may be too old; see loci_manifest_pulled. */
#define LOCI_PULLED_SLACK_S 3600
/** [read] A client has pulled the manifest. Written at most once an hour for each manifest of a
 *  repository, by and by; what cannot be queued is left out. */
LOCI_API void loci_manifest_pulled(struct loci_store *st, const char *repo,
                                   const struct loci_digest *d);

/* ---- listings -------------------------------------------------------------------------------- */

#define LOCI_INFO_TYPE_MAX 256
/** More tags of one manifest than this are not counted. */
#define LOCI_INFO_TAGS_MAX 1000

/** Times are seconds since the epoch. */
struct loci_manifest_info {
	struct loci_digest digest;
	struct loci_digest subject;          /* .alg 0: none */
	char media_type[LOCI_INFO_TYPE_MAX]; /* as this repository was told */
	uint64_t size;                       /* bytes of the manifest itself */
	uint64_t pushed_at;                  /* the last time */
	uint64_t pulled_at;                  /* 0: not since pulls are remembered */
	uint64_t untagged_at;                /* when a tag was last taken from it; 0: never */
	unsigned n_tags;                     /* at most LOCI_INFO_TAGS_MAX */
	bool has_parent;                     /* an index of this repository lists it */
	bool has_subject;                    /* its subject is in this repository */
};
/** Return non-zero to stop: the walk then returns CALLBACK. The store may be called inside. */
typedef int (*loci_manifest_info_fn)(void *arg, const struct loci_manifest_info *info);
/** [read] Manifests of the repository in the order of their digests, strictly after `after` (NULL:
 *  from the start). Not one snapshot; none is open while fn runs. */
LOCI_API LOCI_CHECK int loci_manifest_info_foreach(struct loci_store *st, const char *repo,
                                                   const struct loci_digest *after,
                                                   loci_manifest_info_fn fn, void *arg,
                                                   struct loci_error *err);

struct loci_tag_info {
	char tag[LOCI_TAG_MAX + 1];
	struct loci_digest digest;
	uint64_t pushed_at; /* when the tag was last set; before format 2: its manifest */
	uint64_t pulled_at; /* its manifest; 0: not since pulls are remembered */
};
typedef int (*loci_tag_info_fn)(void *arg, const struct loci_tag_info *info);
/** [read] Tags in byte order, strictly after `after`. As above. */
LOCI_API LOCI_CHECK int loci_tag_info_foreach(struct loci_store *st, const char *repo,
                                              const char *after, loci_tag_info_fn fn, void *arg,
                                              struct loci_error *err);

/* ---- removal --------------------------------------------------------------------------------- */

enum loci_removal_flag {
	/** Only a manifest without tag, which no index of the repository lists, and whose subject
	 *  is not in the repository. */
	LOCI_REMOVE_IF_LOOSE = 1 << 0
};
/** One tag, or (tag NULL) one manifest with all of its tags. */
struct loci_removal {
	const char *tag;
	struct loci_digest digest; /* the manifest; a tag goes only if it still points there */
	unsigned flags;            /* enum loci_removal_flag */
	uint64_t pushed_until;     /* not if pushed, set or untagged later; 0: whenever */
	uint64_t pulled_until;     /* not if pulled later; 0: whenever */
	bool removed;              /* out: false, too, when it was gone already */
};
#define LOCI_REMOVALS_MAX 64
/** Removes those whose conditions hold, all in one transaction. n: at most LOCI_REMOVALS_MAX. */
LOCI_API LOCI_CHECK int loci_remove_if(struct loci_store *st, const char *repo,
                                       struct loci_removal *removals, size_t n,
                                       struct loci_error *err);
/** One bounded step of taking everything out of a repository: manifests with their tags, then
 * blobs. 1: more is left, 0: it was empty. ret_removed: what the step removed. */
LOCI_API LOCI_CHECK int loci_repo_remove_step(struct loci_store *st, const char *repo,
                                              struct loci_usage *ret_removed,
                                              struct loci_error *err);

LOCI_END_DECLS
#endif
