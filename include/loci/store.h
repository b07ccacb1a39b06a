/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: blobs by digest, an index of names, unpacked layers; one directory that several
 * processes may have open at once.
 *
 * Thread-safe throughout, except that one loci_upload belongs to one thread at a time. What a
 * function has acknowledged is on disk (durability=full). Functions marked [read] never wait for
 * the disk's sync or for a commit and may be called from an event loop; all others may block.
 * An environment does not survive fork: open the store after the last one.
 */
#ifndef LOCI_STORE_H
#define LOCI_STORE_H

#include "loci/digest.h"
#include "loci/image_config.h"
#include "loci/log.h"
#include "loci/manifest.h"
#include "loci/ref.h"

LOCI_BEGIN_DECLS

struct loci_store;

enum loci_durability {
	LOCI_DURABILITY_FULL = 0, /* what was acknowledged survives a power cut */
	/** A power cut may lose the last seconds, never the structure; a blob that it cut short
	 * counts as absent. Per handle: what another one writes in full is synced in full. */
	LOCI_DURABILITY_RELAXED
};
enum loci_store_flag {
	LOCI_STORE_NO_CREATE = 1 << 0,   /* NOT_FOUND instead of making a new store */
	LOCI_STORE_FORCE_REMOTE = 1 << 1 /* allow a network file system (see docs: locks, mmap) */
};
struct loci_store_opts {
	size_t struct_size;
	const struct loci_log *log; /* borrowed until _close */
	int durability;             /* enum loci_durability */
	uint64_t max_blob_size;     /* bytes; 0: 1 TiB */
	uint64_t max_manifest_size; /* bytes; 0: 4 MiB */
	uint64_t map_size;          /* bytes of address space for the index; 0: 1 TiB */
	unsigned max_readers;       /* reader slots of the index, all processes; 0: 1024 */
	unsigned lease_s;           /* seconds that an unlinked blob is kept; 0: 24 h */
	unsigned flags;             /* enum loci_store_flag */
	/* Of upload sessions. A limit counts those of all processes, and holds for sessions of a
	 * repository: what the puller fetches is not refused because clients gave up uploads. */
	uint64_t max_uploads;      /* open at a time; 0: 10000 */
	uint64_t max_upload_bytes; /* in all that are open; 0: what the disk holds */
	/* Seconds after its last write that one is given up; 0: as whoever last opened the store
	 * with a number said, or else 7 days. */
	unsigned upload_expiry_s;
	unsigned upload_check_s; /* seconds between two looks for such; 0: one hour */
};

/** Opens or makes the store at dir (made with mode 0755, missing parents too). The same directory
 *  may be opened again in one process: the handles share one environment.
 *  May wait some seconds for a process of another PID namespace that has the same id.
 *  Expected errors: NOT_FOUND, DENIED, INVALID (a directory of something else), UNSUPPORTED (newer
 *  format, network file system), BUSY (same process id in another PID namespace). */
LOCI_API LOCI_CHECK int loci_store_open(const char *dir, const struct loci_store_opts *opts,
                                        struct loci_store **ret, struct loci_error *err);
LOCI_API void loci_store_close(struct loci_store *st); /* NULL is fine */

/* ---- the mark against writing ------------------------------------------------------------------
 * It stops every process that has the store open, servers, pullers and collectors alike, until it
 * is lifted, restarts and power cuts in between: for a backup that copies the directory. Whatever
 * would change the index fails with READ_ONLY; bytes of upload sessions still arrive, their commits
 * are refused and can be tried again later. */

#define LOCI_FREEZE_REASON_MAX 256 /* bytes, NUL included */
struct loci_store_freeze {
	uint64_t since; /* seconds since the epoch */
	char reason[LOCI_FREEZE_REASON_MAX];
};
/** Sets the mark and waits until no write that began before it is left, of any process. reason may
 *  be NULL. Once set, sets it anew. Expected errors: INVALID (a reason that is too long), BUSY
 *  (somebody lifted it meanwhile), NO_SPACE. */
LOCI_API LOCI_CHECK int loci_store_freeze(struct loci_store *st, const char *reason,
                                          struct loci_error *err);
