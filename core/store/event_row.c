/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version (1), type (1), time (8), size (8), digest, then texts, each with its length (2) before
 * it: repository, media type, other repository, five of the origin, and the tags up to the end.
 */
#include "core/store/event_row.h"

#include "core/store/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define N_TEXTS 8 /* before the tags */

/* ---- to bytes -------------------------------------------------------------------------------- */

/* Cut where a character begins, so that what was UTF-8 stays so. */
static size_t cut(const char *s, size_t n)
{
	if (n <= LOCI_EVENT_TEXT_MAX)
		return n;
	n = LOCI_EVENT_TEXT_MAX;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static char *put_text(char *p, const char *s)
{
	size_t n = s ? cut(s, strlen(s)) : 0;
	p[0] = (char)(n & 0xff);
	p[1] = (char)(n >> 8);
	if (n)
		memcpy(p + 2, s, n);
	return p + 2 + n;
}

size_t loci__event_encode(const struct loci_event *e, char *p)
{
	const char *const texts[N_TEXTS] = {
	        e->repo,        e->media_type,        e->from_repo,         e->origin.peer,
	        e->origin.host, e->origin.user_agent, e->origin.request_id, e->origin.method,
	};
	char *at = p;
	*at++ = VERSION;
	*at++ = (char)e->type;
	loci__put_u64le(at, e->time_ms);
	loci__put_u64le(at + 8, e->size);
	at += 16;
	at += loci__put_digest(at, &e->digest);
	for (size_t i = 0; i < N_TEXTS; i++)
		at = put_text(at, texts[i]);
	for (size_t i = 0; i < e->n_tags && i < LOCI_EVENT_TAGS_MAX; i++)
		at = put_text(at, e->tags[i]);
	return (size_t)(at - p);
}

/* ---- from bytes ------------------------------------------------------------------------------ */

static bool take_text(struct loci_slice *s, struct loci_slice *ret)
{
	if (s->n < 2)
		return false;
	size_t n = (size_t)(unsigned char)s->p[0] | (size_t)(unsigned char)s->p[1] << 8;
	if (s->n - 2 < n || memchr(s->p + 2, '\0', n))
		return false;
	*ret = (struct loci_slice){s->p + 2, n};
	s->p += 2 + n;
	s->n -= 2 + n;
	return true;
}

static bool take_head(struct loci_slice *s, struct loci_event *ret)
{
	if (s->n < 2 || s->p[0] != VERSION)
		return false;
	ret->type = (unsigned char)s->p[1];
	s->p += 2;
	s->n -= 2;
	return ret->type > 0 && ret->type < LOCI_EVENT_TYPES_ &&
	       loci__take_u64le(s, &ret->time_ms) && loci__take_u64le(s, &ret->size) &&
	       loci__take_digest(s, &ret->digest);
}

int loci__event_type_of(struct loci_slice row)
{
	struct loci_event e = {0};
	return take_head(&row, &e) ? e.type : 0;
}

/* A string for each, behind the struct and its array of tags. */
static struct loci_event *gather(const struct loci_event *head, const struct loci_slice *texts,
                                 size_t n)
{
	size_t size = sizeof(*head) + (n - N_TEXTS) * sizeof(char *);
	size_t strings = size;
	for (size_t i = 0; i < n; i++)
		size += texts[i].n + 1;
	struct loci_event *e = malloc(size);
	if (!e)
		return NULL;
	*e = *head;
	const char **tags = (const char **)(void *)(e + 1);
	char *to = (char *)e + strings;
	const char **where[N_TEXTS] = {
	        &e->repo,        &e->media_type,        &e->from_repo,         &e->origin.peer,
	        &e->origin.host, &e->origin.user_agent, &e->origin.request_id, &e->origin.method,
	};
	for (size_t i = 0; i < n; i++) {
		*(i < N_TEXTS ? where[i] : &tags[i - N_TEXTS]) = to;
		memcpy(to, texts[i].p, texts[i].n);
		to[texts[i].n] = '\0';
		to += texts[i].n + 1;
	}
	e->tags = tags;
	e->n_tags = n - N_TEXTS;
	e->origin.struct_size = sizeof(e->origin);
	return e;
}

struct loci_event *loci__event_decode(uint64_t sequence, struct loci_slice row)
{
	struct loci_slice texts[N_TEXTS + LOCI_EVENT_TAGS_MAX];
	struct loci_event head = {.sequence = sequence};
	size_t n = 0;
	bool ok = take_head(&row, &head);
	while (ok && row.n && n < sizeof(texts) / sizeof(texts[0]))
		ok = take_text(&row, &texts[n]) && ++n;
	if (!ok || row.n || n < N_TEXTS) {
		errno = EBADMSG;
		return NULL;
	}
	return gather(&head, texts, n);
}

void loci_event_free(struct loci_event *e)
{
	free(e);
}
