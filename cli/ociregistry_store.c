/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of --store: for the server, which makes it when it is missing, and for the commands
 * beside it, which must leave nothing in it that the server cannot read.
 */
#include "cli/ociregistry.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define S struct loci_ociregistry_settings

/* Whoever comes from registry:2 has the volume mounted where it always was. */
static int explain_directory(const char *dir, int code, struct loci_error *err)
{
	int fd loci__cleanup_close = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, "docker/registry/v2", F_OK, 0) < 0)
		return code;
	return loci__err_set(
	        err, code,
	        "'%s' holds the images of a registry:2: take them over by `ociregistry "
	        "--store %s/loci import %s` (by hard links, the old ones stay), then "
	        "serve them with LOCI_STORE=%s/loci",
	        dir, dir, dir, dir);
}

static int open_store(const struct loci_invocation *inv, unsigned flags, struct loci_store **ret,
                      struct loci_error *err)
{
	const S *s = inv->settings;
	const struct loci_store_opts o = {
	        .struct_size = sizeof(o),
	        .log = inv->log,
	        .durability = s->durability,
	        .max_blob_size = s->max_blob_size,
	        .max_manifest_size = s->max_manifest_size,
	        .map_size = s->map_size,
	        .max_readers = s->max_readers,
	        .lease_s = (unsigned)(s->lease_ms / 1000),
	        .flags = flags | (s->force_remote ? LOCI_STORE_FORCE_REMOTE : 0),
	        .max_uploads = s->max_uploads,
	        .max_upload_bytes = s->max_upload_bytes,
	        .upload_expiry_s = (unsigned)(s->upload_expiry_ms / 1000),
	        .upload_check_s = (unsigned)(s->upload_check_ms / 1000),
	};
	int r = loci_store_open(s->store, &o, ret, err);
	return r == LOCI_E_INVALID || r == LOCI_E_NOT_FOUND ? explain_directory(s->store, r, err)
	                                                    : r;
}

int loci__ociregistry_open_store(const struct loci_invocation *inv, struct loci_store **ret,
                                 struct loci_error *err)
{
	return open_store(inv, /* flags= */ 0, ret, err);
}

/* Whoever made the index made the store; a directory that is none yet is its owner's. */
static bool find_user(const char *dir, uid_t *ret)
{
	char path[PATH_MAX];
	struct stat st;
	if (snprintf(path, sizeof(path), "%s/index", dir) >= (int)sizeof(path))
		return false;
	if (stat(path, &st) < 0 && stat(dir, &st) < 0)
		return false;
	*ret = st.st_uid;
	return true;
}

int loci__ociregistry_check_user(const S *s, struct loci_error *err)
{
	uid_t user;
	if (!find_user(s->store, &user) || user == geteuid())
		return 0;
	return loci__err_set(err, LOCI_E_USAGE,
	                     "store '%s' belongs to user %u: run this as that user, or its server "
	                     "cannot read what comes into it",
	                     s->store, (unsigned)user);
}

int loci__ociregistry_open_existing_store(const struct loci_invocation *inv,
                                          struct loci_store **ret, struct loci_error *err)
{
	int r = loci__ociregistry_check_user(inv->settings, err);
	return r < 0 ? r : open_store(inv, LOCI_STORE_NO_CREATE, ret, err);
}