/** Expected errors: NOT_FOUND (there is no mark). */
LOCI_API LOCI_CHECK int loci_store_thaw(struct loci_store *st, struct loci_error *err);
/** Whether the mark is there now: one look at the directory. */
LOCI_API bool loci_store_is_frozen(const struct loci_store *st);
/** Since when and why. Expected errors: NOT_FOUND (there is no mark). */
LOCI_API LOCI_CHECK int loci_store_frozen(struct loci_store *st, struct loci_store_freeze *ret,
                                          struct loci_error *err);

/* ---- blobs ------------------------------------------------------------------------------------
 * repo is a repository name; NULL means the whole store (what the puller and the runtime use). */

/** [read] Size of a visible blob. Renews the blob's lease when it tells a client that it need not
 *  send it. Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_blob_stat(struct loci_store *st, const char *repo,
                                       const struct loci_digest *d, uint64_t *ret_size,
                                       struct loci_error *err);
/** [read] A read-only fd, the caller's; the content was verified when it was committed.
 *  Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_blob_open(struct loci_store *st, const char *repo,
                                       const struct loci_digest *d, int *ret_fd, uint64_t *ret_size,
                                       struct loci_error *err);
/** Makes a blob of from_repo (NULL: any repository) visible in to_repo. Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_blob_mount(struct loci_store *st, const char *from_repo,
                                        const char *to_repo, const struct loci_digest *d,
                                        struct loci_error *err);
/** Takes the blob out of the repository; its bytes go when nothing holds them. Expected: NOT_FOUND.
 */
LOCI_API LOCI_CHECK int loci_blob_delete(struct loci_store *st, const char *repo,
                                         const struct loci_digest *d, struct loci_error *err);
/** A small blob at once. want may be NULL. */
LOCI_API LOCI_CHECK int loci_blob_put(struct loci_store *st, const char *repo, const void *p,
                                      size_t n, const struct loci_digest *want,
                                      struct loci_digest *ret, struct loci_error *err);

enum loci_adopt_flag {
	/** A hard link is allowed: nobody will change the file from now on, and its bytes are freed
	 *  when both names are gone. Made where the file is the store owner's, or root's and
	 *  readable for all, and nobody else may write to it. */
	LOCI_ADOPT_LINK = 1 << 0,
	/** The bytes are those of the digest: do not read them where they are not copied. */
	LOCI_ADOPT_TRUST = 1 << 1
};
/** How the bytes came in. */
enum loci_adopt_way {
	LOCI_ADOPTED_PRESENT = 0, /* they were there */
	LOCI_ADOPTED_LINK,
	LOCI_ADOPTED_CLONE, /* shares blocks (reflink) */
	LOCI_ADOPTED_COPY
};
/** Takes an open regular file in as a blob, by the first way that can be had: a link where it is
 *  allowed, a clone, a copy. Hashed before it becomes visible; reads from offset 0, whatever fd's
 *  position is. ret_way (enum loci_adopt_way) may be NULL. Expected: DIGEST_MISMATCH, TOO_LARGE,
 *  NO_SPACE, INVALID (no regular file). */
LOCI_API LOCI_CHECK int loci_blob_adopt(struct loci_store *st, const char *repo, int fd,
                                        const struct loci_digest *want, unsigned flags,
                                        int *ret_way, struct loci_error *err);

/* ---- upload sessions --------------------------------------------------------------------------
 * One writer at a time (a kernel lock); a session survives close and restart by its id. */

struct loci_upload;
/** 32 hex digits and dashes of a UUID, NUL included */
#define LOCI_UPLOAD_ID_MAX 64

/** alg: enum loci_digest_alg, 0 for sha256. Expected: BUSY (max_uploads or max_upload_bytes). */
LOCI_API LOCI_CHECK int loci_upload_begin(struct loci_store *st, const char *repo, int alg,
                                          struct loci_upload **ret, struct loci_error *err);
/** Expected errors: NOT_FOUND (unknown id, or another repository's), BUSY (somebody writes it),
 *  INVALID (no session id). */
