/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings by pages: tags (spec.md "Listing Tags") and repositories. A page is a walk from the name
 * behind `last`, so that its cost does not grow with the whole.
 */
#include "registry/handlers.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "registry/problem.h"

#include <stdio.h>
#include <string.h>

struct page {
	struct loci_buf *json;
	size_t n_max; /* names in this page */
	size_t n;
	bool has_more;
	char last[LOCI_REPO_MAX + 1]; /* the last name in it */
};

static int add_name(void *arg, const char *name)
{
	struct page *page = arg;
	if (page->n == page->n_max) {
		page->has_more = true;
		return 1;
	}
	if (page->n++ > 0)
		loci__buf_putc(page->json, ',');
	loci__buf_json_string(page->json, name);
	loci__slice_copy(loci__slice(name, strlen(name)), page->last, sizeof(page->last));
	return page->json->failed;
}

/* ?n=: as many as asked for, up to the limit, which Link makes good. */
static bool page_size(const struct loci__rq *rq, size_t *ret, struct loci__rs *rs)
{
	const char *text;
	struct loci_slice digits;
	struct loci_error err;
	uint64_t n = UINT64_MAX;
	if (!loci__rq_param(rq, "n", &text, rs))
		return false;
	struct loci_cursor c = loci__cursor(text ? text : "0", strlen(text ? text : "0"));
	if (!loci__take_run(&c, loci__is_digit, &digits) || !loci__cursor_at_end(&c)) {
		loci__err_set(&err, LOCI_E_INVALID, "query: n: expected a number");
		loci__problem(rq, rs, LOCI_ABOUT_TARGET, &err, text);
		return false;
	}
	if (text && !loci__parse_u64(digits.p, digits.n, &n))
		n = UINT64_MAX; /* all digits, just more than anybody has */
	*ret = n < rq->reg->list_max ? (size_t)n : rq->reg->list_max;
	return true;
}

static void add_link(const struct page *page, const char *path, struct loci__rs *rs)
{
	/* Names of repositories and tags need no encoding in a query. */
	if (page->has_more && page->n_max > 0)
		loci__rs_header(rs, "link", "<%s?n=%zu&last=%s>; rel=\"next\"", path, page->n_max,
		                page->last);
}

static size_t json_max(const struct loci__rq *rq)
{
	return ((size_t)rq->reg->list_max + 2) * (LOCI_REPO_MAX + 8);
}

void loci__handle_tags(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_buf json loci__cleanup_buf = LOCI_BUF_INIT(json_max(rq));
	struct page page = {.json = &json};
	const char *last;
	char path[LOCI_REPO_MAX + 32];
	struct loci_error err;
	if (!page_size(rq, &page.n_max, rs) || !loci__rq_param(rq, "last", &last, rs))
		return;
	loci__buf_puts(&json, "{\"name\":");
	loci__buf_json_string(&json, rq->name);
	loci__buf_puts(&json, ",\"tags\":[");
	int r = loci_tag_foreach(rq->reg->store, rq->name, last, add_name, &page, &err);
	if (r < 0 && r != LOCI_E_CALLBACK) {
		loci__problem(rq, rs, LOCI_ABOUT_TARGET, &err, last);
		return;
	}
	/* Asked last: a store that cannot be read must not look like one without the repository. */
	if (page.n == 0 && !page.has_more && !loci_repo_exists(rq->reg->store, rq->name)) {
		loci__err_set(&err, LOCI_E_NOT_FOUND, "repository not known");
		loci__problem(rq, rs, LOCI_ABOUT_NAME, &err, rq->name);
		return;
	}
	loci__buf_puts(&json, "]}\n");
	snprintf(path, sizeof(path), "/v2/%s/tags/list", rq->name);
	add_link(&page, path, rs);
	loci__rs_body_take(rs, "application/json", &json);
}

void loci__handle_catalog(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_buf json loci__cleanup_buf = LOCI_BUF_INIT(json_max(rq));
	struct page page = {.json = &json};
	const char *last;
	struct loci_error err;
	if (!page_size(rq, &page.n_max, rs) || !loci__rq_param(rq, "last", &last, rs))
		return;
	loci__buf_puts(&json, "{\"repositories\":[");
	int r = loci_repo_foreach(rq->reg->store, last, add_name, &page, &err);
	if (r < 0 && r != LOCI_E_CALLBACK) {
		loci__problem(rq, rs, LOCI_ABOUT_TARGET, &err, last);
		return;
	}
	loci__buf_puts(&json, "]}\n");
	add_link(&page, "/v2/_catalog", rs);
	loci__rs_body_take(rs, "application/json", &json);
}
