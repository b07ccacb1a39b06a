/* SPDX-License-Identifier: Apache-2.0 */
/* What LMDB asks of its users, each a test that would see it go wrong. */
#include "store_fixture.h"

#include "core/store/index_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A child and its parent take turns over a socket pair; everybody who starts is forked before the
 * store is opened here. */
struct peer {
	const char *store;
	int mine;   /* the child's end */
	int theirs; /* the parent's */
	pid_t pid;
	unsigned pid_wait_ms;
	uint64_t map_size;
};

static void peer_init(struct peer *p, const struct fixture *f)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*p = (struct peer){.store = f->store, .mine = fds[0], .theirs = fds[1]};
}

static void peer_done(struct peer *p)
{
	close(p->mine);
	close(p->theirs);
}

static void give_turn(int fd)
{
	if (write(fd, "t", 1) != 1)
		abort();
}

static bool await_turn(int fd)
{
	char byte;
	return read(fd, &byte, 1) == 1;
}

static int peer_open(const struct peer *p, struct loci_store **ret, struct loci_error *err)
{
	struct loci__sys sys = {.pid_wait_ms = p->pid_wait_ms};
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .map_size = p->map_size};
	return loci__store_open_with(p->store, &opts, &sys, ret, err);
}

static struct loci_index_lmdb_info info_of(struct loci_store *st)
{
	struct loci_index_lmdb_info info;
	loci__index_lmdb_info(st->sh->index, &info);
	return info;
}

/* ---- trap 1: the same process id twice ------------------------------------------------------- */

static int hold_open(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_digest d;
	child_check(getpid() == 1);
	child_check(peer_open(p, &st, NULL) == 0);
	child_check(loci_blob_put(st, "a", "first", 5, NULL, &d, NULL) == 0);
	give_turn(p->mine);
	child_check(await_turn(p->mine));
	loci_store_close(st);
	return 0;
}

static int expect_busy(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_error err;
	child_check(getpid() == 1);
	child_check(peer_open(p, &st, &err) == LOCI_E_BUSY);
	child_check(strstr(err.msg, "has process id 1, like this one") != NULL);
	return 0;
}

static int expect_open(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_digest first = digest_of("first", 5), d;
	child_check(getpid() == 1);
	give_turn(p->mine);
	child_check(peer_open(p, &st, NULL) == 0);
	child_check(has_blob(st, "a", &first));
	child_check(loci_blob_put(st, "a", "second", 6, NULL, &d, NULL) == 0);
	loci_store_close(st);
	return 0;
}

static void test_trap_1_same_pid_in_two_namespaces(void **state)
{
	struct fixture *f = *state;
	struct peer a, b, c;
	peer_init(&a, f);
	peer_init(&b, f);
	peer_init(&c, f);
	a.pid_wait_ms = b.pid_wait_ms = 100;
	c.pid_wait_ms = 60000;
	if (!child_start_in_pidns(hold_open, &a, &a.pid))
		skip();
	assert_true(await_turn(a.theirs));
	/* While the first one works, the second one is told, and nobody is harmed. */
	assert_true(child_start_in_pidns(expect_busy, &b, &b.pid));
	assert_int_equal(child_wait(b.pid), 0);
	/* A third one waits until the first one has drained. */
	assert_true(child_start_in_pidns(expect_open, &c, &c.pid));
	assert_true(await_turn(c.theirs));
	/* Another process id beside it never minds. */
	f->st = open_store(f->store);
	assert_non_null(f->st);
	struct loci_digest first = digest_of("first", 5), second = digest_of("second", 6);
	assert_true(has_blob(f->st, "a", &first));
	give_turn(a.theirs);
	assert_int_equal(child_wait(a.pid), 0);
	assert_int_equal(child_wait(c.pid), 0);
	assert_true(has_blob(f->st, "a", &second));
	peer_done(&a);
	peer_done(&b);
	peer_done(&c);
}

/* Says in the middle of a snapshot that it may be killed. */
static int read_until_killed(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci__txn t = {0};
	child_check(peer_open(p, &st, NULL) == 0);
	child_check(loci__read_begin(st->sh->index, &t, NULL) == 0);
	char self[32];
	/* Its id as the killer sees it: /proc is the outer namespace's. */
	ssize_t n = readlink("/proc/self", self, sizeof(self));
	child_check(n > 0 && write(p->mine, self, (size_t)n) == n);
	while (pause() < 0)
		;
	return 0;
}

static int open_and_hold(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	child_check(peer_open(p, &st, NULL) == 0);
	give_turn(p->mine);
	child_check(await_turn(p->mine));
	loci_store_close(st);
	return 0;
}