LOCI_API LOCI_CHECK int loci_upload_resume(struct loci_store *st, const char *repo, const char *id,
                                           struct loci_upload **ret, struct loci_error *err);
/** [read] The offset of a session without taking it. Expected: NOT_FOUND, INVALID. */
LOCI_API LOCI_CHECK int loci_upload_stat(struct loci_store *st, const char *repo, const char *id,
                                         uint64_t *ret_offset, struct loci_error *err);
LOCI_API const char *loci_upload_id(const struct loci_upload *up);
LOCI_API uint64_t loci_upload_offset(const struct loci_upload *up);
/** Appends; hashes as it goes. On failure the session stays at its old offset.
 *  Expected: TOO_LARGE, NO_SPACE, BUSY (max_upload_bytes), INVALID (only a commit may follow: one
 * was tried and failed after the bytes were complete). */
LOCI_API LOCI_CHECK int loci_upload_write(struct loci_upload *up, const void *p, size_t n,
                                          struct loci_error *err);
/** Verifies, syncs, renames into place and makes the blob visible in the repository. On
 *  DIGEST_MISMATCH, and when the disk failed to take the bytes (SYS from the sync), nothing becomes
 *  visible and the session is gone; on any other failure it stays and can be resumed. Frees up in
 *  every case. */
LOCI_API LOCI_CHECK int loci_upload_commit(struct loci_upload *take_up,
                                           const struct loci_digest *want, struct loci_error *err);
/** As loci_upload_commit, for a session that nobody is to resume: it is gone in every case. want
 * NULL takes the digest that its bytes have. ret may be NULL. */
LOCI_API LOCI_CHECK int loci_upload_finish(struct loci_upload *take_up,
                                           const struct loci_digest *want, struct loci_digest *ret,
                                           struct loci_error *err);
/** Lets go of the session: discard forgets it, otherwise it can be resumed. NULL is fine. */
LOCI_API void loci_upload_close(struct loci_upload *up, bool discard);

/** An open session; times in seconds since the epoch. */
struct loci_upload_info {
	char id[LOCI_UPLOAD_ID_MAX];
	bool repo_is_known;           /* else its first request was cut off */
	char repo[LOCI_REPO_MAX + 1]; /* "": the whole store (a fetch of the puller) */
	int alg;                      /* enum loci_digest_alg */
	uint64_t bytes;
	uint64_t began_at; /* 0: not known */
	uint64_t written_at;
	bool is_held; /* somebody writes to it at this moment */
};
/** Return non-zero to stop: the walk then returns CALLBACK. Store calls may be made inside. */
typedef int (*loci_upload_fn)(void *arg, const struct loci_upload_info *info);
/** All open sessions, of all repositories and processes, in no order. What begins or ends meanwhile
 *  may or may not show. */
LOCI_API LOCI_CHECK int loci_upload_foreach(struct loci_store *st, loci_upload_fn fn, void *arg,
                                            struct loci_error *err);
/** Forgets a session, whichever repository's, unless it was written to within unwritten_s seconds.
 *  Expected: NOT_FOUND, INVALID (no session id), BUSY (somebody holds it, or wrote to it since). */
LOCI_API LOCI_CHECK int loci_upload_remove(struct loci_store *st, const char *id,
                                           uint64_t unwritten_s, struct loci_error *err);

/* ---- manifests and tags -----------------------------------------------------------------------
 */

