/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All layers of an image: from the store's blobs into the store's layers, the largest first, as
 * many at once as there are cores. What is there already is not touched; what fails leaves nothing.
 */
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "unpack/layer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* overlayfs takes no more lower directories. */
#define MAX_LAYERS 500

struct layer {
	const struct loci_descriptor *blob;
	const struct loci_digest *diff_id;
};

/* What the workers share. */
struct crew {
	struct loci_store *store;
	const struct loci_unpack_opts *opts;
	struct layer layers[MAX_LAYERS];
	unsigned n_layers;
	atomic_uint next;
	atomic_bool stop;
	atomic_bool masked;   /* the process's umask stays in force */
	pthread_mutex_t lock; /* for what follows, and for the progress callback */
	int failed;           /* the first failure, 0: none */
	struct loci_error error;
};

/* A blob that is being read. */
struct source {
	struct crew *crew;
	const struct layer *layer;
	int fd;
	uint64_t at;
};

static void report(const struct source *s)
{
	const struct loci_unpack_opts *o = s->crew->opts;
	if (!o->progress)
		return;
	pthread_mutex_lock(&s->crew->lock);
	o->progress(o->progress_arg, s->layer->diff_id, s->at, s->layer->blob->size);
	pthread_mutex_unlock(&s->crew->lock);
}

/* Never more than the descriptor's size, whatever the file holds. */
static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	uint64_t left = s->layer->blob->size - s->at;
	if (atomic_load_explicit(&s->crew->stop, memory_order_relaxed))
		return loci__err_set(err, LOCI_E_CANCELED, "another layer failed");
	if (left == 0)
		return 0;
	ssize_t got;
	do
		got = read(s->fd, buf, n < left ? n : (size_t)left);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return loci__err_sys(err, "read the blob");
	if (got == 0)
		return loci__err_set(
		        err, LOCI_E_SIZE_MISMATCH, "the blob ends at byte %llu of %llu",
		        (unsigned long long)s->at, (unsigned long long)s->layer->blob->size);
	s->at += (uint64_t)got;
	report(s);
	return got;
}

static int check_diff_id(const struct layer *l, const struct loci_digest *found,
                         struct loci_error *err)
{
	char want_text[LOCI_DIGEST_STR_MAX], found_text[LOCI_DIGEST_STR_MAX];
	if (loci_digest_equal(l->diff_id, found))
		return 0;
	loci_digest_format(l->diff_id, want_text);
	loci_digest_format(found, found_text);
	return loci__err_set(err, LOCI_E_DIGEST_MISMATCH,
	                     "the uncompressed layer is %s, the image config says %s", found_text,
	                     want_text);
}

static int open_blob(struct source *s, struct loci_error *err)
{
	const struct loci_descriptor *blob = s->layer->blob;
	uint64_t size;
	int rc =
	        loci_blob_open(s->crew->store, /* repo= */ NULL, &blob->digest, &s->fd, &size, err);
	if (rc == 0 && size != blob->size)
		return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
		                     "the blob has %llu bytes, the manifest says %llu",
		                     (unsigned long long)size, (unsigned long long)blob->size);
	return rc;
}

static int fill_staging(struct crew *c, const struct layer *l, int root_fd, unsigned *ret_flags,
                        struct loci_error *err)
{
	struct source source = {.crew = c, .layer = l, .fd = -1};
	struct loci_unpack_stats stats;
	int rc = open_blob(&source, err);
	loci__cleanup_close int fd = source.fd;
	if (rc < 0)
		return rc;
	const struct loci_reader in = {source_read, &source};
	const struct loci_layer_job job = {.root_fd = root_fd,
	                                   .media_type = l->blob->media_type,
	                                   .in = &in,
	                                   .alg = l->diff_id->alg,
	                                   .masked = atomic_load(&c->masked)};
	rc = loci__unpack_run(&job, c->opts, &stats, err);
	if (rc == 0)
		rc = check_diff_id(l, &stats.diff_id, err);
	if (rc == 0)
		*ret_flags = stats.layer_flags;
	return rc;
}

static int unpack_one(struct crew *c, const struct layer *l, struct loci_error *err)
{
	int dirfd;
	unsigned flags;
	struct loci_layer_staging *staging;
	int rc = loci_layer_open(c->store, l->diff_id, &dirfd, &flags, err);
	if (rc >= 0)
		close(dirfd);
	if (rc != LOCI_E_NOT_FOUND)
		return rc;
	rc = loci_layer_begin(c->store, l->diff_id, &staging, err);
	if (rc < 0)
		return rc == LOCI_E_EXISTS ? 0 : rc;
	rc = fill_staging(c, l, loci_layer_staging_fd(staging), &flags, err);
	if (rc < 0) {
		loci_layer_abort(staging);
		return rc;
	}
	return loci_layer_commit(staging, flags, err);
}

