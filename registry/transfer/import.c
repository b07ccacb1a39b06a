/* SPDX-License-Identifier: Apache-2.0 */
/* loci_import: what kind of source it is, and who reads it. */
#include "registry/transfer/import.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "registry/transfer/archive.h"
#include "registry/transfer/beneath.h"
#include "registry/transfer/docker_save.h"
#include "registry/transfer/layout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_JOBS 8

static int import_layout(struct loci__import *im, int dirfd, struct loci_error *err)
{
	const struct loci__source src = {.dirfd = dirfd, .path = loci__layout_path};
	loci__cleanup_free char *layout = NULL, *index = NULL;
	size_t layout_n, n;
	int rc = loci__beneath_read(dirfd, LOCI_LAYOUT_FILE, LOCI_LAYOUT_FILE_MAX, &layout,
	                            &layout_n, err);
	if (rc == 0)
		rc = loci__layout_check_version(layout, layout_n, err);
	if (rc == 0)
		rc = loci__beneath_read(dirfd, LOCI_LAYOUT_INDEX, LOCI_LAYOUT_INDEX_MAX, &index, &n,
		                        err);
	return rc < 0 ? rc : loci__layout_import(im, &src, index, n, err);
}

static int import_directory(struct loci__import *im, int dirfd, const char *source,
                            struct loci_error *err)
{
	loci__cleanup_close int v2_fd = -1;
	if (faccessat(dirfd, LOCI_LAYOUT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return import_layout(im, dirfd, err);
	if (faccessat(dirfd, LOCI_DOCKER_SAVE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return loci__saved_import_directory(im, dirfd, err);
	int rc = loci__registry2_find(dirfd, &v2_fd, err);
	if (rc == 0)
		return loci__registry2_import(im, v2_fd, err);
	if (rc != LOCI_E_NOT_FOUND)
		return rc;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "'%s' is neither an OCI layout (" LOCI_LAYOUT_FILE
	                     "), nor a storage directory of registry:2 "
	                     "(docker/registry/v2/repositories), nor an unpacked docker save "
	                     "(" LOCI_DOCKER_SAVE_FILE ")",
	                     source);
}

static int import_path(struct loci__import *im, const char *source, struct loci_error *err)
{
	struct stat st;
	if (!strcmp(source, "-"))
		return loci__archive_import(im, STDIN_FILENO, err);
	loci__cleanup_close int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return loci__err_sys(err, "open '%s'", source);
	if (S_ISDIR(st.st_mode))
		return import_directory(im, fd, source, err);
	int rc = loci__archive_import(im, fd, err);
	return rc < 0 ? loci__err_prefix(err, rc, "'%.200s'", source) : 0;
}

static int check_opts(struct loci_import_opts *o, struct loci_error *err)
{
	if (o->repo && !loci_repo_is_valid(o->repo, strlen(o->repo)))
		return loci__err_set(err, LOCI_E_INVALID, "'%s' is no repository name", o->repo);
	if (!o->max_manifest_size)
		o->max_manifest_size = LOCI_MANIFEST_SIZE_DEFAULT;
	if (!o->jobs)
		o->jobs = DEFAULT_JOBS;
	return 0;
}

struct loci__import *loci__import_clone(const struct loci__import *im)
{
	struct loci__import *other = calloc(1, sizeof(*other));
	if (!other)
		return NULL;
	other->st = im->st;
	other->opts = im->opts;
	other->shared = im->shared;
	return other;
}

void loci__import_free(struct loci__import *im)
{
	if (!im)
		return;
	loci__digest_set_done(&im->manifests);
	free(im);
}
LOCI_DEFINE_CLEANUP(import_free_ptr, struct loci__import, loci__import_free)

static void shared_init(struct loci__import_shared *sh, struct loci_transfer_counts *counts)
{
	sh->counts = counts;
	pthread_mutex_init(&sh->lock, NULL);
	for (size_t i = 0; i < LOCI_IMPORT_STRIPES; i++)
		pthread_mutex_init(&sh->stripes[i], NULL);
}

static void shared_done(struct loci__import_shared *sh)
{
	pthread_mutex_destroy(&sh->lock);
	for (size_t i = 0; i < LOCI_IMPORT_STRIPES; i++)
		pthread_mutex_destroy(&sh->stripes[i]);
}

int loci_import(struct loci_store *st, const char *source, const struct loci_import_opts *opts,
                struct loci_transfer_counts *counts, struct loci_error *given_err)
{
	struct loci_error own_err, *err = given_err ? given_err : &own_err; /* events carry it */
	loci__cleanup(import_free_ptr) struct loci__import *im = calloc(1, sizeof(*im));
	struct loci__import_shared shared;
	*counts = (struct loci_transfer_counts){0};
	if (!im)
		return loci__err_nomem(err);
	im->st = st;
	im->shared = &shared;
	if (opts)
		memcpy(&im->opts, opts,
		       opts->struct_size < sizeof(im->opts) ? opts->struct_size : sizeof(im->opts));
	int rc = check_opts(&im->opts, err);
	if (rc < 0)
		return rc;
	shared_init(&shared, counts);
	rc = import_path(im, source, err);
	shared_done(&shared);
	return rc;
}
