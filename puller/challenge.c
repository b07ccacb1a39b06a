/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar is ambiguous on purpose of nobody: commas separate parameters as well as challenges,
 * and "abc=" may be a token68 or the start of a parameter. One token of look-ahead decides: a token
 * followed by "=" and a value is a parameter, anything else starts the next challenge.
 */
#include "puller/challenge.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is being taken apart, and where its strings go: never more bytes than the field has, plus a
 * NUL for each string, and each string takes at least one separator of the field with it. */
struct parser {
	struct loci_cursor c;
	char *out;
};

static bool is_token68_char(unsigned char c)
{
	return loci__is_alnum(c) || (c && strchr("-._~+/", c));
}

/* RFC 9110 qdtext and quoted-pair: no control characters but the tab. */
static bool is_text_char(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static const char *keep(struct parser *p, struct loci_slice s)
{
	char *at = p->out;
	memcpy(at, s.p, s.n);
	at[s.n] = '\0';
	p->out += s.n + 1;
	return at;
}

/* Empty list elements are allowed: "a, , b". */
static void skip_separators(struct loci_cursor *c)
{
	do
		loci__skip_blanks(c);
	while (loci__take_char(c, ','));
}

static bool take_quoted(struct parser *p, const char **ret)
{
	struct loci_cursor c = p->c;
	char *out = p->out;
	if (!loci__take_char(&c, '"'))
		return false;
	while (!loci__cursor_at_end(&c)) {
		unsigned char ch = (unsigned char)*c.p++;
		if (ch == '"') {
			*out = '\0';
			*ret = p->out;
			p->out = out + 1;
			p->c = c;
			return true;
		}
		if (ch == '\\') {
			if (loci__cursor_at_end(&c))
				return false;
			ch = (unsigned char)*c.p++;
		}
		if (!is_text_char(ch))
			return false;
		*out++ = (char)ch;
	}
	return false;
}

/* Whether a parameter starts here; takes its name and "=" when it does. */
static bool take_param_name(struct parser *p, struct loci_slice *ret)
{
	struct loci_cursor c = p->c;
	if (!loci__take_run(&c, loci__is_token_char, ret))
		return false;
	loci__skip_blanks(&c);
	if (!loci__take_char(&c, '='))
		return false;
	loci__skip_blanks(&c);
	if (loci__cursor_at_end(&c) || *c.p == ',' || *c.p == '=')
		return false; /* a token68 with its padding */
	p->c = c;
	return true;
}

static bool take_token68(struct parser *p, struct loci_slice *ret)
{
	struct loci_cursor c = p->c;
	if (!loci__take_run(&c, is_token68_char, ret))
		return false;
	while (loci__take_char(&c, '='))
		ret->n++;
	loci__skip_blanks(&c);
	if (!loci__cursor_at_end(&c) && *c.p != ',')
		return false;
	p->c = c;
	return true;
}

static bool take_value(struct parser *p, const char **ret)
{
	struct loci_slice token;
	if (take_quoted(p, ret))
		return true;
	if (!loci__take_run(&p->c, loci__is_token_char, &token))
		return false;
	*ret = keep(p, token);
	return true;
}

static int parse_params(struct parser *p, struct loci_challenge *ch, struct loci_error *err)
{
	struct loci_slice name;
	while (take_param_name(p, &name)) {
		if (ch->n_params == LOCI_CHALLENGE_PARAMS_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %d parameters",
			                     LOCI_CHALLENGE_PARAMS_MAX);
		struct loci_challenge_param param = {.name = keep(p, name)};
		if (!take_value(p, &param.value))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "expected a token or a quoted string for '%.64s'",
			                     param.name);
		if (loci__challenge_param(ch, param.name))
			return loci__err_set(err, LOCI_E_INVALID, "'%.64s' stands twice",
			                     param.name);
		ch->params[ch->n_params++] = param;
		loci__skip_blanks(&p->c);
		if (!loci__cursor_at_end(&p->c) && *p->c.p != ',')
			return loci__err_set(err, LOCI_E_INVALID, "expected a comma behind '%.64s'",
			                     param.name);
		skip_separators(&p->c);
	}
	return 0;
}

static int parse_challenge(struct parser *p, struct loci_challenge *ch, struct loci_error *err)
{
	struct loci_slice token;
	if (!loci__take_run(&p->c, loci__is_token_char, &token))
		return loci__err_set(err, LOCI_E_INVALID, "expected a scheme");
	ch->scheme = keep(p, token);
	if (loci__cursor_at_end(&p->c) || *p->c.p == ',')
		return 0;
	if (*p->c.p != ' ')
		return loci__err_set(err, LOCI_E_INVALID, "expected a blank behind '%.64s'",
		                     ch->scheme);
	loci__skip_blanks(&p->c);
	struct parser ahead = *p;
	if (!take_param_name(&ahead, &token) && take_token68(p, &token)) {
		ch->token68 = keep(p, token);
		return 0;
	}
	return parse_params(p, ch, err);
}

static int parse_list(struct parser *p, struct loci_challenges *list, struct loci_error *err)
{
	for (skip_separators(&p->c); !loci__cursor_at_end(&p->c); skip_separators(&p->c)) {
		if (list->n == LOCI_CHALLENGE_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %d challenges",
			                     LOCI_CHALLENGE_MAX);
		int rc = parse_challenge(p, &list->list[list->n], err);
		if (rc < 0)
			return rc;
		list->n++;
	}
	return list->n ? 0 : loci__err_set(err, LOCI_E_INVALID, "no challenge");
}

int loci__challenges_parse(const char *text, size_t n, struct loci_challenges *ret,
                           struct loci_error *err)
{
	if (n > LOCI_CHALLENGE_TEXT_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "www-authenticate: more than %d bytes",
		                     LOCI_CHALLENGE_TEXT_MAX);
	struct loci_challenges list = {.text = malloc(2 * n + 2)};
	if (!list.text)
		return loci__err_nomem(err);
	struct parser p = {.c = loci__cursor(text, n), .out = list.text};
	int rc = parse_list(&p, &list, err);
	if (rc < 0) {
		loci__challenges_done(&list);
		return loci__err_prefix(err, rc, "www-authenticate, byte %zu",
		                        (size_t)(p.c.p - text));
	}
	*ret = list;
	return 0;
}

void loci__challenges_done(struct loci_challenges *c)
{
	free(c->text);
	c->text = NULL;
	c->n = 0;
}

const struct loci_challenge *loci__challenges_find(const struct loci_challenges *c,
                                                   const char *scheme)
{
	for (size_t i = 0; i < c->n; i++) {
		if (!strcasecmp(c->list[i].scheme, scheme))
			return &c->list[i];
	}
	return NULL;
}

const char *loci__challenge_param(const struct loci_challenge *c, const char *name)
{
	for (size_t i = 0; i < c->n_params; i++) {
		if (!strcasecmp(c->params[i].name, name))
			return c->params[i].value;
	}
	return NULL;
}