enum loci_manifest_put_flag {
	/** Do not require what the manifest refers to. */
	LOCI_MANIFEST_PUT_SPARSE = 1 << 0,
	/** Do not require the entries of an index; its manifests are whole all the same. */
	LOCI_MANIFEST_PUT_SPARSE_INDEX = 1 << 1,
	/** Require foreign layers like all others. */
	LOCI_MANIFEST_PUT_NO_FOREIGN = 1 << 2
};
struct loci_manifest_put {
	size_t struct_size;
	const char *media_type; /* the Content-Type it came under */
	const void *bytes;
	size_t n;
	const struct loci_digest *want; /* or NULL */
	const char *const *tags;        /* set with the manifest, in one transaction */
	size_t n_tags;
	unsigned flags; /* enum loci_manifest_put_flag */
	/** One for each tag, or NULL: a true one refuses (DENIED) to move its tag when it is there
	 * with another digest. */
	const bool *fixed;
	/** NULL, or asked inside the transaction that writes: what the name that it is put under
	 * stands for now (want if that is given, else the first tag; NULL: nothing). False refuses
	 * the put (CONDITION). Runs on the writer's thread, maybe more than once: no store call
	 * inside. */
	bool (*condition)(void *arg, const struct loci_digest *current);
	void *condition_arg;
};
struct loci_manifest_put_result {
	struct loci_digest digest;
	struct loci_digest subject; /* .alg == 0: none */
	struct loci_digest missing; /* on NOT_FOUND: the first reference that is not there */
	bool has_foreign;           /* some layers are of a type that may stay elsewhere */
	const char *fixed_tag; /* on DENIED: the tag of put.tags that may not move, else NULL */
};
/** Stores the bytes as they are. repo may be NULL (no tags then). res may be NULL.
 *  Expected errors: INVALID, TOO_LARGE, DIGEST_MISMATCH, NOT_FOUND (a reference, see res), DENIED
 * (a fixed tag), CONDITION. */
LOCI_API LOCI_CHECK int loci_manifest_put(struct loci_store *st, const char *repo,
                                          const struct loci_manifest_put *put,
                                          struct loci_manifest_put_result *res,
                                          struct loci_error *err);

/** A copy of a stored manifest: one allocation, released by loci_manifest_bytes_free. */
struct loci_manifest_bytes {
	struct loci_digest digest;
	const char *media_type;
	const char *bytes;
	size_t n;
};
/** [read] By tag (digest NULL) or by digest (tag NULL). repo NULL: any, by digest only.
 *  Expected: NOT_FOUND; the message says whether the repository or the manifest is missing. */
LOCI_API LOCI_CHECK int loci_manifest_get(struct loci_store *st, const char *repo, const char *tag,
                                          const struct loci_digest *digest,
                                          struct loci_manifest_bytes **ret, struct loci_error *err);
LOCI_API void loci_manifest_bytes_free(struct loci_manifest_bytes *m);
/** Removes the manifest and every tag of the repository that points at it. Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_manifest_delete(struct loci_store *st, const char *repo,
                                             const struct loci_digest *d, struct loci_error *err);
/** The same, unless one of these tags is to stay: keeps is asked for each inside the transaction
 * that removes (it runs on the writer's thread, maybe more than once: no store call inside).
 *  Expected: NOT_FOUND, DENIED (then kept is the tag). */
struct loci_tag_keeper {
	bool (*keeps)(void *arg, const char *tag);
	void *arg;
	char kept[LOCI_TAG_MAX + 1]; /* out */
};
LOCI_API LOCI_CHECK int loci_manifest_delete_unless(struct loci_store *st, const char *repo,
                                                    const struct loci_digest *d,
                                                    struct loci_tag_keeper *keeper,
                                                    struct loci_error *err);
/** Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_tag_delete(struct loci_store *st, const char *repo, const char *tag,
                                        struct loci_error *err);
/** [read] Whether anything was ever pushed to it (and not all deleted). */
LOCI_API bool loci_repo_exists(struct loci_store *st, const char *repo);

/** Return non-zero to stop: the walk then returns CALLBACK. No store call may be made inside. */
typedef int (*loci_name_fn)(void *arg, const char *name);
/** [read] Tags in byte order, strictly after `after` (NULL: from the start; need not exist). A
 *  repository that is not known has none. A long listing is not one snapshot: what changes
 *  meanwhile may or may not show. */
LOCI_API LOCI_CHECK int loci_tag_foreach(struct loci_store *st, const char *repo, const char *after,
                                         loci_name_fn fn, void *arg, struct loci_error *err);
/** [read] Repositories in byte order. */
LOCI_API LOCI_CHECK int loci_repo_foreach(struct loci_store *st, const char *after, loci_name_fn fn,
                                          void *arg, struct loci_error *err);
/** [read] Repositories that hold the blob, in byte order, strictly after `after` (or NULL). */
LOCI_API LOCI_CHECK int loci_blob_repo_foreach(struct loci_store *st, const struct loci_digest *d,
                                               const char *after, loci_name_fn fn, void *arg,
                                               struct loci_error *err);
