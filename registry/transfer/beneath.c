/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/beneath.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <string.h>

#define NAMES_BYTES_MAX ((size_t)256 << 20)

static int open_err(const char *path, struct loci_error *err)
{
	if (errno == ELOOP || errno == EXDEV)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "'%s': a symbolic link, which is not followed here", path);
	return loci__err_sys(err, "open '%s'", path);
}

int loci__beneath_open(int dirfd, const char *path, int *ret_fd, uint64_t *ret_size,
                       struct loci_error *err)
{
	/* A FIFO would wait for its writer. */
	loci__cleanup_close int fd =
	        loci__open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	if (fd < 0)
		return open_err(path, err);
	if (fstat(fd, &st) < 0)
		return loci__err_sys(err, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "'%s': expected a regular file", path);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

int loci__beneath_dir(int dirfd, const char *path, int *ret_fd, struct loci_error *err)
{
	int fd = loci__open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return open_err(path, err);
	*ret_fd = fd;
	return 0;
}

int loci__beneath_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n,
                       struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	uint64_t size;
	int rc = loci__beneath_open(dirfd, path, &fd, &size, err);
	if (rc < 0)
		return rc;
	if (size > max)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "'%s': more than %zu bytes", path, max);
	loci__cleanup_free char *p = malloc((size_t)size + 1);
	if (!p)
		return loci__err_nomem(err);
	ssize_t n = loci__read_full(fd, p, (size_t)size);
	if (n < 0)
		return loci__err_sys(err, "read '%s'", path);
	p[n] = '\0';
	*ret = loci__steal_ptr(&p);
	*ret_n = (size_t)n;
	return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_name(struct loci__names *names, size_t *cap, const char *name,
                    struct loci_error *err)
{
	if (names->n == LOCI_NAMES_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "a directory of more than %zu names",
		                     LOCI_NAMES_MAX);
	if (names->n == *cap) {
		size_t more = *cap ? 2 * *cap : 64;
		const char **grown = realloc(names->v, more * sizeof(*grown));
		if (!grown)
			return loci__err_nomem(err);
		names->v = grown;
		*cap = more;
	}
	char *copy = loci__arena_strdup(&names->arena, name);
	if (!copy)
		return loci__err_nomem(err);
	names->v[names->n++] = copy;
	return 0;
}

int loci__names_read(int dirfd, const char *path, struct loci__names *ret, struct loci_error *err)
{
	struct loci__names names loci__cleanup_names = {.arena = LOCI_ARENA_INIT(NAMES_BYTES_MAX)};
	loci__cleanup_close int fd = -1;
	size_t cap = 0;
	*ret = (struct loci__names){0};
	int rc = loci__beneath_dir(dirfd, path, &fd, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	loci__cleanup_dir DIR *dir = fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list '%s'", path);
	loci__steal_fd(&fd);
	for (struct dirent *e; rc == 0 && (errno = 0, e = readdir(dir));)
		if (e->d_name[0] != '.')
			rc = add_name(&names, &cap, e->d_name, err);
	if (rc == 0 && errno)
		rc = loci__err_sys(err, "list '%s'", path);
	if (rc < 0)
		return rc;
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_bytes);
	*ret = names;
	names = (struct loci__names){0};
	return 0;
}

void loci__names_done(struct loci__names *names)
{
	loci__arena_done(&names->arena);
	free(names->v);
	*names = (struct loci__names){0};
}
