/* SPDX-License-Identifier: Apache-2.0 */
#include "disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEEN_BY_ALL __attribute__((visibility("default")))
#define CALLS_MAX   8192
#define NODES_MAX   1024
#define PENDING_MAX 4096
#define ENTRIES_MAX 512
#define PAGE        4096
#define NAME_SIZE   160
#define NO_NODE     (-1)

enum call_kind { CALL_WRITE, CALL_CUT, CALL_SYNC, CALL_ENTRY };

/* CALL_ENTRY: `add` is node's name from now on, `del` is no name any more; either may be "". */
struct call {
	enum call_kind kind;
	int node; /* the file, or the directory of an entry */
	bool is_synced;
	uint64_t offset; /* or size */
	size_t n;
	char *data;
	int entry;
	char add[NAME_SIZE], del[NAME_SIZE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static char root[256];
static struct call calls[CALLS_MAX];
static unsigned n_calls;
static struct {
	ino_t ino;
	bool is_dir;
} nodes[NODES_MAX];
static int n_nodes;

/* ---- recording ------------------------------------------------------------------------------- */

static void give_up(const char *what)
{
	fprintf(stderr, "disk_model: %s\n", what);
	abort();
}

static int node_of(ino_t ino)
{
	/* From the end: an inode's number may be used again. */
	for (int i = n_nodes - 1; i >= 0; i--)
		if (nodes[i].ino == ino)
			return i;
	return NO_NODE;
}

static int node_new(ino_t ino, bool is_dir)
{
	if (n_nodes == NODES_MAX)
		give_up("too many files");
	nodes[n_nodes].ino = ino;
	nodes[n_nodes].is_dir = is_dir;
	return n_nodes++;
}

static struct call *call_new(enum call_kind kind, int node)
{
	if (n_calls == CALLS_MAX)
		give_up("too many calls");
	struct call *c = &calls[n_calls++];
	*c = (struct call){.kind = kind, .node = node};
	return c;
}

static int node_of_fd(int fd)
{
	struct stat st;
	return recording && fstat(fd, &st) == 0 ? node_of(st.st_ino) : NO_NODE;
}

/* The directory that a path's last name stands in, and that name. */
static int parent_of(int dirfd, const char *path, char name[NAME_SIZE])
{
	struct stat st;
	char dir[512];
	const char *slash = strrchr(path, '/');
	snprintf(name, NAME_SIZE, "%s", slash ? slash + 1 : path);
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (!recording || fstatat(dirfd, *dir ? dir : "/", &st, 0) < 0)
		return NO_NODE;
	return node_of(st.st_ino);
}

static void note_write(int fd, uint64_t offset, const void *p, ssize_t n)
{
	int node = n > 0 ? node_of_fd(fd) : NO_NODE;
	if (node == NO_NODE)
		return;
	struct call *c = call_new(CALL_WRITE, node);
	c->is_synced = (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC)) != 0;
	c->offset = offset;
	c->n = (size_t)n;
	c->data = malloc((size_t)n);
	memcpy(c->data, p, (size_t)n);
}

static void note_sync(int fd)
{
	int node = node_of_fd(fd);
	if (node != NO_NODE)
		call_new(CALL_SYNC, node);
}

static void note_entry(int dir, int node, const char *add, const char *del)
{
	if (dir == NO_NODE || (*add && node == NO_NODE))
		return;
	struct call *c = call_new(CALL_ENTRY, dir);
	c->entry = node;
	snprintf(c->add, sizeof(c->add), "%s", add);
	snprintf(c->del, sizeof(c->del), "%s", del);
}

/* A name that a call has just made. */
static void note_made(int dirfd, const char *path, bool is_new)
{
	char name[NAME_SIZE];
	struct stat st;
	int dir = parent_of(dirfd, path, name);
	if (dir == NO_NODE || fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    strcmp(name, "lock.mdb") == 0)
		return;
	int node = is_new ? node_new(st.st_ino, S_ISDIR(st.st_mode)) : node_of(st.st_ino);
	note_entry(dir, node, name, "");
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int open_and_note(int dirfd, const char *path, int flags, mode_t mode)
{
	struct stat st;
	pthread_mutex_lock(&lock);
	bool is_new = recording && flags & O_CREAT &&
	              fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	int saved = errno;
	if (fd >= 0 && is_new)
		note_made(dirfd, path, true);
	else if (fd >= 0 && flags & O_TRUNC && node_of_fd(fd) != NO_NODE)
		call_new(CALL_CUT, node_of_fd(fd));
	pthread_mutex_unlock(&lock);
	errno = saved;
	return fd;
}

#define MODE_OF(flags)                                                      \
	({                                                                  \
		va_list args_;                                              \
		va_start(args_, flags);                                     \
		mode_t mode_ = (flags)&O_CREAT ? va_arg(args_, mode_t) : 0; \
		va_end(args_);                                              \
		mode_;                                                      \
	})

SEEN_BY_ALL int openat(int dirfd, const char *path, int flags, ...)
{
	return open_and_note(dirfd, path, flags, MODE_OF(flags));
}

SEEN_BY_ALL int open(const char *path, int flags, ...)
{
	return open_and_note(AT_FDCWD, path, flags, MODE_OF(flags));
}

SEEN_BY_ALL int open64(const char *path, int flags, ...)
{
	return open_and_note(AT_FDCWD, path, flags, MODE_OF(flags));
}

static ssize_t pwrite_and_note(int fd, const void *p, size_t n, off_t offset)
{
	pthread_mutex_lock(&lock);
	ssize_t rc = syscall(SYS_pwrite64, fd, p, n, offset);
	int saved = errno;
	note_write(fd, (uint64_t)offset, p, rc);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

SEEN_BY_ALL ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return pwrite_and_note(fd, p, n, offset);
}

SEEN_BY_ALL ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
	return pwrite_and_note(fd, p, n, offset);
}

static ssize_t pwritev_and_note(int fd, const struct iovec *v, int n, off_t offset)
{
	ssize_t sum = 0;
	for (int i = 0; i < n; i++) {
		ssize_t rc = pwrite_and_note(fd, v[i].iov_base, v[i].iov_len, offset + sum);
		if (rc < 0)
			return -1;
		sum += rc;
	}
	return sum;
}

SEEN_BY_ALL ssize_t pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
	return pwritev_and_note(fd, v, n, offset);
}

