/* SPDX-License-Identifier: Apache-2.0 */
/* Images out of a real store. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "loci/unpack.h"
#include "scratch_dir.h"
#include "tar_maker.h"

#include <poll.h>
#include <pthread.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <zlib.h>

#define TAR_TYPE "application/vnd.oci.image.layer.v1.tar"
#define MAX      510

static struct scratch top;
static struct archive archive;

/* An image whose parts a test may spoil. */
static struct image {
	struct loci_store *st;
	struct loci_descriptor layers[MAX];
	struct loci_digest diff_ids[MAX];
	struct loci_manifest m;
	struct loci_image_config config;
	struct loci_unpack_opts o;
} image;

static void open_store(void)
{
	struct loci_store_opts o = {.struct_size = sizeof(o)};
	struct loci_error err = {0};
	memset(&image, 0, sizeof(image));
	if (loci_store_open(top.path, &o, &image.st, &err) < 0)
		fail_msg("%s", err.msg);
	image.m.kind = LOCI_MANIFEST_IMAGE;
	image.m.layers = image.layers;
	image.config.diff_ids = image.diff_ids;
	image.o = (struct loci_unpack_opts){.struct_size = sizeof(image.o),
	                                    .reserve = 1,
	                                    .flags = geteuid() ? LOCI_UNPACK_ROOTLESS : 0};
}

static int setup(void **state)
{
	(void)state;
	if (scratch_open(&top) < 0)
		return -1;
	open_store();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loci_store_close(image.st);
	umask(022);
	return scratch_close(&top);
}

static struct loci_digest digest_of(const void *p, size_t n)
{
	struct loci_digest d;
	assert_int_equal(loci_digest_bytes(LOCI_SHA256, p, n, &d, NULL), 0);
	return d;
}

/* What stands in `archive` as the next layer. */
static void add_layer(bool gzipped)
{
	uLongf n = compressBound(archive.n) + 64;
	loci__cleanup_free unsigned char *gz = malloc(n);
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = archive.bytes;
	z.avail_in = (uInt)archive.n;
	z.next_out = gz;
	z.avail_out = (uInt)n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	struct loci_descriptor *d = &image.layers[image.m.n_layers++];
	d->media_type = gzipped ? TAR_TYPE "+gzip" : TAR_TYPE;
	d->size = gzipped ? z.total_out : archive.n;
	deflateEnd(&z);
	assert_int_equal(loci_blob_put(image.st, NULL, gzipped ? gz : archive.bytes, d->size, NULL,
	                               &d->digest, NULL),
	                 0);
	image.diff_ids[image.config.n_diff_ids++] = digest_of(archive.bytes, archive.n);
}

static void add_file_layer(const char *name, const char *text, bool gzipped)
{
	archive.n = 0;
	archive_file(&archive, name, text);
	archive_end(&archive);
	add_layer(gzipped);
}

static int unpack(struct loci_error *err)
{
	return loci_unpack_image(image.st, &image.m, &image.config, &image.o, err);
}

static bool layer_is_there(size_t i)
{
	int fd;
	unsigned flags;
	if (loci_layer_open(image.st, &image.diff_ids[i], &fd, &flags, NULL) < 0)
		return false;
	close(fd);
	return true;
}

/* Directories of unfinished work below layers/. */
static unsigned count_leftovers(void)
{
	unsigned n = 0;
	char path[128];
	snprintf(path, sizeof(path), "%s/layers", top.path);
	DIR *dir = opendir(path);
	struct dirent *e;
	while (dir && (e = readdir(dir)))
		n += strstr(e->d_name, "tmp") != NULL;
	if (dir)
		closedir(dir);
	return n;
}

static void expect_failure(int code, const char *text, size_t untouched)
{
	struct loci_error err = {0};
	assert_int_equal(unpack(&err), code);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, text))
		fail_msg("'%s' is not in '%s'", text, err.msg);
	assert_false(layer_is_there(untouched));
	assert_int_equal(count_leftovers(), 0);
}

/* ---- what works ---- */

struct progress {
	unsigned calls;
	uint64_t most;
	bool inside;
};