static void kill_reader(struct peer *p)
{
	char text[32] = "";
	ssize_t n = read(p->theirs, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	kill((pid_t)strtoul(text, NULL, 10), SIGKILL);
	assert_int_equal(child_wait(p->pid), 128 + SIGKILL);
}

/* A container is killed in the middle of a read and started again, with the same id: LMDB takes the
 * slot that the dead one left for the living one's, and would keep every page freed since. */
static void test_trap_1_slot_left_under_our_id(void **state)
{
	struct fixture *f = *state;
	struct peer a, b;
	peer_init(&a, f);
	peer_init(&b, f);
	if (!child_start_in_pidns(read_until_killed, &a, &a.pid))
		skip();
	f->st = open_store(f->store); /* keeps the reader table alive */
	kill_reader(&a);
	assert_int_equal(info_of(f->st).slots_busy, 1);
	assert_true(child_start_in_pidns(open_and_hold, &b, &b.pid));
	assert_true(await_turn(b.theirs));
	assert_int_equal(info_of(f->st).slots_busy, 0); /* while it lives */
	give_turn(b.theirs);
	assert_int_equal(child_wait(b.pid), 0);
	peer_done(&a);
	peer_done(&b);
}

/* ---- trap 4: long snapshots ------------------------------------------------------------------ */

static int expect_idle(void *arg, const char *name)
{
	(void)name;
	assert_int_equal(info_of(arg).slots_busy, 0);
	return 0;
}

static int expect_idle_referrer(void *arg, const struct loci_manifest_bytes *m)
{
	(void)m;
	assert_int_equal(info_of(arg).slots_busy, 0);
	return 0;
}

static void test_trap_4_no_snapshot_in_callbacks(void **state)
{
	struct fixture *f = *state;
	struct image im, sbom;
	char text[LOCI_DIGEST_STR_MAX];
	f->st = open_store(f->store);
	image_make(&im, "c", "l", NULL);
	loci_digest_format(&im.digest, text);
	image_make(&sbom, "c", "s", text);
	image_push(f->st, "r", &im, "c", "l", "v1");
	image_push(f->st, "r", &sbom, "c", "s", "v2");
	assert_loci_ok(loci_tag_foreach(f->st, "r", NULL, expect_idle, f->st, &e_));
	assert_loci_ok(loci_repo_foreach(f->st, NULL, expect_idle, f->st, &e_));
	assert_loci_ok(loci_referrer_foreach(f->st, "r", &im.digest, NULL, expect_idle_referrer,
	                                     f->st, &e_));
	/* The counting counts. */
	struct loci__txn t = {0};
	assert_loci_ok(loci__read_begin(f->st->sh->index, &t, &e_));
	assert_int_equal(info_of(f->st).slots_busy, 1);
	loci__read_end(&t);
	image_done(&im);
	image_done(&sbom);
}

/* Also trap 11: the file never shrinks, but what is freed is used again. */
static void test_trap_4_pages_are_reused(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts),
	                               .durability = LOCI_DURABILITY_RELAXED};
	struct image a, b;
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	image_make(&a, "c", "a", NULL);
	image_make(&b, "c", "b", NULL);
	image_push(f->st, "r", &a, "c", "a", "t");
	image_push(f->st, "r", &b, "c", "b", "t");
	uint64_t before = info_of(f->st).used;
	for (int i = 0; i < 500; i++) {
		const struct image *im = i % 2 ? &a : &b;
		assert_loci_ok(image_put(f->st, "r", im, "t", 0, NULL, &e_));
		assert_true(has_tag(f->st, "r", "t", &im->digest));
	}
	/* 500 transactions touch some 10 pages each: without reuse 20 MB. */
	assert_true(info_of(f->st).used < before + ((uint64_t)1 << 20));
	image_done(&a);
	image_done(&b);
}

/* ---- trap 5: reader slots -------------------------------------------------------------------- */

static void test_trap_5_reader_slots(void **state)
{
	enum { SLOTS = 4 };
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .max_readers = SLOTS};
	struct loci__txn t[SLOTS + 1] = {{0}};
	struct loci_error err;
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	for (int i = 0; i < SLOTS; i++)
		assert_loci_ok(loci__read_begin(f->st->sh->index, &t[i], &e_));
	assert_int_equal(loci__read_begin(f->st->sh->index, &t[SLOTS], &err), LOCI_E_BUSY);
	assert_non_null(strstr(err.msg, "all 4 reader slots are taken"));
	for (int i = 0; i < SLOTS; i++)
		loci__read_end(&t[i]);
	for (int i = 0; i < 100; i++) {
		assert_loci_ok(loci__read_begin(f->st->sh->index, &t[0], &e_));
		loci__read_end(&t[0]);
	}
	assert_true(info_of(f->st).slots_own <= SLOTS);
}