SEEN_BY_ALL ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t offset)
{
	return pwritev_and_note(fd, v, n, offset);
}

SEEN_BY_ALL ssize_t write(int fd, const void *p, size_t n)
{
	pthread_mutex_lock(&lock);
	off_t at = recording ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t rc = syscall(SYS_write, fd, p, n);
	int saved = errno;
	if (at >= 0)
		note_write(fd, (uint64_t)at, p, rc);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

/* LMDB's way to write many pages. */
SEEN_BY_ALL ssize_t writev(int fd, const struct iovec *v, int n)
{
	ssize_t sum = 0;
	for (int i = 0; i < n; i++) {
		ssize_t rc = write(fd, v[i].iov_base, v[i].iov_len);
		if (rc < 0)
			return -1;
		sum += rc;
	}
	return sum;
}

SEEN_BY_ALL int ftruncate(int fd, off_t size)
{
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(SYS_ftruncate, fd, size);
	int node = rc == 0 ? node_of_fd(fd) : NO_NODE;
	if (node != NO_NODE)
		call_new(CALL_CUT, node)->offset = (uint64_t)size;
	pthread_mutex_unlock(&lock);
	return rc;
}

static int sync_and_note(int fd, long number)
{
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(number, fd);
	if (rc == 0)
		note_sync(fd);
	pthread_mutex_unlock(&lock);
	return rc;
}

SEEN_BY_ALL int fdatasync(int fd)
{
	return sync_and_note(fd, SYS_fdatasync);
}

SEEN_BY_ALL int fsync(int fd)
{
	return sync_and_note(fd, SYS_fsync);
}

SEEN_BY_ALL int mkdirat(int dirfd, const char *path, mode_t mode)
{
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(SYS_mkdirat, dirfd, path, mode);
	int saved = errno;
	if (rc == 0)
		note_made(dirfd, path, true);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

SEEN_BY_ALL int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
	int saved = errno;
	if (rc == 0)
		note_made(to_fd, to, false);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

SEEN_BY_ALL int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	char from_name[NAME_SIZE], to_name[NAME_SIZE];
	struct stat st;
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
	int saved = errno;
	int from_dir = parent_of(from_fd, from, from_name), to_dir = parent_of(to_fd, to, to_name);
	if (rc == 0 && to_dir != NO_NODE && fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		bool same = from_dir == to_dir;
		note_entry(to_dir, node_of(st.st_ino), to_name, same ? from_name : "");
		if (!same)
			note_entry(from_dir, NO_NODE, "", from_name);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

SEEN_BY_ALL int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

SEEN_BY_ALL int unlinkat(int dirfd, const char *path, int flags)
{
	char name[NAME_SIZE];
	pthread_mutex_lock(&lock);
	int rc = (int)syscall(SYS_unlinkat, dirfd, path, flags);
	int saved = errno;
	if (rc == 0)
		note_entry(parent_of(dirfd, path, name), NO_NODE, "", name);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

void disk_record(const char *dir)
{
	struct stat st;
	if (stat(dir, &st) < 0)
		give_up("no directory");
	snprintf(root, sizeof(root), "%s", dir);
	node_new(st.st_ino, true);
	recording = true;
}

void disk_stop(void)
{
	recording = false;
}

void disk_forget(void)
{
	for (unsigned i = 0; i < n_calls; i++)
		free(calls[i].data);
	n_calls = 0;
	n_nodes = 0;
}

unsigned disk_calls(void)
{
	pthread_mutex_lock(&lock);
	unsigned n = n_calls;
	pthread_mutex_unlock(&lock);
	return n;
}

/* ---- replaying ------------------------------------------------------------------------------- */

struct replayed {
	char *bytes; /* of a file */
	size_t n;
	struct {
		char name[NAME_SIZE];
		int node;
	} entries[ENTRIES_MAX]; /* of a directory */
	unsigned n_entries;
	unsigned pending[PENDING_MAX]; /* calls since the last sync */
	unsigned n_pending;
};

static uint64_t rng;

static unsigned random_below(unsigned n)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(rng >> 33) % n;
}

static void set_size(struct replayed *r, size_t n)
{
	r->bytes = realloc(r->bytes, n + 1);
	if (n > r->n)
		memset(r->bytes + r->n, 0, n - r->n);
	r->n = n;
}

/* all: every page; else each by the toss of a coin. */
static void apply_write(struct replayed *r, const struct call *c, bool all)
{
	for (size_t at = 0; at < c->n;) {
		size_t to = c->offset + at, n = PAGE - to % PAGE;
		n = n < c->n - at ? n : c->n - at;
		if (all || random_below(2)) {
			if (to + n > r->n)
				set_size(r, to + n);
			memcpy(r->bytes + to, c->data + at, n);
		}
		at += n;
	}
}

static void del_entry(struct replayed *r, const char *name)
{
	for (unsigned i = 0; i < r->n_entries; i++)
		if (strcmp(r->entries[i].name, name) == 0)
			r->entries[i--] = r->entries[--r->n_entries];
}

static void apply_entry(struct replayed *r, const struct call *c)
{
	if (*c->del)
		del_entry(r, c->del);
	if (!*c->add)
		return;
	del_entry(r, c->add);
	if (r->n_entries == ENTRIES_MAX)
		give_up("too many names");
	memcpy(r->entries[r->n_entries].name, c->add, NAME_SIZE);
	r->entries[r->n_entries++].node = c->entry;
}

static void apply(struct replayed *r, const struct call *c, bool all)
{
	if (c->kind == CALL_WRITE)
		apply_write(r, c, all);
	else if (c->kind == CALL_CUT)
		set_size(r, c->offset);
	else
		apply_entry(r, c);
}

static void sync_all(struct replayed *r)
{
	for (unsigned i = 0; i < r->n_pending; i++)
		apply(r, &calls[r->pending[i]], true);
	r->n_pending = 0;
}

/* What had not been synced when the power went. */
static void cut_power(struct replayed *r, bool is_dir)
{
	unsigned n = random_below(r->n_pending + 1);
	for (unsigned i = 0; i < r->n_pending; i++)
		if (is_dir ? i < n : random_below(2))
			apply(r, &calls[r->pending[i]], false);
	r->n_pending = 0;
}

static void write_out(const struct replayed *all, int node, const char *path)
{
	const struct replayed *r = &all[node];
	char below[1024];
	if (!nodes[node].is_dir) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || pwrite(fd, r->bytes, r->n, 0) != (ssize_t)r->n ||
		    ftruncate(fd, (off_t)r->n) < 0)
			give_up("replay a file");
		close(fd);
		return;
	}
	if (mkdir(path, 0700) < 0)
		give_up("replay a directory");
	for (unsigned i = 0; i < r->n_entries; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, r->entries[i].name);
		write_out(all, r->entries[i].node, below);
	}
}

void disk_replay(unsigned n, uint64_t seed, const char *to)
{
	struct replayed *all = calloc((size_t)n_nodes, sizeof(*all));
	if (!all)
		give_up("out of memory");
	rng = seed;
	for (unsigned i = 0; i < n; i++) {
		struct replayed *r = &all[calls[i].node];
		if (calls[i].kind == CALL_SYNC)
			sync_all(r);
		else if (calls[i].is_synced)
			apply(r, &calls[i], true);
		else if (r->n_pending < PENDING_MAX)
			r->pending[r->n_pending++] = i;
		else
			give_up("too much between two syncs");
	}
	for (int i = 0; i < n_nodes; i++)
		cut_power(&all[i], nodes[i].is_dir);
	write_out(all, 0, to);
	for (int i = 0; i < n_nodes; i++)
		free(all[i].bytes);
	free(all);
}
