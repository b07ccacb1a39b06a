/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry counts itself, and the sources of others' numbers.
 *
 * Labels are bounded by tables: end-points by the pattern of their route, methods and status codes
 * by lists with a rest. Repositories' names are never labels: they are the clients' to invent.
 */
#ifndef LOCI_REGISTRY_METRICS_H
#define LOCI_REGISTRY_METRICS_H

#include "core/base/buf.h"
#include "loci/metrics.h"
#include "registry/route.h"

#define LOCI_METRICS_TEXT_MAX    (8u << 20) /* bytes of one answer */
#define LOCI_METRICS_SOURCES_MAX 16

struct loci__metrics;

int loci__metrics_new(struct loci_store *store, struct loci__metrics **ret, struct loci_error *err);
void loci__metrics_free(struct loci__metrics *mx); /* NULL is fine */

/* metrics_http.c: the requests. Every function takes mx NULL: nothing is counted then. */
struct loci__http_counts;
struct loci__http_counts *loci__http_counts_new(void);
void loci__http_counts_free(struct loci__http_counts *c);
struct loci__http_counts *loci__metrics_http(struct loci__metrics *mx);
/* Number of the end-point that the route is counted as, and its name; 0, "other", for none. */
unsigned loci__metrics_end_point(struct loci__metrics *mx, const struct loci__route *row);
const char *loci__end_point_name(unsigned end_point);
/* A response of the end-point is made, or freed: what is between is in flight. */
void loci__metrics_begin(struct loci__metrics *mx, unsigned end_point);
void loci__metrics_end(struct loci__metrics *mx, unsigned end_point);
void loci__metrics_observe(struct loci__metrics *mx, const struct loci_request_sample *s);
extern const struct loci_metric_family loci__http_families[]; /* arg: loci__http_counts */
extern const size_t loci__n_http_families;

/* metrics_process.c; arg unused */
extern const struct loci_metric_family loci__process_families[];
extern const size_t loci__n_process_families;

extern const struct loci_metric_family loci__store_families[]; /* arg: struct loci_store */
extern const size_t loci__n_store_families;

/* metrics.c: the whole text. */
void loci__metrics_print(struct loci__metrics *mx, struct loci_buf *out);
int loci__metrics_add(struct loci__metrics *mx, const struct loci_metric_family *families, size_t n,
                      void *arg, struct loci_error *err);
void loci__metrics_remove(struct loci__metrics *mx, void *arg);
/* For tests: the tables. */
size_t loci__metrics_n_sources(const struct loci__metrics *mx);
const struct loci_metric_family *loci__metrics_source(const struct loci__metrics *mx, size_t i,
                                                      size_t *ret_n);

/* metrics_text.c: one family. */
void loci__metric_family_print(const struct loci_metric_family *f, void *arg, struct loci_buf *out);
bool loci__metric_name_is_valid(const char *name);

#endif