/* The slots of a process that was killed are found again when they are needed. */
static void test_trap_13_dead_readers(void **state)
{
	enum { SLOTS = 2 };
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .max_readers = SLOTS};
	struct loci__txn t = {0}, u = {0};
	struct peer p;
	peer_init(&p, f);
	p.pid = child_start(read_until_killed, &p);
	char text[32];
	assert_true(recv(p.theirs, text, sizeof(text), MSG_PEEK) > 0);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	kill_reader(&p);
	assert_int_equal(info_of(f->st).slots_busy, 1);
	f->st->sh->index->ops->upkeep(f->st->sh->index);
	assert_int_equal(info_of(f->st).slots_busy, 0);
	assert_loci_ok(loci__read_begin(f->st->sh->index, &t, &e_));
	assert_loci_ok(loci__read_begin(f->st->sh->index, &u, &e_));
	loci__read_end(&t);
	loci__read_end(&u);
	peer_done(&p);
}

static int write_until_killed(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_index_txn *t;
	child_check(await_turn(p->mine));
	child_check(peer_open(p, &st, NULL) == 0);
	struct loci_index *ix = st->sh->index;
	child_check(ix->ops->write_begin(ix, true, &t, NULL) == 0);
	struct loci_slice key = {"half", 4}, val = {"x", 1};
	child_check(ix->ops->put(t, LOCI_INDEX_REPO, key, val, NULL) == 0);
	give_turn(p->mine);
	while (pause() < 0)
		;
	return 0;
}

