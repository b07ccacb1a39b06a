/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sources become a list of (name, text, place), and the table is gone through in its order, so
 * that what comes out does not depend on the order in a file or in the environment.
 */
#include "conf/alias.h"

#include "conf/nearest.h"
#include "conf/options.h"
#include "conf/value.h"
#include "conf/yaml.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ITEMS_MAX 1024

/* ---- names ----------------------------------------------------------------------------------- */

static void append_upper(char *to, const char *path)
{
	for (; *path && strcmp(path, ".*") != 0; path++)
		*to++ = *path == '.'                   ? '_'
		        : *path >= 'a' && *path <= 'z' ? (char)(*path - 'a' + 'A')
		                                       : *path;
	*to = '\0';
}

bool loci__alias_name(const struct loci_alias_set *set, const char *path,
                      char buf[LOCI_ALIAS_NAME_MAX])
{
	size_t n = strlen(set->prefix);
	if (n + strlen(path) >= LOCI_ALIAS_NAME_MAX)
		return false;
	memcpy(buf, set->prefix, n);
	append_upper(buf + n, path);
	return true;
}

static bool is_section(const char *path)
{
	size_t n = strlen(path);
	return n > 2 && strcmp(path + n - 2, ".*") == 0;
}

static bool fits(const struct loci_alias_set *set, const struct loci_alias *row, const char *name)
{
	char buf[LOCI_ALIAS_NAME_MAX];
	if (!loci__alias_name(set, row->path, buf))
		return false;
	size_t n = strlen(buf);
	if (strncasecmp(buf, name, n) != 0) /* names of headers keep their case */
		return false;
	return name[n] == '\0' || (is_section(row->path) && name[n] == '_');
}

static const struct loci_alias *find_row(const struct loci_alias_set *set, const char *name)
{
	for (const struct loci_alias *row = set->rows; row->kind != LOCI_ALIAS_END; row++)
		if (fits(set, row, name))
			return row;
	return NULL;
}

/* Whether rows stand below the name: then it is a section without any value. */
static bool has_rows_below(const struct loci_alias_set *set, const char *name)
{
	char buf[LOCI_ALIAS_NAME_MAX];
	size_t n = strlen(name);
	for (const struct loci_alias *row = set->rows; row->kind != LOCI_ALIAS_END; row++)
		if (loci__alias_name(set, row->path, buf) && strncmp(buf, name, n) == 0 &&
		    buf[n] == '_')
			return true;
	return false;
}

/* ---- what was said --------------------------------------------------------------------------- */

struct item {
	char name[LOCI_ALIAS_NAME_MAX]; /* as in the environment */
	char *text;                     /* NULL: a name without a value */
	char *place;                    /* for messages: the variable, or file, line and path */
	struct loci_option_origin from;
	const struct loci_alias *row; /* NULL: unknown */
};

struct items {
	struct loci_options *o;
	const char *file; /* NULL: the environment */
	const char *env;  /* the variable whose value is walked as YAML */
	struct item *v;
	size_t n;
};

static void items_done(struct items *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->v[i].text);
		free(all->v[i].place);
	}
	free(all->v);
}

static int add_item(struct items *all, const char *name, const char *text, char *take_place,
                    struct loci_option_origin from, struct loci_error *err)
{
	char *place loci__cleanup_free = take_place;
	char *copy loci__cleanup_free = text ? strdup(text) : NULL;
	if (!place || (text && !copy))
		return loci__err_nomem(err);
	if (all->n == ITEMS_MAX)
		return loci__err_set(err, LOCI_E_USAGE, "more than %d values", ITEMS_MAX);
	struct item *v = reallocarray(all->v, all->n + 1, sizeof(*v));
	if (!v)
		return loci__err_nomem(err);
	all->v = v;
	v[all->n] = (struct item){.text = loci__steal_ptr(&copy),
	                          .place = loci__steal_ptr(&place),
	                          .from = from,
	                          .row = find_row(all->o->aliases, name)};
	snprintf(v[all->n].name, sizeof(v[all->n].name), "%s", name);
	all->n++;
	return 0;
}

