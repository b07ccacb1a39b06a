/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry shows at /metrics, in the text format of Prometheus (0.0.4).
 *
 * The server that drives a registry tells it of each exchange with loci_registry_observe; whoever
 * else has numbers (the server itself, upkeep, a delivery queue) adds a table of families. All
 * functions are thread-safe.
 */
#ifndef LOCI_METRICS_H
#define LOCI_METRICS_H

#include "loci/histogram.h"
#include "loci/registry.h"

LOCI_BEGIN_DECLS

/** One exchange, once its last byte is out or it was cut. */
struct loci_request_sample {
	size_t struct_size;
	const char *method; /* NULL: no head could be read */
	/** .end_point of the response that loci_registry_handle gave; 0: the server's own */
	unsigned end_point;
	int status;         /* as it was sent; 0: nothing was sent */
	uint64_t bytes_in;  /* of the request's body */
	uint64_t bytes_out; /* of the response's body */
	uint64_t duration_us;
};

/** Counts it. A few relaxed atomic additions on counters of the thread's own: no lock, no memory;
 *  may be called from an event loop. */
LOCI_API void loci_registry_observe(struct loci_registry *r, const struct loci_request_sample *s);

/* ---- families ---------------------------------------------------------------------------------
 */

enum loci_metric_type {
	LOCI_METRIC_COUNTER = 1, /* name ends in _total */
	LOCI_METRIC_GAUGE,
	LOCI_METRIC_HISTOGRAM
};

/** The text while it is made. */
struct loci_metrics;

struct loci_metric_label {
	const char *name;
	const char *value; /* any text: it is escaped; keep the number of different ones small */
};

/** A row of a table: one family, and the function that gives its samples when somebody asks. */
struct loci_metric_family {
	const char *name;
	const char *help; /* one sentence */
	int type;         /* enum loci_metric_type */
	/** Calls loci_metrics_value or _histogram for each sample; a family without any is left
	 *  out. May block; runs on the thread that answers the request, one scrape at a time. */
	void (*collect)(struct loci_metrics *m, const struct loci_metric_family *f, void *arg);
	size_t offset; /* for collect's own use: so that rows can share a function */
};

/** A sample of the family that is being collected. */
LOCI_API void loci_metrics_value(struct loci_metrics *m, const struct loci_metric_label *labels,
                                 size_t n_labels, double value);
LOCI_API void loci_metrics_histogram(struct loci_metrics *m, const struct loci_metric_label *labels,
                                     size_t n_labels, const struct loci_histogram *h);

/** Adds families to what is shown; families and arg are borrowed until _remove_source or the
 *  registry's end. Expected: INVALID (a name that is none), EXISTS (a name that is taken),
 *  TOO_LARGE (more than 16 sources). */
LOCI_API LOCI_CHECK int loci_registry_metrics_add_source(struct loci_registry *r,
                                                         const struct loci_metric_family *families,
                                                         size_t n, void *arg,
                                                         struct loci_error *err);
/** When it returns, arg is not used any more. Unknown ones are fine. */
LOCI_API void loci_registry_metrics_remove_source(struct loci_registry *r, void *arg);

LOCI_END_DECLS
#endif
