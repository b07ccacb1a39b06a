/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer: blob -> inflate -> | ring | -> sha256 (diff ID) -> tar -> files. The ring cuts the way
 * where the work is about equal on both sides, if there are two cores.
 */
#include "unpack/layer.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "unpack/decoder.h"
#include "unpack/ring.h"
#include "unpack/sink.h"

#include <sched.h>
#include <string.h>

LOCI_DEFINE_CLEANUP(free_decoder, struct loci_decoder, loci__decoder_free)
LOCI_DEFINE_CLEANUP(free_ring, struct loci_ring, loci__ring_free)
LOCI_DEFINE_CLEANUP(free_hasher, struct loci_hasher, loci_hasher_free)
LOCI_DEFINE_CLEANUP(free_tar, struct loci_tar, loci__tar_free)
LOCI_DEFINE_CLEANUP(free_sink, struct loci_sink, loci__sink_free)

/* The stream on its way to the parser: counted, limited, hashed. */
struct meter {
	struct loci_ring *from;
	struct loci_hasher *hasher;
	uint64_t bytes, max;
};

static ssize_t meter_next(void *arg, const unsigned char **ret, struct loci_error *err)
{
	struct meter *m = arg;
	ssize_t n = loci__ring_next(m->from, ret, err);
	if (n <= 0)
		return n;
	if ((uint64_t)n > m->max - m->bytes)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "the layer is larger than %llu bytes when uncompressed",
		                     (unsigned long long)m->max);
	m->bytes += (uint64_t)n;
	int rc = loci_hasher_update(m->hasher, *ret, (size_t)n, err);
	return rc < 0 ? rc : n;
}

static int copy_content(struct loci_tar *tar, struct loci_sink *sink, struct loci_error *err)
{
	uint64_t offset;
	const unsigned char *p;
	size_t n;
	int rc;
	while ((rc = loci__tar_data(tar, &offset, &p, &n, err)) > 0) {
		rc = loci__sink_data(sink, offset, p, n, err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : loci__sink_end(sink, err);
}

static int copy_entries(struct loci_tar *tar, struct loci_sink *sink, uint64_t max,
                        uint64_t *ret_entries, struct loci_error *err)
{
	const struct loci_tar_entry *e;
	uint64_t entries = 0;
	int rc;
	while ((rc = loci__tar_next(tar, &e, err)) > 0) {
		if (++entries > max)
			return loci__err_set(err, LOCI_E_TOO_LARGE,
			                     "the layer has more than %llu entries",
			                     (unsigned long long)max);
		rc = loci__sink_entry(sink, e, err);
		if (rc > 0)
			rc = copy_content(tar, sink, err);
		if (rc < 0)
			return rc;
	}
	*ret_entries = entries;
	return rc;
}

/* What follows the end of the archive is of no meaning, but of the diff ID. */
static int drain(struct meter *m, struct loci_error *err)
{
	const unsigned char *p;
	ssize_t n;
	do
		n = meter_next(m, &p, err);
	while (n > 0);
	return (int)n;
}

static int copy_all(struct meter *m, struct loci_sink *sink, const struct loci_unpack_opts *o,
                    struct loci_unpack_stats *ret, struct loci_error *err)
{
	struct loci_chunks chunks = {meter_next, m};
	loci__cleanup(free_tar) struct loci_tar *tar = NULL;
	int rc = loci__tar_new(&chunks, &tar, err);
	if (rc == 0)
		rc = copy_entries(tar, sink, o->max_entries, &ret->entries, err);
	if (rc == 0)
		rc = drain(m, err);
	if (rc == 0)
		rc = loci__sink_finish(sink, &ret->layer_flags, &ret->skipped, err);
	ret->bytes = m->bytes;
	return rc;
}

unsigned loci__unpack_cores(void)
{
	cpu_set_t set;
	/* More than 1024 CPUs do not fit: certainly more than one then. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 2;
	return (unsigned)CPU_COUNT(&set);
}

int loci__unpack_opts(const struct loci_unpack_opts *o, struct loci_unpack_opts *ret,
                      struct loci_error *err)
{
	struct loci_unpack_opts opts = {.struct_size = sizeof(opts)};
	if (o && o->struct_size == 0)
		return loci__err_set(err, LOCI_E_USAGE, "unpack: struct_size is not set");
	if (o)
		memcpy(&opts, o, o->struct_size < sizeof(opts) ? o->struct_size : sizeof(opts));
	opts.max_bytes = opts.max_bytes ? opts.max_bytes : LOCI_UNPACK_MAX_BYTES;
	opts.max_entries = opts.max_entries ? opts.max_entries : LOCI_UNPACK_MAX_ENTRIES;
	opts.reserve = opts.reserve ? opts.reserve : LOCI_UNPACK_RESERVE;
	opts.jobs = opts.jobs ? opts.jobs : loci__unpack_cores();
	*ret = opts;
	return 0;
}

int loci__unpack_run(const struct loci_layer_job *job, const struct loci_unpack_opts *opts,
                     struct loci_unpack_stats *ret, struct loci_error *err)
{
	int compression = loci_media_compression(job->media_type);
	if (compression < 0)
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "layer: media type '%.100s'",
		                     job->media_type);
	struct loci_sink_opts sink_opts = {
	        .log = opts->log,
	        .max_bytes = opts->max_bytes,
	        .reserve = opts->reserve,
	        .rootless = opts->flags & LOCI_UNPACK_ROOTLESS,
	        .masked = job->masked,
	};
	bool two = job->stages == LOCI_STAGES_TWO ||
	           (job->stages == LOCI_STAGES_AUTO && loci__unpack_cores() > 1);
	/* Freed in the opposite order: the ring's thread uses the decoder. */
	loci__cleanup(free_decoder) struct loci_decoder *decoder = NULL;
	struct loci_reader inflated = {.read = loci__decoder_read};
	loci__cleanup(free_ring) struct loci_ring *ring = NULL;
	loci__cleanup(free_hasher) struct loci_hasher *hasher = NULL;
	loci__cleanup(free_sink) struct loci_sink *sink = NULL;
	int rc = loci__decoder_new(compression, job->in, &decoder, err);
	inflated.arg = decoder;
	if (rc == 0)
		rc = loci__sink_new(job->root_fd, &sink_opts, &sink, err);
	if (rc == 0)
		rc = loci_hasher_new(job->alg, &hasher, err);
	if (rc == 0)
		rc = loci__ring_new(&inflated, two, &ring, err);
	if (rc < 0)
		return rc;
	struct meter meter = {.from = ring, .hasher = hasher, .max = opts->max_bytes};
	struct loci_unpack_stats stats = {0};
	rc = copy_all(&meter, sink, opts, &stats, err);
	if (rc == 0)
		rc = loci_hasher_finish(hasher, &stats.diff_id, err);
	if (rc == 0)
		*ret = stats;
	return rc;
}

int loci_unpack_layer(int root_fd, const char *media_type, const struct loci_reader *in,
                      const struct loci_unpack_opts *o, struct loci_unpack_stats *ret,
                      struct loci_error *err)
{
	struct loci_unpack_opts opts;
	struct loci_unpack_stats stats;
	int rc = loci__unpack_opts(o, &opts, err);
	if (rc < 0)
		return rc;
	const struct loci_layer_job job = {
	        .root_fd = root_fd, .media_type = media_type, .in = in, .alg = LOCI_SHA256};
	rc = loci__unpack_run(&job, &opts, &stats, err);
	if (rc == 0 && ret)
		*ret = stats;
	return rc;
}
