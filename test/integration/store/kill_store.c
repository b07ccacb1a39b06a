/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 under load: children push in several threads and write down, through a pipe, what they
 * were told is stored; they are killed at a random moment, again and again, often two at once.
 * After each death the store is opened and everything ever written down must be there and whole,
 * and nothing half may be visible.
 *
 * With "gc" each child also makes garbage, deletes some of what it pushed, and collects without a
 * pause, so that many die in the middle of it. In the end nothing but what is referred to is left.
 *
 * usage: kill_store [ROUNDS [SEED [gc]]]
 */
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"
#include "loci/gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 40
#define THREADS        4
#define ACKS_MAX       60 /* a child is killed after a random number of them, below this */
#define TOLD_MAX       200000
#define ROUNDS_MAX     1000
#define ACK_WAIT_MS    60000
#define GC_LEASE_S     2 /* so that one round's garbage is the next one's */

/* What a child says: smaller than PIPE_BUF, so that it comes whole or not at all. */
struct ack {
	char tag[40]; /* "": a blob */
	struct loci_digest digest;
	bool is_given_up; /* a deletion of it begins: from now on it may be there or not */
};

static struct ack *told;
static size_t n_told;
static unsigned long long rng;
static bool with_gc;
static uint64_t n_collected;

static unsigned random_below(unsigned n)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(rng >> 33) % n;
}

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "kill_store: %s: %s\n", what, err ? err->msg : "");
	exit(1);
}

/* ---- the child ------------------------------------------------------------------------------- */

struct child {
	struct loci_store *st;
	int fd;
	unsigned round;
};

struct pusher {
	const struct child *c;
	unsigned n;
};

static void tell(int fd, const char *tag, const struct loci_digest *d, bool is_given_up)
{
	struct ack a;
	memset(&a, 0, sizeof(a));
	a.is_given_up = is_given_up;
	snprintf(a.tag, sizeof(a.tag), "%s", tag);
	a.digest = *d;
	if (write(fd, &a, sizeof(a)) != sizeof(a))
		_exit(3);
}

static void must(int rc, const struct loci_error *err, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "kill_store: in a child: %s: %s\n", what, err->msg);
	_exit(4);
}

/* One that nobody refers to, and a manifest that is taken back. */
static void make_garbage(const struct child *c, const char *blob, const char *tag,
                         const struct loci_digest *manifest, unsigned i)
{
	struct loci_error err = {0};
	struct loci_digest d;
	must(loci_blob_put(c->st, i % 2 ? "r" : NULL, blob, 100, NULL, &d, &err), &err, "garbage");
	if (i % 3)
		return;
	tell(c->fd, tag, manifest, /* is_given_up= */ true);
	must(loci_manifest_delete(c->st, "r", manifest, &err), &err, "delete");
}

/* A blob in pieces, then a manifest over it with a tag of its own. */
static void push_one(const struct child *c, unsigned thread, unsigned i)
{
	char blob[9000], manifest[800], tag[40], text[LOCI_DIGEST_STR_MAX];
	struct loci_error err = {0};
	struct loci_digest d;
	struct loci_upload *up;
	int n = snprintf(blob, sizeof(blob), "%ld %u %u %u ", (long)getpid(), c->round, thread, i);
	memset(blob + n, 'b', sizeof(blob) - (size_t)n);
	must(loci_digest_bytes(LOCI_SHA256, blob, sizeof(blob), &d, &err), &err, "hash");
	must(loci_upload_begin(c->st, "r", 0, &up, &err), &err, "begin");
	must(loci_upload_write(up, blob, 4000, &err), &err, "write");
	must(loci_upload_write(up, blob + 4000, sizeof(blob) - 4000, &err), &err, "write");
	must(loci_upload_commit(up, &d, &err), &err, "commit");
	if (!with_gc) /* else it may be gone before its manifest is here, on a slow disk */
		tell(c->fd, "", &d, /* is_given_up= */ false);
	loci_digest_format(&d, text);
	snprintf(manifest, sizeof(manifest),
	         "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"config\":{\"mediaType\":\"" LOCI_MEDIA_OCI_CONFIG
	         "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[]}",
	         text, sizeof(blob));
	snprintf(tag, sizeof(tag), "t%ld-%u-%u-%u", (long)getpid(), c->round, thread, i);
	const char *tags[] = {tag};
	struct loci_manifest_put_result res;
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = manifest,
	        .n = strlen(manifest),
	        .tags = tags,
	        .n_tags = 1,
	};
	int rc = loci_manifest_put(c->st, "r", &put, &res, &err);
	if (with_gc && rc == LOCI_E_NOT_FOUND)
		return; /* the lease was over */
	must(rc, &err, "put");
	tell(c->fd, tag, &res.digest, /* is_given_up= */ false);
	if (with_gc)
		make_garbage(c, blob, tag, &res.digest, i);
}