static char *format_place(const char *fmt, ...) LOCI_PRINTF(1, 2);
static char *format_place(const char *fmt, ...)
{
	char *text;
	va_list args;
	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

/* ---- from YAML: a file, or the value of a variable that names a section ---------------------- */

static int item_of_node(struct items *all, const struct loci_yaml_node *node,
                        struct loci_error *err)
{
	const struct loci_alias_set *set = all->o->aliases;
	char name[LOCI_ALIAS_NAME_MAX];
	size_t n = 0;
	if (all->env) {
		n = (size_t)snprintf(name, sizeof(name), "%s_", all->env);
		if (n + strlen(node->path) >= sizeof(name))
			return loci__err_set(err, LOCI_E_USAGE, "name too long");
		append_upper(name + n, node->path);
	} else if (!loci__alias_name(set, node->path, name)) {
		return loci__err_set(err, LOCI_E_USAGE, "name too long");
	}
	struct loci_option_origin from = {LOCI_SOURCE_ALIAS, 0, 0, NULL};
	if (all->file)
		from = (struct loci_option_origin){LOCI_SOURCE_FILE, node->line, node->column,
		                                   NULL};
	char *place = all->file ? format_place("%s:%u:%u: %s", all->file, node->line, node->column,
	                                       node->path)
	                        : format_place("environment %s: %s", all->env, node->path);
	return add_item(all, name, node->is_null ? NULL : node->value, place, from, err);
}

static int on_scalar(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	return item_of_node(arg, node, err);
}

/* Of maps, too, which the reader would refuse without saying what is wrong with the name. */
static int on_list(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	const struct items *all = arg;
	char name[LOCI_ALIAS_NAME_MAX];
	if (all->env || !loci__alias_name(all->o->aliases, node->path, name))
		return 0;
	const struct loci_alias *row = find_row(all->o->aliases, name);
	if (row && row->kind == LOCI_ALIAS_REFUSED)
		return loci__err_set(err, LOCI_E_USAGE, "cannot be honoured: %s", row->why);
	return 0;
}

static int on_map(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	(void)arg;
	(void)node;
	(void)err;
	return 0;
}

static const struct loci_yaml_handler handler = {on_scalar, on_list, on_map};

/* ---- to our options -------------------------------------------------------------------------- */

static bool find_key(struct loci_options *o, const char *key, struct loci_option_at *ret)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->key && strcmp(at.row->key, key) == 0) {
			*ret = at;
			return true;
		}
	return false;
}

/* The list as it is, said anew by this source, so that the source can add to it. */
static int take_over_list(struct loci_options *o, struct loci_option_at *at,
                          struct loci_option_origin from, struct loci_error *err)
{
	struct loci_buf old loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_VALUE_MAX);
	if (at->origin->source >= from.source)
		return 0;
	if (at->origin->source == LOCI_SOURCE_DEFAULT)
		loci__buf_puts(&old, o->aliases->list_start);
	else
		loci__option_value_format(at->row, at->field, &old);
	int r = loci__buf_check(&old, at->row->key, err);
	return r < 0 || !old.len ? r : loci__options_assign_commas(at, from, old.p, err);
}

/* Ours was said, too, and differs. */
static int note_conflict(struct loci_options *o, const struct item *item,
                         const struct loci_option_at *at, const char *text)
{
	struct loci_buf ours loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_VALUE_MAX);
	char buf[LOCI_OPTION_ENV_MAX];
	if (item->from.source != LOCI_SOURCE_ALIAS || at->origin->source <= LOCI_SOURCE_ALIAS)
		return 0;
	loci__option_value_format(at->row, at->field, &ours);
	if (ours.len && strcmp(ours.p, text) == 0)
		return 0;
	bool is_env = at->origin->source == LOCI_SOURCE_ENV;
	loci__buf_printf(&o->notes, "%s does not count, as %s%s is given, too\n", item->name,
	                 is_env ? "" : "--",
	                 is_env ? loci__option_env_name(at->row, o->env_prefix, buf)
	                        : at->row->flag);
	return 0;
}

