/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "core/store/usage.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int fixture_setup_empty(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct fixture *f = calloc(1, sizeof(*f));
	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "%s/loci-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	*state = f;
	return 0;
}

struct loci_store *open_store(const char *dir)
{
	struct loci_error err = {0};
	struct loci_store *st = NULL;
	if (loci_store_open(dir, /* opts= */ NULL, &st, &err) < 0)
		fprintf(stderr, "open '%s': %s\n", dir, err.msg);
	return st;
}

int fixture_setup(void **state)
{
	if (fixture_setup_empty(state) < 0)
		return -1;
	struct fixture *f = *state;
	f->st = open_store(f->store);
	return f->st ? 0 : -1;
}

void fixture_close(struct fixture *f)
{
	loci_store_close(f->st);
	f->st = NULL;
}

void fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	f->st = open_store(f->store);
	assert_non_null(f->st);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct loci_error err;
	fixture_close(f);
	int rc = loci__rm_tree(AT_FDCWD, f->dir, &err);
	free(f);
	return rc;
}

void child_check_at(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: in a child: %s\n", file, line, what);
	_exit(99);
}

/* ---- content --------------------------------------------------------------------------------- */

struct loci_digest digest_of(const void *p, size_t n)
{
	struct loci_digest d = {0};
	if (loci_digest_bytes(LOCI_SHA256, p, n, &d, NULL) < 0)
		abort();
	return d;
}

bool has_blob(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	loci__cleanup_close int fd = -1;
	loci__cleanup_free char *p = NULL;
	uint64_t size;
	struct loci_digest got;
	if (loci_blob_open(st, repo, d, &fd, &size, NULL) < 0)
		return false;
	p = malloc(size + 1);
	ssize_t n = loci__read_full(fd, p, size + 1);
	if (n != (ssize_t)size || loci_digest_bytes(d->alg, p, (size_t)n, &got, NULL) < 0 ||
	    !loci_digest_equal(d, &got)) {
		fprintf(stderr, "a visible blob is not whole\n");
		abort();
	}
	return true;
}

bool has_tag(struct loci_store *st, const char *repo, const char *tag,
             const struct loci_digest *want)
{
	struct loci_manifest_bytes *m;
	if (loci_manifest_get(st, repo, tag, NULL, &m, NULL) < 0)
		return false;
	bool same = loci_digest_equal(&m->digest, want);
	struct loci_digest got = digest_of(m->bytes, m->n);
	if (want->alg == LOCI_SHA256 && same && !loci_digest_equal(&got, want))
		abort();
	loci_manifest_bytes_free(m);
	return same;
}

static int take_row(void *arg, struct loci_slice key, struct loci_slice val)
{
	loci__buf_append(arg, key.p, key.n);
	loci__buf_append(arg, val.p, val.n);
	return 0;
}

static void read_usage(struct loci_store *st, struct loci_buf *ret)
{
	loci__cleanup_read struct loci__txn t = {0};
	static const struct loci__key first = {.n = 1};
	assert_loci_ok(loci__read_begin(st->sh->index, &t, &e_));
	assert_loci_ok(loci__txn_scan(&t, LOCI_INDEX_USAGE, &first, take_row, ret, &e_));
	assert_int_equal(ret->failed, 0);
}

void assert_usage_is_right(struct loci_store *st)
{
	loci__cleanup_buf struct loci_buf kept = LOCI_BUF_INIT(1 << 20);
	loci__cleanup_buf struct loci_buf counted = LOCI_BUF_INIT(1 << 20);
	read_usage(st, &kept);
	assert_loci_ok(loci__store_write(st, loci__usage_recount_op, NULL, &e_));
	read_usage(st, &counted);
	assert_int_equal(kept.len, counted.len);
	if (kept.len)
		assert_memory_equal(kept.p, counted.p, kept.len);
}

/* ---- images ---------------------------------------------------------------------------------- */