/** [read] Manifests of the repository whose subject is d, by algorithm (sha256 first) and bytes of
 *  their digests, strictly after `after` (NULL: from the start; need not exist). fn gets the stored
 *  bytes. */
typedef int (*loci_referrer_fn)(void *arg, const struct loci_manifest_bytes *m);
LOCI_API LOCI_CHECK int loci_referrer_foreach(struct loci_store *st, const char *repo,
                                              const struct loci_digest *d,
                                              const struct loci_digest *after, loci_referrer_fn fn,
                                              void *arg, struct loci_error *err);

/* ---- pulled images ----------------------------------------------------------------------------
 */

/** What `ocipull` fetched under a name, and for which platform. */
struct loci_image {
	char ref[LOCI_REF_STR_MAX];  /* full form, see loci_ref_format */
	struct loci_digest top;      /* what the name resolved to: an index or a manifest */
	struct loci_digest manifest; /* the platform's manifest */
	uint64_t pulled_at;          /* seconds since the epoch */
};
/** Records it and makes it the last one. Its blobs are kept from then on. */
LOCI_API LOCI_CHECK int loci_image_put(struct loci_store *st, const struct loci_image *image,
                                       struct loci_error *err);
/** [read] By its full form, or the last one recorded (ref NULL). Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_image_get(struct loci_store *st, const char *ref,
                                       struct loci_image *ret, struct loci_error *err);

/** [read] The platform's manifest and its config, parsed; the caller frees both. *ret_config is
 * NULL for an artifact, which has none. Expected: NOT_FOUND, INVALID, TOO_LARGE. */
LOCI_API LOCI_CHECK int loci_image_load(struct loci_store *st, const struct loci_image *image,
                                        struct loci_manifest **ret_manifest,
                                        struct loci_image_config **ret_config,
                                        struct loci_error *err);
/** [read] The image config that a manifest's config descriptor names. Expected: as above. */
LOCI_API LOCI_CHECK int loci_image_config_load(struct loci_store *st,
                                               const struct loci_descriptor *config,
                                               struct loci_image_config **ret,
                                               struct loci_error *err);

/* ---- unpacked layers: layers/<alg>/<hex of the diff ID>/fs -------------------------------------
 */

enum loci_layer_flag {
	/** The layer hides everything below it: leave the lower layers out (opaque on the root,
	 *  which overlayfs ignores). */
	LOCI_LAYER_CUT = 1 << 0
};
struct loci_layer_staging;
/** [read] The layer's directory (O_PATH) and flags. Expected: NOT_FOUND. */
LOCI_API LOCI_CHECK int loci_layer_open(struct loci_store *st, const struct loci_digest *diff_id,
                                        int *ret_dirfd, unsigned *ret_flags,
                                        struct loci_error *err);
/** Waits for a peer that unpacks the same layer; EXISTS when it is there by then. */
LOCI_API LOCI_CHECK int loci_layer_begin(struct loci_store *st, const struct loci_digest *diff_id,
                                         struct loci_layer_staging **ret, struct loci_error *err);
/** Where to unpack; borrowed, a directory opened O_RDONLY|O_DIRECTORY. */
LOCI_API int loci_layer_staging_fd(const struct loci_layer_staging *s);
/** Syncs, renames into place, records it. Frees s in every case. */
LOCI_API LOCI_CHECK int loci_layer_commit(struct loci_layer_staging *take_s, unsigned flags,
                                          struct loci_error *err);
/** Removes what was unpacked. NULL is fine. */
LOCI_API void loci_layer_abort(struct loci_layer_staging *s);

/** The store's directory as it was given, for messages. */
LOCI_API const char *loci_store_dir(const struct loci_store *st);
/** A directory of the store for others' state (bundles, …), made if missing; the fd is the
 * caller's. */
LOCI_API LOCI_CHECK int loci_store_subdir(struct loci_store *st, const char *name, int *ret_dirfd,
                                          struct loci_error *err);

LOCI_END_DECLS
#endif