/* The item before was of the same list. */
static bool goes_on(const struct loci_option_at *at, struct loci_option_origin from)
{
	return at->origin->source == from.source && at->origin->alias == from.alias;
}

static int assign(struct loci_options *o, const struct item *item, const char *text,
                  struct loci_error *err)
{
	const struct loci_alias *row = item->row;
	struct loci_option_origin from = item->from;
	struct loci_option_at at;
	if (!find_key(o, row->key, &at))
		return loci__err_set(err, LOCI_E_INTERNAL, "no key %s", row->key);
	from.alias = row->path;
	int r = note_conflict(o, item, &at, text);
	if (r == 0 && row->kind == LOCI_ALIAS_ADDS)
		r = take_over_list(o, &at, from, err);
	else if (r == 0 && at.row->type == LOCI_OPTION_LIST && !goes_on(&at, from))
		loci__options_assign_none(&at, from);
	return r < 0 ? r : loci__options_assign_commas(&at, from, text, err);
}

static int apply_text(struct loci_options *o, const struct item *item, struct loci_error *err)
{
	const struct loci_alias *row = item->row;
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_VALUE_MAX);
	int r = 0;
	if (row->convert)
		r = row->convert(item->text, &text, err);
	else
		loci__buf_puts(&text, item->text);
	loci__buf_putc(&text, '\0');
	if (r == 0)
		r = loci__buf_check(&text, "value", err);
	return r < 0 || row->kind == LOCI_ALIAS_HARMLESS ? r : assign(o, item, text.p, err);
}

static int apply_known(struct loci_options *o, const struct item *item, struct loci_error *err)
{
	const struct loci_alias *row = item->row;
	if (row->kind == LOCI_ALIAS_REFUSED)
		return item->text && !*item->text
		               ? 0
		               : loci__err_set(err, LOCI_E_USAGE, "cannot be honoured: %s",
		                               row->why);
	if (item->text)
		return apply_text(o, item, err);
	return row->kind == LOCI_ALIAS_HARMLESS || has_rows_below(o->aliases, item->name)
	               ? 0
	               : loci__err_set(err, LOCI_E_USAGE, "no value");
}

/* By what stands behind the prefix: all have that in common. */
static const struct loci_alias *find_nearest(const struct loci_alias_set *set, const char *name)
{
	const size_t prefix = strlen(set->prefix);
	const struct loci_alias *best = NULL;
	char buf[LOCI_ALIAS_NAME_MAX];
	struct loci_nearest near;
	loci__nearest_init(&near, name + prefix);
	for (const struct loci_alias *row = set->rows; row->kind != LOCI_ALIAS_END; row++) {
		near.best = NULL;
		if (loci__alias_name(set, row->path, buf))
			loci__nearest_offer(&near, buf + prefix);
		if (near.best)
			best = row;
	}
	return best;
}

static int refuse_unknown(const struct loci_alias_set *set, const struct item *item,
                          struct loci_error *err)
{
	char name[LOCI_ALIAS_NAME_MAX];
	const struct loci_alias *near = find_nearest(set, item->name);
	if (!item->text && has_rows_below(set, item->name))
		return 0;
	if (!near || !loci__alias_name(set, near->path, name))
		return loci__err_set(err, LOCI_E_USAGE, "not known as a setting of %s",
		                     set->program);
	return loci__err_set(err, LOCI_E_USAGE, "not known as a setting of %s; did you mean '%s'?",
	                     set->program,
	                     item->from.source == LOCI_SOURCE_FILE ? near->path : name);
}

static int apply_item(struct loci_options *o, const struct item *item, struct loci_error *err)
{
	int r = item->row ? apply_known(o, item, err) : refuse_unknown(o->aliases, item, err);
	return r < 0 ? loci__err_prefix(err, r, "%s", item->place) : 0;
}

