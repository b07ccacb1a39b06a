/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/notify/rule.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

static bool is_name_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static bool is_word_char(unsigned char c)
{
	return c > ' ' && c != 0x7f;
}

static bool is_item_char(unsigned char c)
{
	return is_word_char(c) && c != ',' && c != '+';
}

/* ---- values ---------------------------------------------------------------------------------- */

static int bad_value(struct loci_slice v, const char *expected, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_INVALID, "'%.*s': expected %s", (int)v.n, v.p, expected);
}

/* Each item of a list; at least one. */
static int foreach_item(struct loci_slice list, struct loci__notify_rule *r, const char *expected,
                        int (*take)(struct loci_slice item, struct loci__notify_rule *r,
                                    struct loci_error *err),
                        struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(list.p, list.n);
	struct loci_slice item;
	do {
		if (!loci__take_run(&c, is_item_char, &item))
			return bad_value(list, expected, err);
		int rc = take(item, r, err);
		if (rc < 0)
			return rc;
	} while (loci__take_char(&c, ',') || loci__take_char(&c, '+'));
	return loci__cursor_at_end(&c) ? 0 : bad_value(list, expected, err);
}

static const struct {
	const char *word;
	unsigned types;
} event_words[] = {
        {"push", LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_PUSH)},
        {"pull", LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_PULL)},
        {"delete",
         LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_DELETE) | LOCI_EVENT_BIT(LOCI_EVENT_TAG_DELETE)},
        {"blobs", LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH) | LOCI_EVENT_BIT(LOCI_EVENT_BLOB_MOUNT) |
                          LOCI_EVENT_BIT(LOCI_EVENT_BLOB_DELETE)},
};

static int take_event(struct loci_slice item, struct loci__notify_rule *r, struct loci_error *err)
{
	for (size_t i = 0; i < loci__array_len(event_words); i++)
		if (loci__slice_is(item, event_words[i].word)) {
			r->types |= event_words[i].types;
			return 0;
		}
	return bad_value(item, "push, pull, delete or blobs", err);
}

static int take_glob(struct loci_slice item, struct loci__notify_rule *r, struct loci_error *err)
{
	int rc = loci__glob_check(item, err);
	if (rc < 0)
		return rc;
	if (r->n_globs == LOCI_NOTIFY_GLOBS_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "repos: at most %d globs",
		                     LOCI_NOTIFY_GLOBS_MAX);
	loci__slice_copy(item, r->globs[r->n_globs++], sizeof(r->globs[0])); /* checked: fits */
	return 0;
}

static int set_events(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err)
{
	r->types = 0;
	return foreach_item(v, r, "push, pull, delete, blobs", take_event, err);
}

static int set_repos(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err)
{
	r->n_globs = 0;
	return foreach_item(v, r, "globs of repositories", take_glob, err);
}

static int set_format(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err)
{
	if (!loci__slice_is(v, "cloudevents") && !loci__slice_is(v, "distribution"))
		return bad_value(v, "cloudevents or distribution", err);
	r->format = loci__slice_is(v, "distribution") ? LOCI_NOTIFY_DISTRIBUTION
	                                              : LOCI_NOTIFY_CLOUDEVENTS;
	return 0;
}

static int set_batch(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err)
{
	uint64_t n;
	if (!loci__parse_u64(v.p, v.n, &n) || n == 0 || n > LOCI_NOTIFY_BATCH_MAX)
		return bad_value(v, "a number from 1 to 100", err);
	r->batch = (unsigned)n;
	return 0;
}

static int set_tls(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err)
{
	if (!loci__slice_is(v, "verify") && !loci__slice_is(v, "insecure"))
		return bad_value(v, "verify or insecure", err);
	r->insecure_tls = loci__slice_is(v, "insecure");
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct loci_slice v, struct loci__notify_rule *r, struct loci_error *err);
} keys[] = {
        {"events=", set_events}, {"repos=", set_repos}, {"format=", set_format},
        {"batch=", set_batch},   {"tls=", set_tls},
};

/* ---- the line -------------------------------------------------------------------------------- */

/* "http://HOST…" or "https://HOST…". Credentials belong into a header: a URL gets into logs. */
static bool is_url(struct loci_slice url)
{
	struct loci_cursor c = loci__cursor(url.p, url.n);
	if (!loci__take_text_nocase(&c, "https://") && !loci__take_text_nocase(&c, "http://"))
		return false;
	const char *authority = c.p;
	size_t n = 0;
	while (authority + n < c.end && !memchr("/?#", authority[n], 3))
		n++;
	return n > 0 && !memchr(authority, '@', n) && authority[0] != ':';
}

static int take_name_and_url(struct loci_cursor *c, struct loci__notify_rule *r,
                             struct loci_error *err)
{
	struct loci_slice name, url;
	if (!loci__take_run(c, is_name_char, &name) ||
	    !loci__slice_copy(name, r->name, sizeof(r->name)) || !loci__take_char(c, '='))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "expected NAME=URL; a name has letters, digits, '-', '_' and "
		                     "'.', at most %d",
		                     LOCI_EVENT_READER_MAX);
	if (!loci__take_run(c, is_word_char, &url) || !is_url(url) ||
	    !loci__slice_copy(url, r->url, sizeof(r->url)))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "%s: expected an http or https URL without credentials, at "
		                     "most %d bytes",
		                     r->name, LOCI_NOTIFY_URL_MAX);
	return 0;
}

static int take_setting(struct loci_cursor *c, struct loci__notify_rule *r, struct loci_error *err)
{
	struct loci_slice value = {c->p, 0};
	for (size_t i = 0; i < loci__array_len(keys); i++) {
		if (!loci__take_text(c, keys[i].key))
			continue;
		(void)loci__take_run(c, is_word_char, &value);
		return keys[i].set(value, r, err);
	}
	(void)loci__take_run(c, is_word_char, &value);
	return bad_value(value, "events=, repos=, format=, batch= or tls=", err);
}

int loci__notify_rule_parse(const char *text, struct loci__notify_rule *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	struct loci__notify_rule r = {.batch = 1};
	(void)take_event(loci__slice("push", 4), &r, /* err= */ NULL);
	(void)take_event(loci__slice("delete", 6), &r, /* err= */ NULL);
	loci__skip_blanks(&c);
	int rc = take_name_and_url(&c, &r, err);
	if (rc < 0)
		return rc;
	for (loci__skip_blanks(&c); rc == 0 && !loci__cursor_at_end(&c); loci__skip_blanks(&c))
		rc = take_setting(&c, &r, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "%s", r.name);
	*ret = r;
	return 0;
}

bool loci__notify_rule_wants(const struct loci__notify_rule *r, const struct loci_event *e)
{
	struct loci_slice repo = loci__slice(e->repo, strlen(e->repo));
	if (!(r->types & LOCI_EVENT_BIT(e->type)))
		return false;
	for (size_t i = 0; i < r->n_globs; i++)
		if (loci__glob_match(loci__slice(r->globs[i], strlen(r->globs[i])), repo))
			return true;
	return r->n_globs == 0;
}
