/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/bundle/user.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

#define ID_MAX     4294967294u /* the last one means "no change" to the kernel */
#define FIELDS_MAX 7

/* A line of passwd or group; malformed ones are passed over, as the C library does. */
struct line {
	struct loci_slice fields[FIELDS_MAX];
	size_t n;
};

static bool next_line(struct loci_cursor *c, struct line *ret)
{
	if (loci__cursor_at_end(c))
		return false;
	struct loci_slice text;
	if (!loci__take_until(c, '\n', &text)) {
		text = loci__slice(c->p, loci__cursor_left(c));
		c->p = c->end;
	}
	struct loci_cursor at = loci__cursor(text.p, text.n);
	for (ret->n = 0;
	     ret->n < FIELDS_MAX - 1 && loci__take_until(&at, ':', &ret->fields[ret->n]);)
		ret->n++;
	ret->fields[ret->n++] = loci__slice(at.p, loci__cursor_left(&at));
	return true;
}

static bool parse_id(struct loci_slice s, uint32_t *ret)
{
	uint64_t v;
	if (!loci__parse_u64(s.p, s.n, &v) || v > ID_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool same(struct loci_slice a, struct loci_slice b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

struct account {
	struct loci_slice name, home;
	uint32_t uid, gid;
};

/* The first line with that name, or that number. */
static bool find_account(struct loci_slice passwd, struct loci_slice who, struct account *ret)
{
	struct loci_cursor c = loci__cursor(passwd.p, passwd.n);
	struct line l;
	uint32_t number = 0;
	bool numeric = parse_id(who, &number);
	while (next_line(&c, &l)) {
		struct account a = {.name = l.fields[0], .home = l.fields[5]};
		if (l.n < 6 || !a.name.n || !parse_id(l.fields[2], &a.uid) ||
		    !parse_id(l.fields[3], &a.gid))
			continue;
		if (same(a.name, who) || (numeric && a.uid == number)) {
			*ret = a;
			return true;
		}
	}
	return false;
}

static bool find_group(struct loci_slice group, struct loci_slice who, uint32_t *ret)
{
	struct loci_cursor c = loci__cursor(group.p, group.n);
	struct line l;
	while (next_line(&c, &l))
		if (l.n >= 3 && same(l.fields[0], who) && parse_id(l.fields[2], ret))
			return true;
	return false;
}

static bool is_member(struct loci_slice members, struct loci_slice name)
{
	struct loci_cursor c = loci__cursor(members.p, members.n);
	struct loci_slice one;
	while (loci__take_until(&c, ',', &one))
		if (same(one, name))
			return true;
	return same(loci__slice(c.p, loci__cursor_left(&c)), name);
}

static int add_groups(struct loci_slice group, struct loci_slice name, struct loci__user *u,
                      struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(group.p, group.n);
	struct line l;
	uint32_t gid;
	while (next_line(&c, &l)) {
		if (l.n < 4 || !parse_id(l.fields[2], &gid) || !is_member(l.fields[3], name))
			continue;
		if (u->n_groups == LOCI_USER_GROUPS_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE,
			                     "user '%.*s': member of more than %d groups",
			                     (int)name.n, name.p, LOCI_USER_GROUPS_MAX);
		u->groups[u->n_groups++] = gid;
	}
	return 0;
}

/* Splits at the first colon; an empty part is as if it were not there. */
static void split(const char *spec, struct loci_slice *user, struct loci_slice *group)
{
	size_t n = strlen(spec);
	struct loci_cursor c = loci__cursor(spec, n);
	*group = loci__slice("", 0);
	if (loci__take_until(&c, ':', user))
		*group = loci__slice(c.p, loci__cursor_left(&c));
	else
		*user = loci__slice(spec, n);
	if (!user->n)
		*user = loci__slice("0", 1);
}

static int resolve_group(struct loci_slice who, struct loci_slice group, struct loci__user *u,
                         struct loci_error *err)
{
	if (find_group(group, who, &u->gid) || parse_id(who, &u->gid))
		return 0;
	return loci__err_set(err, LOCI_E_NOT_FOUND,
	                     "group '%.*s': not in the image's /etc/group, and no number",
	                     (int)(who.n < 100 ? who.n : 100), who.p);
}

int loci__user_resolve(const char *spec, struct loci_slice passwd, struct loci_slice group,
                       struct loci__user *ret, struct loci_error *err)
{
	struct loci_slice who, its_group;
	struct account a;
	int rc = 0;
	split(spec ? spec : "", &who, &its_group);
	memset(ret, 0, sizeof(*ret));
	bool known = find_account(passwd, who, &a);
	if (known) {
		ret->uid = a.uid;
		ret->gid = a.gid;
		if (!loci__slice_copy(a.home, ret->home, sizeof(ret->home)))
			ret->home[0] = '\0';
	} else if (!parse_id(who, &ret->uid)) {
		return loci__err_set(err, LOCI_E_NOT_FOUND,
		                     "user '%.*s': not in the image's /etc/passwd, and no number",
		                     (int)(who.n < 100 ? who.n : 100), who.p);
	}
	/* A group that was asked for comes alone (config.md). */
	if (its_group.n)
		rc = resolve_group(its_group, group, ret, err);
	else if (known)
		rc = add_groups(group, a.name, ret, err);
	return rc;
}