/* What is refused comes first: nobody wants to mend ten values before hearing of it. */
static int apply(struct items *all, struct loci_error *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < all->n; i++)
		if (!all->v[i].row || all->v[i].row->kind == LOCI_ALIAS_REFUSED)
			r = apply_item(all->o, &all->v[i], err);
	const struct loci_alias *row = all->o->aliases->rows;
	for (; r == 0 && row->kind != LOCI_ALIAS_END; row++)
		for (size_t i = 0; r == 0 && i < all->n; i++)
			if (all->v[i].row == row)
				r = apply_item(all->o, &all->v[i], err);
	return r;
}

/* ---- the environment ------------------------------------------------------------------------- */

static bool take_digits(struct loci_cursor *c)
{
	struct loci_slice digits;
	return loci__take_run(c, loci__is_digit, &digits);
}

static bool is_service_port(struct loci_cursor c)
{
	static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
	static const char *const ends[] = {"", "_PROTO", "_PORT", "_ADDR"};
	if (!loci__take_text(&c, "_PORT_") || !take_digits(&c))
		return false;
	for (size_t i = 0; i < loci__array_len(protocols); i++) {
		struct loci_cursor at = c;
		if (!loci__take_text(&at, protocols[i]))
			continue;
		for (size_t j = 0; j < loci__array_len(ends); j++)
			if (loci__slice_is(loci__slice(at.p, loci__cursor_left(&at)), ends[j]))
				return true;
	}
	return false;
}

/* Kubernetes tells each container of the services of its namespace, and one is often called
 * "registry": REGISTRY_PORT, REGISTRY_SERVICE_HOST, REGISTRY_PORT_5000_TCP_ADDR … */
static bool is_of_kubernetes(const char *name, size_t n, const char *value)
{
	static const char host[] = "_SERVICE_HOST", port[] = "_SERVICE_PORT";
	for (size_t i = 0; i < n; i++) {
		struct loci_cursor c = loci__cursor(name + i, n - i);
		if (is_service_port(c))
			return true;
		if (loci__take_text(&c, host) && loci__cursor_at_end(&c))
			return true;
		c = loci__cursor(name + i, n - i);
		if (loci__take_text(&c, port) && (loci__cursor_at_end(&c) || *c.p == '_'))
			return true;
		if (n - i == 5 && memcmp(name + i, "_PORT", 5) == 0 && strstr(value, "://"))
			return true;
	}
	return false;
}

static int gather_variable(struct items *all, const char *name, const char *value,
                           struct loci_error *err)
{
	const struct loci_alias *row = find_row(all->o->aliases, name);
	if (*value != '{' || (row && row->kind == LOCI_ALIAS_REFUSED))
		return add_item(all, name, value, format_place("environment %s", name),
		                (struct loci_option_origin){LOCI_SOURCE_ALIAS, 0, 0, NULL}, err);
	all->env = name;
	int r = loci__yaml_walk(name, value, strlen(value), &handler, all, err);
	all->env = NULL;
	return r;
}

static int gather_env(struct items *all, char *const *environ_, struct loci_error *err)
{
	const struct loci_alias_set *set = all->o->aliases;
	int r = 0;
	for (; r == 0 && *environ_; environ_++) {
		const char *equals = strchr(*environ_, '=');
		char name[LOCI_ALIAS_NAME_MAX];
		if (!equals || !equals[1] ||
		    strncmp(*environ_, set->prefix, strlen(set->prefix)) != 0)
			continue;
		size_t n = (size_t)(equals - *environ_);
		if (is_of_kubernetes(*environ_, n, equals + 1))
			continue;
		if (!loci__slice_copy(loci__slice(*environ_, n), name, sizeof(name)))
			return loci__err_set(err, LOCI_E_USAGE, "environment %.64s…: name too long",
			                     *environ_);
		r = gather_variable(all, name, equals + 1, err);
	}
	return r;
}

