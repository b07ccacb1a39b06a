/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/members.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

#define ARENA_MAX ((size_t)256 << 20)
#define HOPS_MAX  8 /* links to links */

struct loci__member {
	const char *name;
	const char *target; /* of a link, a member's name; else NULL */
	struct loci__saved_file file;
	size_t order;
};

/* ---- names ----------------------------------------------------------------------------------- */

struct path {
	char s[LOCI_MEMBER_NAME_MAX];
	size_t n;
};

static bool path_up(struct path *p)
{
	if (p->n == 0)
		return false;
	while (p->n && p->s[--p->n] != '/')
		;
	p->s[p->n] = '\0';
	return true;
}

static bool path_down(struct path *p, const char *part, size_t n)
{
	if (p->n + 1 + n >= sizeof(p->s))
		return false;
	if (p->n)
		p->s[p->n++] = '/';
	memcpy(p->s + p->n, part, n);
	p->n += n;
	p->s[p->n] = '\0';
	return true;
}

/* Walks a text from where p stands, by its words alone; false: it leaves the top or is too long. */
static bool path_walk(struct path *p, const char *text)
{
	if (*text == '/')
		return false;
	while (*text) {
		size_t n = strcspn(text, "/");
		bool ok = true;
		if (n == 2 && !strncmp(text, "..", 2))
			ok = path_up(p);
		else if (n > 1 || (n == 1 && *text != '.'))
			ok = path_down(p, text, n);
		if (!ok)
			return false;
		text += n;
		text += *text == '/';
	}
	return true;
}

static bool has_dotdot(const char *s)
{
	for (; s; s = strchr(s, '/')) {
		s += *s == '/';
		if (!strncmp(s, "..", 2) && (s[2] == '/' || s[2] == '\0'))
			return true;
	}
	return false;
}

int loci__member_name(const char *given, char ret[LOCI_MEMBER_NAME_MAX], struct loci_error *err)
{
	struct path p = {0};
	if (has_dotdot(given) || !path_walk(&p, given))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "archive: '%.200s': expected a relative name without '..', of "
		                     "less than %d bytes",
		                     given, LOCI_MEMBER_NAME_MAX);
	memcpy(ret, p.s, p.n + 1);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

void loci__members_init(struct loci__members *m)
{
	*m = (struct loci__members){.arena = LOCI_ARENA_INIT(ARENA_MAX)};
}

void loci__members_done(struct loci__members *m)
{
	loci__arena_done(&m->arena);
	free(m->v);
	*m = (struct loci__members){0};
}

static int add(struct loci__members *m, const char *name, const char *target,
               const struct loci__saved_file *file, struct loci_error *err)
{
	if (m->n == LOCI_MEMBERS_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "archive: more than %zu files",
		                     LOCI_MEMBERS_MAX);
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct loci__member *grown = realloc(m->v, cap * sizeof(*grown));
		if (!grown)
			return loci__err_nomem(err);
		m->v = grown;
		m->cap = cap;
	}
	struct loci__member *e = &m->v[m->n];
	*e = (struct loci__member){.name = loci__arena_strdup(&m->arena, name), .order = m->n};
	if (target)
		e->target = loci__arena_strdup(&m->arena, target);
	if (file)
		e->file = *file;
	if (!e->name || (target && !e->target))
		return loci__err_nomem(err);
	m->n++;
	return 0;
}

int loci__members_add_file(struct loci__members *m, const char *name,
                           const struct loci__saved_file *file, struct loci_error *err)
{
	return add(m, name, /* target= */ NULL, file, err);
}

int loci__members_add_link(struct loci__members *m, const char *name, const char *target,
                           bool from_top, struct loci_error *err)
{
	struct path p = {0};
	bool ok = path_walk(&p, name);
	if (from_top)
		p = (struct path){0};
	else
		ok = ok && path_up(&p);
	if (!ok || !path_walk(&p, target))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "archive: '%.200s': a link out of the archive, to '%.200s'",
		                     name, target);
	return add(m, name, p.s, /* file= */ NULL, err);
}

static int by_name(const void *a, const void *b)
{
	const struct loci__member *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order ? order : x->order < y->order ? -1 : 1;
}

void loci__members_sort(struct loci__members *m)
{
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_name);
}

/* The last one of that name. */
static const struct loci__member *look_up(const struct loci__members *m, const char *name)
{
	size_t low = 0, high = m->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(m->v[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && !strcmp(m->v[low - 1].name, name) ? &m->v[low - 1] : NULL;
}

int loci__members_find(const struct loci__members *m, const char *path,
                       struct loci__saved_file *ret, struct loci_error *err)
{
	char name[LOCI_MEMBER_NAME_MAX];
	int rc = loci__member_name(path, name, err);
	const struct loci__member *e = rc == 0 ? look_up(m, name) : NULL;
	for (int hops = 0; e && e->target; hops++) {
		if (hops == HOPS_MAX)
			return loci__err_set(err, LOCI_E_INVALID,
			                     "'%.200s': more than %d links to links", path,
			                     HOPS_MAX);
		e = look_up(m, e->target);
	}
	if (rc == 0 && !e)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "'%.200s' is not in the archive", path);
	if (rc == 0)
		*ret = e->file;
	return rc;
}