static void on_progress(void *arg, const struct loci_digest *diff_id, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	/* One call at a time. */
	assert_false(p->inside);
	p->inside = true;
	p->calls++;
	assert_true(done <= total && diff_id->alg == LOCI_SHA256);
	if (done > p->most)
		p->most = done;
	p->inside = false;
}

static void test_layers(void **state)
{
	(void)state;
	struct progress progress = {0};
	struct loci_error err = {0};
	int fd;
	unsigned flags;
	struct stat st;
	add_file_layer("a", "first", true);
	add_file_layer("b", "second", false);
	add_file_layer("a", "first", true); /* once more: one diff ID */
	archive.n = 0;
	archive_file(&archive, ".wh..wh..opq", "");
	archive_end(&archive);
	add_layer(true);
	image.o.progress = on_progress;
	image.o.progress_arg = &progress;
	umask(077); /* neither used nor changed */
	if (unpack(&err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(umask(022), 077);
	assert_int_equal(progress.calls, 3);
	assert_int_equal(progress.most, archive.n + 512);
	for (size_t i = 0; i < 4; i++)
		assert_true(layer_is_there(i));
	assert_int_equal(loci_layer_open(image.st, &image.diff_ids[1], &fd, &flags, NULL), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(fstatat(fd, "b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	close(fd);
	assert_int_equal(loci_layer_open(image.st, &image.diff_ids[3], &fd, &flags, NULL), 0);
	assert_int_equal(flags, LOCI_LAYER_CUT);
	close(fd);
	/* Again: nothing is read. */
	progress.calls = 0;
	assert_int_equal(unpack(&err), 0);
	assert_int_equal(progress.calls, 0);
	assert_int_equal(count_leftovers(), 0);
}

static void *unpack_thread(void *arg)
{
	struct loci_error err = {0};
	(void)arg;
	return unpack(&err) < 0 ? strdup(err.msg) : NULL;
}

static void test_two_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		char name[16];
		snprintf(name, sizeof(name), "file%d", i);
		add_file_layer(name, name, i % 2);
	}
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, unpack_thread, NULL), 0);
	for (int i = 0; i < 4; i++) {
		void *text;
		pthread_join(threads[i], &text);
		if (text)
			fail_msg("%s", (char *)text);
	}
	for (size_t i = 0; i < 6; i++)
		assert_true(layer_is_there(i));
	assert_int_equal(count_leftovers(), 0);
}

static void test_no_layers(void **state)
{
	(void)state;
	assert_int_equal(unpack(NULL), 0);
}

/* ---- what is refused ---- */

static void test_wrong_diff_id(void **state)
{
	(void)state;
	char found[LOCI_DIGEST_STR_MAX], wanted[LOCI_DIGEST_STR_MAX];
	struct loci_error err = {0};
	add_file_layer("a", "content", true);
	loci_digest_format(&image.diff_ids[0], found);
	image.diff_ids[0] = digest_of("something else", 14);
	loci_digest_format(&image.diff_ids[0], wanted);
	assert_int_equal(unpack(&err), LOCI_E_DIGEST_MISMATCH);
	assert_non_null(strstr(err.msg, found));
	assert_non_null(strstr(err.msg, wanted));
	expect_failure(LOCI_E_DIGEST_MISMATCH, wanted, 0);
}

static void test_counts(void **state)
{
	(void)state;
	add_file_layer("a", "1", true);
	add_file_layer("b", "2", true);
	image.config.n_diff_ids = 1;
	expect_failure(LOCI_E_INVALID, "2 layers, the image config 1 diff", 0);
	image.m.n_layers = image.config.n_diff_ids = 501;
	for (size_t i = 2; i < 501; i++) {
		image.layers[i] = image.layers[0];
		image.diff_ids[i] = image.diff_ids[0];
	}
	expect_failure(LOCI_E_TOO_LARGE, "501 layers", 0);
	image.m.n_layers = image.config.n_diff_ids = 500;
	assert_int_equal(unpack(NULL), 0);
}

static void test_bad_blobs(void **state)
{
	(void)state;
	add_file_layer("a", "content", true);
	struct loci_descriptor good = image.layers[0];
	image.layers[0].size++;
	expect_failure(LOCI_E_SIZE_MISMATCH, "the manifest says", 0);
	image.layers[0] = good;
	image.layers[0].digest = digest_of("missing", 7);
	expect_failure(LOCI_E_NOT_FOUND, "unpack layer sha256:", 0);
	image.layers[0] = good;
	image.layers[0].media_type = "application/x-squashfs";
	expect_failure(LOCI_E_UNSUPPORTED, "application/x-squashfs", 0);
	image.layers[0] = good;
	image.layers[0].media_type = TAR_TYPE "+zstd";
	expect_failure(LOCI_E_INVALID, "the media type says zstd", 0);
	image.layers[0] = good;
	image.m.kind = LOCI_MANIFEST_INDEX;
	expect_failure(LOCI_E_USAGE, "not an image manifest", 0);
}

/* The first failure is told, and the others' work is thrown away or whole. */
static void test_one_bad_layer(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		char name[16];
		snprintf(name, sizeof(name), "file%d", i);
		add_file_layer(i == 3 ? "../evil" : name, name, true);
	}
	expect_failure(LOCI_E_INVALID, "entry '../evil': its name leads out", 3);
	image.m.n_layers = image.config.n_diff_ids = 3;
	assert_int_equal(unpack(NULL), 0);
}

