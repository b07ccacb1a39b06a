/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image to a bundle (image-spec conversion.md): config.json with docker's defaults, and the
 * layers that make the rootfs.
 */
#ifndef LOCI_BUNDLE_H
#define LOCI_BUNDLE_H

#include "loci/image_config.h"
#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_bundle_opts {
	size_t struct_size;
	const struct loci_log *log;
	const char *const
	        *args; /* replaces the image's Cmd (the Entrypoint stays); n 0: the image's */
	size_t n_args;
	const char *const *entrypoint; /* replaces the image's Entrypoint, and drops its Cmd */
	size_t n_entrypoint;
	bool entrypoint_set;    /* also when n_entrypoint is 0: no entrypoint */
	const char *const *env; /* "K=V", over the image's */
	size_t n_env;
	const char *user;     /* "uid[:gid]" or names looked up in the rootfs; NULL: the image's */
	const char *workdir;  /* NULL: the image's */
	const char *hostname; /* NULL: the first 12 characters of the id */
	bool terminal;
	bool read_only;  /* rootfs */
	uint64_t memory; /* bytes; 0: unlimited */
	double cpus;     /* 0: unlimited */
	int64_t pids;    /* 0: unlimited */
};
/** An image made ready to run: what loci_runtime_create wants, by value. */
struct loci_bundle {
	int *lower_fds; /* topmost first */
	size_t n_lower_fds;
	int upper_fd; /* also with a read-only rootfs: mount points are made in it before */
	int work_fd;
	char *path; /* directory with config.json */
};
/** Makes the bundle `id` (letters, digits, "_+-.") below the store's run directory. Layers must be
 *  unpacked. The bundle is marked as in use until _free or the end of the process; the store may be
 *  closed before. Expected errors: NOT_FOUND (a blob, a layer, a user), EXISTS, INVALID. */
LOCI_API LOCI_CHECK int loci_bundle_make(struct loci_store *st, const struct loci_image *image,
                                         const char *id, const struct loci_bundle_opts *o,
                                         struct loci_bundle **ret, struct loci_error *err);
/** Closes the fds and, with remove, deletes the bundle and its upper layer. NULL is fine. */
LOCI_API void loci_bundle_free(struct loci_bundle *b, bool remove);

/** Called for a bundle whose maker is gone, before it is deleted: the place to delete what is left
 *  of its container. Returning non-zero keeps the bundle. */
typedef int (*loci_bundle_gone_fn)(void *arg, const char *id, const char *path);
/** Deletes the bundles of processes that ended without _free (killed, power cut). */
LOCI_API LOCI_CHECK int loci_bundle_sweep(struct loci_store *st, loci_bundle_gone_fn fn, void *arg,
                                          struct loci_error *err);
/** The config.json of a bundle without an image, for a rootfs directory beside it: a shell with
 *  the same defaults. *ret is malloc'ed. */
LOCI_API LOCI_CHECK int loci_bundle_default_config(char **ret, struct loci_error *err);

LOCI_END_DECLS
#endif