static void test_trap_13_killed_writer(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	struct peer p;
	peer_init(&p, f);
	p.pid = child_start(write_until_killed, &p);
	f->st = open_store(f->store);
	give_turn(p.theirs);
	assert_true(await_turn(p.theirs));
	kill(p.pid, SIGKILL);
	assert_int_equal(child_wait(p.pid), 128 + SIGKILL);
	assert_loci_ok(loci_blob_put(f->st, "a", "after", 5, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
	assert_false(loci_repo_exists(f->st, "half"));
	peer_done(&p);
}

/* ---- trap 6: the map ------------------------------------------------------------------------- */

/* Manifests of 256 KiB: few commits, many pages. */
enum { BIG = 256 << 10 };

static void big_make(char text[BIG], int i)
{
	memset(text, 'x', BIG - 1);
	int n = snprintf(text, BIG, "{\"n\":%d,\"x\":\"", i);
	text[n] = 'x';
	memcpy(text + BIG - 3, "\"}", 3);
}

static int push_many(struct loci_store *st, int from, int to, struct loci_error *err)
{
	static char text[BIG];
	int rc = 0;
	for (int i = from; rc == 0 && i < to; i++) {
		char tag[16];
		const char *tags[] = {tag};
		snprintf(tag, sizeof(tag), "t%d", i);
		big_make(text, i);
		struct loci_manifest_put put = {
		        .struct_size = sizeof(put),
		        .media_type = "application/json",
		        .bytes = text,
		        .n = BIG - 1,
		        .tags = tags,
		        .n_tags = 1,
		};
		rc = loci_manifest_put(st, "r", &put, NULL, err);
	}
	return rc;
}

static bool has_many(struct loci_store *st, int from, int to)
{
	static char text[BIG];
	bool ok = true;
	for (int i = from; ok && i < to; i++) {
		char tag[16];
		snprintf(tag, sizeof(tag), "t%d", i);
		big_make(text, i);
		struct loci_digest d = digest_of(text, BIG - 1);
		ok = has_tag(st, "r", tag, &d);
	}
	return ok;
}

static void test_trap_6_map_grows(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {
	        .struct_size = sizeof(opts), .map_size = 1, .durability = LOCI_DURABILITY_RELAXED};
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	uint64_t before = info_of(f->st).map_size;
	assert_int_equal(push_many(f->st, 0, 40, NULL), 0);
	assert_true(info_of(f->st).map_size > before);
	assert_true(has_many(f->st, 0, 40));
	fixture_close(f);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	assert_true(has_many(f->st, 0, 40));
}

static int grow_it(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	child_check(await_turn(p->mine));
	child_check(peer_open(p, &st, NULL) == 0);
	child_check(push_many(st, 0, 20, NULL) == 0);
	loci_store_close(st);
	return 0;
}

static void test_trap_6_another_process_grew_it(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .map_size = 1};
	struct peer p;
	peer_init(&p, f);
	p.map_size = (uint64_t)1 << 30;
	p.pid = child_start(grow_it, &p);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	assert_false(loci_repo_exists(f->st, "r"));
	uint64_t before = info_of(f->st).map_size;
	give_turn(p.theirs);
	assert_int_equal(child_wait(p.pid), 0);
	/* One by reading, one by writing. */
	assert_true(has_many(f->st, 0, 20));
	assert_int_equal(push_many(f->st, 20, 25, NULL), 0);
	assert_true(info_of(f->st).map_size > before);
	assert_true(has_many(f->st, 0, 25));
	peer_done(&p);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Little address space: a smaller map is taken, and its end is an error that passes. */
static int work_in_little_space(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_error err = {0};
	struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
	child_check(setrlimit(RLIMIT_AS, &limit) == 0);
	p->map_size = (uint64_t)1 << 40;
	child_check(peer_open(p, &st, &err) == 0);
	child_check(info_of(st).map_size < (uint64_t)1 << 30);
	child_check(push_many(st, 0, 10, NULL) == 0);
	loci_store_close(st);

	p->map_size = 1; /* grows; there is room for a while */
	limit.rlim_cur = (rlim_t)160 << 20;
	child_check(setrlimit(RLIMIT_AS, &limit) == 0);
	child_check(peer_open(p, &st, &err) == 0);
	int rc = push_many(st, 10, 500, &err);
	child_check(rc == LOCI_E_NO_SPACE);
	child_check(strstr(err.msg, "address space") != NULL);
	child_check(has_many(st, 0, 10));
	loci_store_close(st);
	return 0;
}

static void test_trap_6_address_space_refused(void **state)
{
	struct fixture *f = *state;
	struct peer p;
	peer_init(&p, f);
	p.pid = child_start(work_in_little_space, &p);
	assert_int_equal(child_wait(p.pid), 0);
	f->st = open_store(f->store);
	assert_true(has_many(f->st, 0, 10));
	peer_done(&p);
}
#endif

/* ---- a failure that LMDB calls fatal --------------------------------------------------------- */

/* The fd through which the meta page is written, by what it is: of data.mdb, opened O_DSYNC. */
static int meta_fd(const struct fixture *f)
{
	char path[400];
	struct stat data, st;
	snprintf(path, sizeof(path), "%s/index/data.mdb", f->store);
	assert_int_equal(stat(path, &data), 0);
	for (int fd = 0; fd < 1024; fd++)
		if (fstat(fd, &st) == 0 && st.st_ino == data.st_ino && st.st_dev == data.st_dev &&
		    fcntl(fd, F_GETFL) & O_DSYNC)
			return fd;
	return -1;
}

/* The meta page cannot be written: LMDB refuses everything from then on. The commit in question
 * fails, the next ones work again. */
static void test_meta_page_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct loci_digest before, during, after;
	f->st = open_store(f->store);
	assert_loci_ok(loci_blob_put(f->st, "a", "before", 6, NULL, &before, &e_));
	int fd = meta_fd(f);
	int refuses = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && refuses >= 0);
	assert_int_equal(dup3(refuses, fd, O_CLOEXEC), fd);
	during = digest_of("during", 6);
	struct loci_error err = {0};
	assert_true(loci_blob_put(f->st, "a", "during", 6, NULL, &during, &err) < 0);
	assert_true(has_blob(f->st, "a", &before));
	assert_false(has_blob(f->st, "a", &during));
	assert_loci_ok(loci_blob_put(f->st, "a", "after", 5, NULL, &after, &e_));
	assert_true(has_blob(f->st, "a", &before));
	assert_true(has_blob(f->st, "a", &after));
	fixture_reopen(f);
	assert_true(has_blob(f->st, "a", &before));
	assert_true(has_blob(f->st, "a", &after));
	assert_false(has_blob(f->st, "a", &during));
	close(refuses);
}

/* ---- trap 12: no writable map ---------------------------------------------------------------- */

static void test_trap_12_map_is_read_only(void **state)
{
	struct fixture *f = *state;
	char *line = NULL;
	size_t cap = 0;
	unsigned seen = 0;
	f->st = open_store(f->store);
	FILE *maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	while (getline(&line, &cap, maps) > 0) {
		if (!strstr(line, "index/data.mdb"))
			continue;
		seen++;
		assert_non_null(strstr(line, " r--s "));
	}
	assert_true(seen >= 1);
	free(line);
	fclose(maps);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_empty, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_trap_1_same_pid_in_two_namespaces),
		STORE_TEST(test_trap_1_slot_left_under_our_id),
		STORE_TEST(test_trap_4_no_snapshot_in_callbacks),
		STORE_TEST(test_trap_4_pages_are_reused),
		STORE_TEST(test_trap_5_reader_slots),
		STORE_TEST(test_trap_13_dead_readers),
		STORE_TEST(test_trap_13_killed_writer),
		STORE_TEST(test_trap_6_map_grows),
		STORE_TEST(test_trap_6_another_process_grew_it),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		STORE_TEST(test_trap_6_address_space_refused),
#endif
		STORE_TEST(test_meta_page_cannot_be_written),
		STORE_TEST(test_trap_12_map_is_read_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