/* ---- other processes ---- */

/* A process that stops in the middle of a layer, and what it has said by pipe. */
struct peer {
	pid_t pid;
	int said, go; /* our ends */
};
static int peer_out, peer_in;

static void stop_in_the_middle(void *arg, const struct loci_digest *diff_id, uint64_t done,
                               uint64_t total)
{
	char c = 'p';
	(void)arg, (void)diff_id;
	if (done < total)
		return;
	(void)!write(peer_out, &c, 1);
	(void)!read(peer_in, &c, 1); /* until told, or for ever */
}

static int peer_main(void)
{
	struct loci_store_opts o = {.struct_size = sizeof(o)};
	if (loci_store_open(top.path, &o, &image.st, NULL) < 0)
		return 1;
	image.o.progress = stop_in_the_middle;
	int rc = unpack(NULL);
	loci_store_close(image.st);
	return rc < 0 ? 2 : 0;
}

/* A layer of several of the ring's blocks, and a peer that has it locked and waits before the last.
 * The store is closed here: it does not survive fork. */
static void start_peer(struct peer *p)
{
	int out[2], in[2];
	char c;
	archive.n = 0;
	for (int i = 0; i < 180; i++) {
		static const char content[4096];
		char name[32];
		snprintf(name, sizeof(name), "dir%d/file", i);
		archive_add(&archive, '0', name, "", content, sizeof(content));
	}
	archive_end(&archive);
	add_layer(false);
	loci_store_close(image.st);
	image.st = NULL;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	p->pid = fork();
	if (p->pid == 0) {
		close(out[0]);
		close(in[1]);
		peer_out = out[1];
		peer_in = in[0];
		_exit(peer_main());
	}
	close(out[1]);
	close(in[0]);
	p->said = out[0];
	p->go = in[1];
	struct pollfd wait = {.fd = p->said, .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 30000), 1);
	assert_int_equal(read(p->said, &c, 1), 1);
	assert_int_equal(count_leftovers(), 1);
}

static int end_peer(struct peer *p)
{
	int status;
	close(p->go);
	close(p->said);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	return status;
}