void image_make(struct image *im, const char *config, const char *layer, const char *subject)
{
	char config_text[LOCI_DIGEST_STR_MAX], layer_text[LOCI_DIGEST_STR_MAX];
	im->config = digest_of(config, strlen(config));
	im->layer = digest_of(layer, strlen(layer));
	loci_digest_format(&im->config, config_text);
	loci_digest_format(&im->layer, layer_text);
	char tail[400] = "";
	if (subject)
		snprintf(tail, sizeof(tail),
		         ",\"subject\":{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
		         "\",\"digest\":\"%s\",\"size\":1}",
		         subject);
	if (asprintf(&im->manifest,
	             "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	             "\",\"config\":{\"mediaType\":\"" LOCI_MEDIA_OCI_CONFIG
	             "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
	             "\"application/"
	             "vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]%s}",
	             config_text, strlen(config), layer_text, strlen(layer), tail) < 0)
		abort();
	im->n = strlen(im->manifest);
	im->digest = digest_of(im->manifest, im->n);
}

void image_done(struct image *im)
{
	free(im->manifest);
}

int image_put(struct loci_store *st, const char *repo, const struct image *im, const char *tag,
              unsigned flags, struct loci_manifest_put_result *res, struct loci_error *err)
{
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = im->manifest,
	        .n = im->n,
	        .tags = &tag,
	        .n_tags = tag ? 1 : 0,
	        .flags = flags,
	};
	return loci_manifest_put(st, repo, &put, res, err);
}

void image_push(struct loci_store *st, const char *repo, const struct image *im, const char *config,
                const char *layer, const char *tag)
{
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(st, repo, config, strlen(config), &im->config, &d, &e_));
	assert_loci_ok(loci_blob_put(st, repo, layer, strlen(layer), &im->layer, &d, &e_));
	assert_loci_ok(image_put(st, repo, im, tag, 0, NULL, &e_));
}

struct loci_digest index_push(struct loci_store *st, const char *repo, const struct image *images,
                              size_t n, const char *tag)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(1 << 20);
	struct loci_manifest_put_result res;
	char text[LOCI_DIGEST_STR_MAX];
	loci__buf_puts(&b, "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                   "\",\"manifests\":[");
	for (size_t i = 0; i < n; i++) {
		loci_digest_format(&images[i].digest, text);
		loci__buf_printf(&b,
		                 "%s{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
		                 "\",\"digest\":\"%s\",\"size\":%zu}",
		                 i ? "," : "", text, images[i].n);
	}
	loci__buf_puts(&b, "]}");
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_INDEX,
	        .bytes = b.p,
	        .n = b.len,
	        .tags = &tag,
	        .n_tags = tag ? 1 : 0,
	};
	assert_loci_ok(loci_manifest_put(st, repo, &put, &res, &e_));
	return res.digest;
}

/* ---- children -------------------------------------------------------------------------------- */

pid_t child_start(int (*fn)(void *arg), void *arg)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		/* A failing test must not leave anybody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

int child_wait(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define PIDNS_REFUSED 98

struct pidns_arg {
	int (*fn)(void *arg);
	void *arg;
	int ready_fd;
};

/* The namespace begins with the next child; this process passes its end on. A process 1 that dies
 * of a signal is seen here as any child is. */
static int pidns_parent(void *arg)
{
	struct pidns_arg *a = arg;
	if (unshare(CLONE_NEWPID) < 0)
		return PIDNS_REFUSED;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getpid() == 1 ? a->fn(a->arg) : PIDNS_REFUSED);
	}
	if (pid < 0 || write(a->ready_fd, "r", 1) != 1)
		return PIDNS_REFUSED;
	close(a->ready_fd);
	return child_wait(pid);
}

bool child_start_in_pidns(int (*fn)(void *arg), void *arg, pid_t *ret)
{
	int p[2];
	char byte;
	if (pipe2(p, O_CLOEXEC) < 0)
		return false;
	struct pidns_arg a = {fn, arg, p[1]};
	*ret = child_start(pidns_parent, &a);
	close(p[1]);
	bool ready = read(p[0], &byte, 1) == 1;
	close(p[0]);
	if (!ready)
		child_wait(*ret);
	return ready;
}
