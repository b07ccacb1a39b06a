/* SPDX-License-Identifier: Apache-2.0 */
/* loci_import: what kind of source it is, and who reads it. */
#include "registry/transfer/import.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int import_directory(struct loci__import *im, int dirfd, const char *source,
                            struct loci_error *err)
{
	loci__cleanup_close int v2_fd = -1;
	int rc = loci__registry2_find(dirfd, &v2_fd, err);
	if (rc == 0)
		return loci__registry2_import(im, v2_fd, err);
	if (rc != LOCI_E_NOT_FOUND)
		return rc;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "'%s' is no storage directory of registry:2 "
	                     "(docker/registry/v2/repositories)",
	                     source);
}

static int import_path(struct loci__import *im, const char *source, struct loci_error *err)
{
	loci__cleanup_close int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return loci__err_sys(err, "open '%s'", source);
	if (S_ISDIR(st.st_mode))
		return import_directory(im, fd, source, err);
	return loci__err_set(err, LOCI_E_INVALID, "'%s': expected a directory", source);
}

static int check_opts(struct loci_import_opts *o, struct loci_error *err)
{
	if (o->repo && !loci_repo_is_valid(o->repo, strlen(o->repo)))
		return loci__err_set(err, LOCI_E_INVALID, "'%s' is no repository name", o->repo);
	if (!o->max_manifest_size)
		o->max_manifest_size = LOCI_MANIFEST_SIZE_DEFAULT;
	return 0;
}

int loci_import(struct loci_store *st, const char *source, const struct loci_import_opts *opts,
                struct loci_transfer_counts *counts, struct loci_error *given_err)
{
	struct loci_error own_err, *err = given_err ? given_err : &own_err; /* events carry it */
	loci__cleanup_free struct loci__import *im = calloc(1, sizeof(*im));
	*counts = (struct loci_transfer_counts){0};
	if (!im)
		return loci__err_nomem(err);
	im->st = st;
	im->counts = counts;
	if (opts)
		memcpy(&im->opts, opts,
		       opts->struct_size < sizeof(im->opts) ? opts->struct_size : sizeof(im->opts));
	int rc = check_opts(&im->opts, err);
	return rc < 0 ? rc : import_path(im, source, err);
}