static void reopen(void)
{
	struct loci_store_opts o = {.struct_size = sizeof(o)};
	struct loci_error err = {0};
	if (loci_store_open(top.path, &o, &image.st, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Whether the unfinished layer has this file. */
static bool is_half_done(const char *name)
{
	char path[512];
	bool found = false;
	snprintf(path, sizeof(path), "%s/layers", top.path);
	DIR *dir = opendir(path);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "%.200s/fs/%s", e->d_name, name);
		found |= faccessat(dirfd(dir), path, F_OK, 0) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void test_killed_peer(void **state)
{
	(void)state;
	struct peer peer;
	struct loci_error err = {0};
	start_peer(&peer);
	for (int tries = 0; tries < 30000 && !is_half_done("dir9/file"); tries++)
		poll(NULL, 0, 1);
	assert_true(is_half_done("dir9/file"));
	assert_int_equal(kill(peer.pid, SIGKILL), 0);
	assert_int_equal(end_peer(&peer), SIGKILL);
	assert_int_equal(count_leftovers(), 1);
	reopen();
	assert_int_equal(count_leftovers(), 0);
	assert_false(layer_is_there(0));
	if (unpack(&err) < 0)
		fail_msg("%s", err.msg);
	assert_true(layer_is_there(0));
}

/* The layer that another process is unpacking is waited for, not unpacked again. */
static void test_living_peer(void **state)
{
	(void)state;
	struct peer peer;
	struct progress progress = {0};
	struct loci_error err = {0};
	start_peer(&peer);
	reopen();
	assert_int_equal(count_leftovers(), 1); /* it lives: nothing of it may go */
	image.o.progress = on_progress;
	image.o.progress_arg = &progress;
	assert_int_equal(write(peer.go, "g", 1), 1);
	if (unpack(&err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(end_peer(&peer), 0);
	assert_int_equal(progress.calls, 0);
	assert_true(layer_is_there(0));
	assert_int_equal(count_leftovers(), 0);
}

/* ---- in a container ---- */

/* What docker's filter does to who has no CAP_SYS_ADMIN. */
static bool forbid_unshare(void)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool has_mode(int fd, const char *name, mode_t mode)
{
	struct stat st;
	bool ok = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 07777) == mode;
	if (!ok)
		fprintf(stderr, "%s: mode %o, expected %o\n", name, st.st_mode & 07777, mode);
	return ok;
}

static int unpack_in_container(void)
{
	int fd;
	struct loci_error err = {0};
	if (!forbid_unshare())
		return 77;
	reopen();
	umask(077);
	if (unpack(&err) < 0 ||
	    loci_layer_open(image.st, &image.diff_ids[0], &fd, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	bool ok = has_mode(fd, "implicit", 0755) && has_mode(fd, "implicit/f", 0644) &&
	          has_mode(fd, "d", 0755) && has_mode(fd, "fifo", 0644) &&
	          has_mode(fd, "again", 0755) && umask(0) == 077;
	close(fd);
	loci_store_close(image.st);
	return ok ? 0 : 2;
}

static void test_without_unshare(void **state)
{
	(void)state;
	int status;
	archive.n = 0;
	archive_file(&archive, "implicit/f", "x");
	archive_add(&archive, '5', "d", "", NULL, 0);
	archive_add(&archive, '6', "fifo", "", NULL, 0);
	archive_file(&archive, "again", "x");
	archive_add(&archive, '5', "again", "", NULL, 0);
	archive_end(&archive);
	add_layer(false);
	loci_store_close(image.st); /* a store does not survive fork */
	image.st = NULL;
	pid_t pid = fork();
	if (pid == 0)
		_exit(unpack_in_container());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: may not filter system calls\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* ---- a full disk ---- */

static void add_zeros_layer(void)
{
	/* 600 kB of zeros: small blob, large layer. */
	static char zeros[600 * 1024];
	archive.n = 0;
	archive_add(&archive, '0', "zeros", "", zeros, sizeof(zeros));
	archive_end(&archive);
	add_layer(true);
}

static int fill_disk(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	close(top.fd);
	if (mount("tmpfs", top.path, "tmpfs", 0, "size=1m") < 0)
		return 77;
	open_store();
	add_zeros_layer();
	/* What is left is less than the layer. */
	char path[128];
	static char fill[700 * 1024];
	snprintf(path, sizeof(path), "%s/fill", top.path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, fill, sizeof(fill));
	close(fd);
	struct loci_error err = {0};
	int rc = unpack(&err);
	if (rc != LOCI_E_NO_SPACE || layer_is_there(0) || count_leftovers()) {
		fprintf(stderr, "%d %s\n", rc, err.msg);
		return 1;
	}
	unlink(path);
	rc = unpack(&err);
	if (rc < 0 || !layer_is_there(0)) {
		fprintf(stderr, "%d %s\n", rc, err.msg);
		return 2;
	}
	loci_store_close(image.st);
	return 0;
}

static void test_full_disk(void **state)
{
	(void)state;
	int status;
	loci_store_close(image.st); /* a store does not survive fork */
	image.st = NULL;
	pid_t pid = fork();
	if (pid == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: may not mount\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_layers, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_wrong_diff_id, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_bad_blobs, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_one_bad_layer, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_killed_peer, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_living_peer, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_without_unshare, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