int loci__alias_env(struct loci_options *o, char *const *environ_, struct loci_error *err)
{
	struct items all loci__cleanup(items_done) = {.o = o};
	if (!o->aliases)
		return 0;
	int r = gather_env(&all, environ_, err);
	return r < 0 ? r : apply(&all, err);
}

/* ---- the file -------------------------------------------------------------------------------- */

struct mark {
	const char *key;
	unsigned line;
};

static int look_for_mark(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	struct mark *m = arg;
	(void)err;
	if (strcmp(node->path, m->key) == 0)
		m->line = node->line;
	return 0;
}

static int set_file_defaults(struct loci_options *o, unsigned line, struct loci_error *err)
{
	const struct loci_option_origin from = {LOCI_SOURCE_FILE, line, 1, NULL};
	const struct loci_alias_default *d = o->aliases->file_defaults;
	int r = 0;
	for (; r == 0 && d && d->key; d++) {
		struct loci_option_at at;
		if (!find_key(o, d->key, &at))
			return loci__err_set(err, LOCI_E_INTERNAL, "no key %s", d->key);
		r = loci__options_assign_commas(&at, from, d->value, err);
	}
	return r;
}

int loci__alias_yaml(struct loci_options *o, const char *name, const char *text, size_t n,
                     bool *ret_is_theirs, struct loci_error *err)
{
	static const struct loci_yaml_handler looking = {look_for_mark, look_for_mark, on_map};
	struct items all loci__cleanup(items_done) = {.o = o, .file = name};
	*ret_is_theirs = false;
	if (!o->aliases)
		return 0;
	struct mark mark = {.key = o->aliases->mark};
	int r = loci__yaml_walk(name, text, n, &looking, &mark, NULL);
	if (r < 0 && !mark.line)
		return 0; /* a mistake that the reader of ours will find */
	*ret_is_theirs = mark.line > 0;
	if (!mark.line)
		return 0;
	r = set_file_defaults(o, mark.line, err);
	if (r == 0)
		r = loci__yaml_walk(name, text, n, &handler, &all, err);
	return r < 0 ? r : apply(&all, err);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void loci__options_set_aliases(struct loci_options *o, const struct loci_alias_set *set)
{
	o->aliases = set;
}

const char *loci__options_notes(const struct loci_options *o)
{
	return o->notes.len && !o->notes.failed ? o->notes.p : "";
}

static int check_row(const struct loci_options *o, const struct loci_alias_set *set,
                     const struct loci_alias *row, struct loci_error *err)
{
	struct loci_option_at at = {0};
	char name[LOCI_ALIAS_NAME_MAX];
	bool has_key = row->kind == LOCI_ALIAS_KEY || row->kind == LOCI_ALIAS_ADDS;
	const char *wrong = NULL;
	if (!loci__alias_name(set, row->path, name))
		wrong = "name too long";
	else if (has_key ? !row->key || !find_key((struct loci_options *)o, row->key, &at)
	                 : !!row->key)
		wrong = "its key is none of ours";
	else if (has_key && is_section(row->path))
		wrong = "a section is no key";
	else if (row->kind == LOCI_ALIAS_ADDS && at.row->type != LOCI_OPTION_LIST)
		wrong = "adds to what is no list";
	else if (!has_key && (!row->why || !*row->why || row->why[strlen(row->why) - 1] == '.'))
		wrong = "does not say why, or with a full stop";
	else if (find_row(set, name) != row)
		wrong = "a row before it fits, too";
	return wrong ? loci__err_set(err, LOCI_E_INTERNAL, "alias %s: %s", row->path, wrong) : 0;
}

int loci__alias_check_table(const struct loci_options *o, const struct loci_alias_set *set,
                            struct loci_error *err)
{
	int r = 0;
	for (const struct loci_alias *row = set->rows; r == 0 && row->kind != LOCI_ALIAS_END; row++)
		r = check_row(o, set, row, err);
	return r;
}
