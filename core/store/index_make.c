/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/index_make.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>

#define DATA_NAME  "data.mdb"
#define NEW_NAME   "data.mdb.new"
#define INDEX_MODE 0600

/* LMDB's part: 0, an errno or one of its codes. */
static int make_file(const char *path)
{
	char file[PATH_MAX];
	MDB_env *env;
	int fd;
	if (snprintf(file, sizeof(file), "%s/" NEW_NAME, path) >= (int)sizeof(file))
		return ENAMETOOLONG;
	int rc = mdb_env_create(&env);
	if (rc != 0)
		return rc;
	rc = mdb_env_open(env, file, MDB_NOSUBDIR | MDB_NOLOCK, INDEX_MODE);
	if (rc == 0)
		rc = mdb_env_get_fd(env, &fd);
	if (rc == 0 && fdatasync(fd) < 0)
		rc = errno;
	mdb_env_close(env);
	return rc;
}

int loci__index_make(const char *path, struct loci_error *err)
{
	struct stat st;
	loci__cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return loci__err_sys(err, "open the index '%s'", path);
	if (fstatat(dirfd, DATA_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	unlinkat(dirfd, NEW_NAME, 0); /* what a crash left */
	int rc = make_file(path);
	if (rc != 0)
		return rc > 0 ? loci__err_errno(err, rc, "make the index '%s'", path)
		              : loci__err_set(err, LOCI_E_INTERNAL, "make the index '%s': %s", path,
		                              mdb_strerror(rc));
	if (renameat(dirfd, NEW_NAME, dirfd, DATA_NAME) < 0 || loci__sync_dir(dirfd) < 0)
		return loci__err_sys(err, "make the index '%s'", path);
	return 0;
}
