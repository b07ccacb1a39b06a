/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A webhook as one line of configuration:
 *
 *     NAME=URL [events=push,delete,pull,blobs] [repos=GLOB,…] [format=cloudevents|distribution]
 *              [batch=N] [tls=verify|insecure]
 *
 * In a list a plus does for a comma, which separates rules in the environment.
 */
#ifndef LOCI_REGISTRY_NOTIFY_RULE_H
#define LOCI_REGISTRY_NOTIFY_RULE_H

#include "core/base/glob.h"
#include "loci/event.h"

#define LOCI_NOTIFY_URL_MAX   2048
#define LOCI_NOTIFY_GLOBS_MAX 16
#define LOCI_NOTIFY_BATCH_MAX 100

enum loci__notify_format { LOCI_NOTIFY_CLOUDEVENTS, LOCI_NOTIFY_DISTRIBUTION };

struct loci__notify_rule {
	char name[LOCI_EVENT_READER_MAX + 1];
	char url[LOCI_NOTIFY_URL_MAX + 1];
	unsigned types; /* LOCI_EVENT_BIT */
	int format;     /* enum loci__notify_format */
	unsigned batch; /* events of one request */
	bool insecure_tls;
	size_t n_globs; /* 0: every repository */
	char globs[LOCI_NOTIFY_GLOBS_MAX][LOCI_GLOB_MAX + 1];
};

/* Expected: INVALID, with what was expected. */
int loci__notify_rule_parse(const char *text, struct loci__notify_rule *ret,
                            struct loci_error *err);
bool loci__notify_rule_wants(const struct loci__notify_rule *r, const struct loci_event *e);

#endif