static void *collect_loop(void *arg)
{
	const struct child *c = arg;
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o), .flags = LOCI_GC_NO_GRACE, .step_rows = 8, .share = 100};
	struct loci_error err = {0};
	for (;;) {
		int rc = loci_gc_run(c->st, &o, /* stats= */ NULL, &err);
		if (rc != LOCI_E_BUSY) /* two children at once */
			must(rc, &err, "collect");
	}
	return NULL;
}

static void *push_loop(void *arg)
{
	struct pusher *p = arg;
	for (unsigned i = 0;; i++)
		push_one(p->c, p->n, i);
	return NULL;
}

static void child_main(const char *dir, int fd, unsigned round)
{
	struct loci_error err = {0};
	struct child c = {.fd = fd, .round = round};
	static struct pusher pushers[THREADS];
	const struct loci_store_opts opts = {.struct_size = sizeof(opts),
	                                     .lease_s = with_gc ? GC_LEASE_S : 0};
	pthread_t thread;
	must(loci_store_open(dir, &opts, &c.st, &err), &err, "open");
	if (with_gc && pthread_create(&thread, NULL, collect_loop, &c) != 0)
		_exit(5);
	for (unsigned i = 0; i < THREADS; i++) {
		pushers[i] = (struct pusher){&c, i};
		if (pthread_create(&thread, NULL, push_loop, &pushers[i]) != 0)
			_exit(5);
	}
	pthread_join(thread, NULL);
}

static pid_t child_start(const char *dir, unsigned round, int *ret_fd)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe", NULL);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left behind */
		close(fds[0]);
		child_main(dir, fds[1], round);
		_exit(6);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* ---- the parent ------------------------------------------------------------------------------ */

static bool read_ack(int fd)
{
	ssize_t n = read(fd, &told[n_told], sizeof(*told));
	if (n == 0)
		return false;
	if (n != sizeof(*told) || n_told + 1 == TOLD_MAX)
		die("read an acknowledgement", NULL);
	n_told++;
	return true;
}

static void read_some(int fd, unsigned n)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (unsigned i = 0; i < n; i++) {
		if (poll(&p, 1, ACK_WAIT_MS) != 1)
			die("a child says nothing", NULL);
		if (!read_ack(fd))
			die("a child ended by itself", NULL);
	}
}

static void kill_and_reap(pid_t pid, int fd)
{
	int status;
	kill(pid, SIGKILL);
	while (read_ack(fd)) /* what it still got out */
		;
	close(fd);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		die("a child did not die of the signal", NULL);
}

/* ---- checking -------------------------------------------------------------------------------- */

static void check_blob(struct loci_store *st, const struct loci_digest *d)
{
	loci__cleanup_close int fd = -1;
	char bytes[9001];
	uint64_t size;
	struct loci_error err = {0};
	struct loci_digest got;
	if (loci_blob_open(st, "r", d, &fd, &size, &err) < 0)
		die("an acknowledged blob is gone", &err);
	ssize_t n = loci__read_full(fd, bytes, sizeof(bytes));
	if (n < 0 || (uint64_t)n != size ||
	    loci_digest_bytes(LOCI_SHA256, bytes, (size_t)n, &got, &err) < 0 ||
	    !loci_digest_equal(&got, d))
		die("a visible blob is not whole", &err);
}

static void check_tag(struct loci_store *st, const struct ack *a)
{
	struct loci_manifest_bytes *m;
	struct loci_error err = {0};
	struct loci_digest got;
	if (loci_manifest_get(st, "r", a->tag, NULL, &m, &err) < 0)
		die("an acknowledged tag is gone", &err);
	if (!loci_digest_equal(&m->digest, &a->digest) ||
	    loci_digest_bytes(LOCI_SHA256, m->bytes, m->n, &got, &err) < 0 ||
	    !loci_digest_equal(&got, &a->digest))
		die("a manifest is not whole", &err);
	loci_manifest_bytes_free(m);
}

/* Every tag that shows leads to a manifest whose blob is whole, told or not. */
static int check_visible(void *arg, const char *tag)
{
	struct loci_store *st = arg;
	struct loci_manifest_bytes *bytes = NULL;
	struct loci_manifest *m = NULL;
	struct loci_error err = {0};
	if (loci_manifest_get(st, "r", tag, NULL, &bytes, &err) < 0 ||
	    loci_manifest_parse(bytes->bytes, bytes->n, bytes->media_type, &m, &err) < 0)
		die("a visible tag leads nowhere", &err);
	check_blob(st, &m->config->digest);
	loci_manifest_free(m);
	loci_manifest_bytes_free(bytes);
	return 0;
}

