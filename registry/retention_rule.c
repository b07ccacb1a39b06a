/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "GLOB: WORD…" to a rule. Strict: a word that is not known, a number that is none or a glob that
 * can never fit is refused with the rule and what would be right, as a rule that was misread keeps
 * too little.
 */
#include "registry/retention.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/glob.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX_S ((uint64_t)100 * 365 * 86400)
#define RULE_MAX   8192 /* bytes of one rule */

struct parse {
	struct loci__retention_rule *rule;
	struct loci_cursor c;
	struct loci_error *err;
};

static int wrong(struct parse *p, const char *what)
{
	return loci__err_set(p->err, LOCI_E_INVALID, "retention rule '%.200s': %s", p->rule->text,
	                     what);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool take_unit(struct loci_cursor *c, uint64_t *ret_s)
{
	static const struct {
		char letter;
		uint64_t s;
	} units[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (loci__take_char(c, units[i].letter)) {
			*ret_s = units[i].s;
			return true;
		}
	return false;
}

/* "1d12h" */
static bool parse_time(struct loci_slice text, uint64_t *ret)
{
	struct loci_cursor c = loci__cursor(text.p, text.n);
	uint64_t sum = 0;
	do {
		uint64_t n, unit;
		if (!loci__take_u64(&c, &n) || !take_unit(&c, &unit) || n > TIME_MAX_S / unit)
			return false;
		sum += n * unit;
	} while (!loci__cursor_at_end(&c) && sum <= TIME_MAX_S);
	*ret = sum;
	return sum <= TIME_MAX_S;
}

static int take_time(struct parse *p, struct loci_slice value, uint64_t *ret)
{
	if (parse_time(value, ret))
		return 0;
	return wrong(p, "expected a time as '7d' or '1d12h' (w, d, h, m, s; at most 100 years)");
}

static int take_untagged(struct parse *p, struct loci_slice value)
{
	return take_time(p, value, &p->rule->untagged_s);
}

static int take_pushed(struct parse *p, struct loci_slice value)
{
	return take_time(p, value, &p->rule->pushed_s);
}

static int take_pulled(struct parse *p, struct loci_slice value)
{
	return take_time(p, value, &p->rule->pulled_s);
}

static int take_last(struct parse *p, struct loci_slice value)
{
	uint64_t n;
	if (!loci__parse_u64(value.p, value.n, &n) || n < 1 || n > LOCI_RETENTION_LAST_MAX)
		return wrong(p, "keep-last: expected a number of 1 to 10000");
	p->rule->last = n;
	return 0;
}

static int take_glob(struct parse *p, struct loci_slice glob)
{
	struct loci__retention_rule *r = p->rule;
	struct loci_error why;
	if (r->n_tags == LOCI_RETENTION_TAGS_MAX)
		return wrong(p, "keep-tags: at most 64 globs");
	if (loci__glob_check(glob, &why) < 0)
		return wrong(p, why.msg);
	r->tags[r->n_tags++] = glob;
	return 0;
}

static int take_tags(struct parse *p, struct loci_slice value)
{
	struct loci_cursor c = loci__cursor(value.p, value.n);
	struct loci_slice glob;
	int rc = 0;
	while (rc == 0 && loci__take_until(&c, ',', &glob))
		rc = take_glob(p, glob);
	return rc < 0 ? rc : take_glob(p, loci__slice(c.p, loci__cursor_left(&c)));
}

/* ---- words ----------------------------------------------------------------------------------- */

static const struct word {
	const char *name;
	unsigned word;
	int (*take)(struct parse *p, struct loci_slice value); /* NULL: it has none */
	bool again;                                            /* may stand several times */
} words[] = {
        {"keep-all", LOCI_KEEP_ALL, NULL, false},
        {"keep-untagged", LOCI_KEEP_UNTAGGED, take_untagged, false},
        {"keep-last", LOCI_KEEP_LAST, take_last, false},
        {"keep-pushed", LOCI_KEEP_PUSHED, take_pushed, false},
        {"keep-pulled", LOCI_KEEP_PULLED, take_pulled, false},
        {"keep-tags", LOCI_KEEP_TAGS, take_tags, true},
};

static bool is_word_char(unsigned char c)
{
	return loci__is_alpha(c) || c == '-';
}

static bool is_value_char(unsigned char c)
{
	return c > ' ';
}

static const struct word *find_word(struct loci_slice name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (loci__slice_is(name, words[i].name))
			return &words[i];
	return NULL;
}

static int take_word(struct parse *p)
{
	struct loci_slice name, value = {0};
	const struct word *w = loci__take_run(&p->c, is_word_char, &name) ? find_word(name) : NULL;
	if (!w)
		return wrong(p, "expected keep-untagged=, keep-last=, keep-pushed=, keep-pulled=, "
		                "keep-tags= or keep-all");
	if (p->rule->words & w->word && !w->again)
		return wrong(p, "a word stands twice");
	p->rule->words |= w->word;
	bool has_value =
	        loci__take_char(&p->c, '=') && loci__take_run(&p->c, is_value_char, &value);
	if (has_value != (w->take != NULL))
		return wrong(p, w->take ? "a word lacks its value (keep-last=10)"
		                        : "keep-all takes no value");
	return w->take ? w->take(p, value) : 0;
}

static int take_repos(struct parse *p)
{
	struct loci_error why;
	loci__skip_blanks(&p->c);
	if (!loci__take_until(&p->c, ':', &p->rule->repos))
		return wrong(p, "expected 'GLOB: WORD…'");
	return loci__glob_check(p->rule->repos, &why) < 0 ? wrong(p, why.msg) : 0;
}

static int take_words(struct parse *p)
{
	int rc = 0;
	loci__skip_blanks(&p->c);
	while (rc == 0 && !loci__cursor_at_end(&p->c)) {
		const char *before = p->c.p;
		rc = take_word(p);
		loci__skip_blanks(&p->c);
		if (rc == 0 && p->c.p == before)
			rc = wrong(p, "a character that no word has");
	}
	if (rc < 0)
		return rc;
	if (!p->rule->words)
		return wrong(p, "no word behind the glob; 'keep-all' keeps everything");
	if (p->rule->words & LOCI_KEEP_ALL && p->rule->words != LOCI_KEEP_ALL)
		return wrong(p, "keep-all stands alone");
	return 0;
}

int loci__retention_rule_parse(struct loci__retention_rule *ret, const char *text,
                               struct loci_error *err)
{
	struct loci__retention_rule rule = {0};
	size_t n = strlen(text);
	if (n > RULE_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "retention rule of %zu bytes: at most %d", n, RULE_MAX);
	rule.text = strdup(text);
	if (!rule.text)
		return loci__err_nomem(err);
	struct parse p = {&rule, loci__cursor(rule.text, n), err};
	int rc = take_repos(&p);
	if (rc == 0)
		rc = take_words(&p);
	if (rc < 0)
		loci__retention_rule_done(&rule);
	else
		*ret = rule;
	return rc;
}

void loci__retention_rule_done(struct loci__retention_rule *rule)
{
	free(rule->text);
	rule->text = NULL;
}

/* ---- all of them ----------------------------------------------------------------------------- */

int loci_retention_parse(const char *const *rules, size_t n, struct loci_retention **ret,
                         struct loci_error *err)
{
	if (n > LOCI_RETENTION_RULES_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "%zu retention rules: at most %d", n,
		                     LOCI_RETENTION_RULES_MAX);
	struct loci_retention *r = calloc(1, sizeof(*r) + n * sizeof(r->rules[0]));
	if (!r)
		return loci__err_nomem(err);
	for (; r->n < n; r->n++) {
		int rc = loci__retention_rule_parse(&r->rules[r->n], rules[r->n], err);
		if (rc < 0) {
			loci_retention_free(r);
			return rc;
		}
	}
	*ret = r;
	return 0;
}

void loci_retention_free(struct loci_retention *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		loci__retention_rule_done(&r->rules[i]);
	free(r);
}

bool loci_retention_wants_pulls(const struct loci_retention *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->rules[i].words & LOCI_KEEP_PULLED)
			return true;
	return false;
}

const struct loci__retention_rule *loci__retention_rule_of(const struct loci_retention *r,
                                                           const char *repo)
{
	struct loci_slice name = {repo, strlen(repo)};
	for (size_t i = 0; i < r->n; i++)
		if (loci__glob_match(r->rules[i].repos, name))
			return &r->rules[i];
	return NULL;
}