static void fail(struct crew *c, int rc, const struct loci_error *err)
{
	pthread_mutex_lock(&c->lock);
	if (!c->failed) {
		c->failed = rc;
		c->error = *err;
	}
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->stop, true);
}

static int unpack_next(struct crew *c, const struct layer *l, struct loci_error *err)
{
	char text[LOCI_DIGEST_STR_MAX];
	int rc = unpack_one(c, l, err);
	if (rc < 0) {
		loci_digest_format(&l->blob->digest, text);
		loci__err_prefix(err, rc, "unpack layer %s", text);
	}
	return rc;
}

static void *worker_main(void *arg)
{
	struct crew *c = arg;
	struct loci_error err = {0};
	int rc = 0;
	/* The umask belongs to a process; this thread gets one of its own. Container engines'
	 * filters forbid that: it costs a chmod for each file then. */
	if (unshare(CLONE_FS) == 0)
		umask(0);
	else
		atomic_store(&c->masked, true);
	while (rc == 0 && !atomic_load(&c->stop)) {
		unsigned i = atomic_fetch_add(&c->next, 1);
		if (i >= c->n_layers)
			return NULL;
		rc = unpack_next(c, &c->layers[i], &err);
	}
	if (rc < 0)
		fail(c, rc, &err);
	return NULL;
}

/* Even one worker is a thread: the caller's umask stays as it is. */
static int run_workers(struct crew *c, struct loci_error *err)
{
	pthread_t threads[MAX_LAYERS];
	unsigned want = c->opts->jobs < c->n_layers ? c->opts->jobs : c->n_layers, n = 0;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = 0;
	while (n < want && (rc = pthread_create(&threads[n], NULL, worker_main, c)) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (n == 0)
		return want ? loci__err_errno(err, rc, "unpack: start a thread") : 0;
	while (n)
		pthread_join(threads[--n], NULL);
	if (c->failed && err)
		*err = c->error;
	return c->failed;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = ((const struct layer *)a)->blob->size,
	         y = ((const struct layer *)b)->blob->size;
	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_listed(const struct crew *c, const struct loci_digest *diff_id)
{
	for (unsigned i = 0; i < c->n_layers; i++)
		if (loci_digest_equal(c->layers[i].diff_id, diff_id))
			return true;
	return false;
}

static int list_layers(struct crew *c, const struct loci_manifest *m,
                       const struct loci_image_config *config, struct loci_error *err)
{
	if (m->kind != LOCI_MANIFEST_IMAGE)
		return loci__err_set(err, LOCI_E_USAGE, "unpack: not an image manifest");
	if (m->n_layers != config->n_diff_ids)
		return loci__err_set(
		        err, LOCI_E_INVALID,
		        "unpack: the manifest has %zu layers, the image config %zu diff "
		        "IDs",
		        m->n_layers, config->n_diff_ids);
	if (m->n_layers > MAX_LAYERS)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "unpack: the image has %zu layers, overlayfs takes %d",
		                     m->n_layers, MAX_LAYERS);
	for (size_t i = 0; i < m->n_layers; i++) {
		const char *media_type = m->layers[i].media_type;
		if (loci_media_compression(media_type) < 0)
			return loci__err_set(err, LOCI_E_UNSUPPORTED,
			                     "unpack: layer %zu has the media type '%.100s'", i,
			                     media_type);
		if (!is_listed(c, &config->diff_ids[i]))
			c->layers[c->n_layers++] =
			        (struct layer){&m->layers[i], &config->diff_ids[i]};
	}
	qsort(c->layers, c->n_layers, sizeof(c->layers[0]), by_size);
	return 0;
}

int loci_unpack_image(struct loci_store *st, const struct loci_manifest *m,
                      const struct loci_image_config *config, const struct loci_unpack_opts *o,
                      struct loci_error *err)
{
	struct loci_unpack_opts opts;
	int rc = loci__unpack_opts(o, &opts, err);
	if (rc < 0)
		return rc;
	loci__cleanup_free struct crew *c = calloc(1, sizeof(*c));
	if (!c)
		return loci__err_nomem(err);
	c->store = st;
	c->opts = &opts;
	rc = list_layers(c, m, config, err);
	if (rc < 0)
		return rc;
	pthread_mutex_init(&c->lock, NULL);
	rc = run_workers(c, err);
	pthread_mutex_destroy(&c->lock);
	return rc;
}