static bool is_given_up(const struct ack *a)
{
	for (const struct ack *later = a + 1; later < told + n_told; later++)
		if (later->is_given_up && !strcmp(later->tag, a->tag))
			return true;
	return false;
}

/* from: what was checked before is checked again only at the end. */
static void check_all(const char *dir, size_t from, bool visible_too)
{
	struct loci_store *st;
	struct loci_error err = {0};
	if (loci_store_open(dir, /* opts= */ NULL, &st, &err) < 0)
		die("open after a kill", &err);
	for (size_t i = from; i < n_told; i++) {
		if (told[i].is_given_up || (with_gc && is_given_up(&told[i])))
			continue;
		if (told[i].tag[0])
			check_tag(st, &told[i]);
		else
			check_blob(st, &told[i].digest);
	}
	if (visible_too && loci_tag_foreach(st, "r", NULL, check_visible, st, &err) < 0)
		die("list the tags", &err);
	loci_store_close(st);
}

static void run_round(const char *dir, unsigned round)
{
	int fds[2];
	pid_t pids[2];
	unsigned n = 1 + random_below(2);
	size_t before = n_told;
	for (unsigned i = 0; i < n; i++)
		pids[i] = child_start(dir, round, &fds[i]);
	for (unsigned i = 0; i < n; i++)
		read_some(fds[i], random_below(ACKS_MAX));
	for (unsigned i = 0; i < n; i++)
		kill_and_reap(pids[i], fds[i]);
	check_all(dir, before, /* visible_too= */ round % 10 == 0);
}

static void count_collected(void *arg, const struct loci_gc_object *o)
{
	(void)arg;
	n_collected += o->kind == LOCI_GC_BLOB || o->kind == LOCI_GC_FILE;
}

static int count_tag(void *arg, const char *tag)
{
	(void)tag;
	++*(unsigned *)arg;
	return 0;
}

static unsigned count_names(int dirfd, const char *name)
{
	loci__cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned n = 0;
	if (!dir)
		die("list the blobs", NULL);
	int at = loci__steal_fd(&fd);
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.')
			n += e->d_type == DT_DIR ? count_names(at, e->d_name) : 1;
	return n;
}

/* Every tag has a blob of its own: as many files as tags, once all garbage is gone. */
static void check_collected(const char *dir)
{
	const struct loci_gc_opts o = {.struct_size = sizeof(o),
	                               .flags = LOCI_GC_NO_LEASE | LOCI_GC_NO_GRACE,
	                               .report = count_collected,
	                               .share = 100};
	char blobs[340];
	struct loci_store *st;
	struct loci_error err = {0};
	unsigned tags = 0;
	snprintf(blobs, sizeof(blobs), "%s/blobs", dir);
	if (loci_store_open(dir, /* opts= */ NULL, &st, &err) < 0 ||
	    loci_gc_run(st, &o, /* stats= */ NULL, &err) < 0 ||
	    loci_tag_foreach(st, "r", NULL, count_tag, &tags, &err) < 0)
		die("collect in the end", &err);
	loci_store_close(st);
	unsigned files = count_names(AT_FDCWD, blobs);
	printf("%u tags, %u blobs, %llu collected in the end\n", tags, files,
	       (unsigned long long)n_collected);
	if (files != tags)
		die("the collection left something, or took too much", NULL);
}

int main(int argc, char **argv)
{
	uint64_t rounds = ROUNDS_DEFAULT, seed = 0; /* 0: any */
	const char *tmp = getenv("TMPDIR");
	char dir[300], store[320];
	struct loci_error err = {0};
	if ((argc > 1 && !loci__parse_u64(argv[1], strlen(argv[1]), &rounds)) ||
	    (argc > 2 && !loci__parse_u64(argv[2], strlen(argv[2]), &seed)) || rounds > ROUNDS_MAX)
		die("usage: kill_store [ROUNDS [SEED [gc]]]", NULL);
	with_gc = argc > 3 && !strcmp(argv[3], "gc");
	rng = seed ? seed : (uint64_t)time(NULL) ^ (uint64_t)getpid();
	told = calloc(TOLD_MAX, sizeof(*told));
	snprintf(dir, sizeof(dir), "%s/loci-kill-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!told || !mkdtemp(dir))
		die("make a directory", NULL);
	snprintf(store, sizeof(store), "%s/store", dir);
	printf("seed %llu\n", rng);
	fflush(stdout);
	for (unsigned round = 0; round < rounds; round++)
		run_round(store, round);
	check_all(store, 0, /* visible_too= */ true);
	if (with_gc)
		check_collected(store);
	printf("%u rounds, %zu acknowledged, all there\n", (unsigned)rounds, n_told);
	free(told);
	if (loci__rm_tree(AT_FDCWD, dir, &err) < 0)
		die("clean up", &err);
	return n_told > rounds ? 0 : 1;
}
