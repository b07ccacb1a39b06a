/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the registry is there (spec.md "Determining Support"), lives, and can read its store. */
#include "registry/handlers.h"
#include "registry/problem.h"

void loci__handle_version(struct loci__rq *rq, struct loci__rs *rs)
{
	(void)rq;
	loci__rs_body_ref(rs, "application/json", "{}");
}

void loci__handle_live(struct loci__rq *rq, struct loci__rs *rs)
{
	(void)rq;
	loci__rs_body_ref(rs, "text/plain; charset=utf-8", "ok\n");
}

static int stop_at_first(void *arg, const char *name)
{
	(void)arg, (void)name;
	return 1;
}

void loci__handle_ready(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_error err;
	int r = loci_repo_foreach(rq->reg->store, /* after= */ NULL, stop_at_first, NULL, &err);
	if (r < 0 && r != LOCI_E_CALLBACK) {
		loci__problem(rq, rs, LOCI_ABOUT_ANYTHING, &err, "store");
		return;
	}
	loci__rs_body_ref(rs, "text/plain; charset=utf-8", "ok\n");
}
