/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML file: its scalars, by key path, through the same table as the flags. */
#include "conf/option.h"

#include "conf/nearest.h"
#include "conf/options.h"
#include "conf/value.h"
#include "conf/yaml.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <string.h>

static bool find_key(const struct loci_options *o, const char *path, struct loci_option_at *ret)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->key && strcmp(at.row->key, path) == 0) {
			*ret = at;
			return true;
		}
	return false;
}

static bool is_section(const struct loci_options *o, const char *path)
{
	struct loci_option_at at = {0};
	size_t n = strlen(path);
	while (loci__options_next(o, &at))
		if (at.row->key && strncmp(at.row->key, path, n) == 0 && at.row->key[n] == '.')
			return true;
	return false;
}

/* The path itself is in front of the message already. */
static int unknown_key(const struct loci_options *o, const char *path, struct loci_error *err)
{
	struct loci_nearest near;
	loci__nearest_init(&near, path);
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->key)
			loci__nearest_offer(&near, at.row->key);
	if (near.best)
		return loci__err_set(err, LOCI_E_USAGE, "unknown key; did you mean '%s'?",
		                     near.best);
	return loci__err_set(err, LOCI_E_USAGE, "unknown key");
}

static struct loci_option_origin origin_of(const struct loci_yaml_node *node)
{
	return (struct loci_option_origin){LOCI_SOURCE_FILE, node->line, node->column};
}

static int on_scalar(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	struct loci_options *o = arg;
	struct loci_option_at at;
	if (!find_key(o, node->path, &at)) {
		if (!is_section(o, node->path))
			return unknown_key(o, node->path, err);
		if (node->is_null)
			return 0; /* a section whose keys are all commented out */
		return loci__err_set(err, LOCI_E_USAGE, "expected a section with keys");
	}
	if (node->is_null)
		return loci__err_set(err, LOCI_E_USAGE, "no value");
	return loci__options_assign(&at, origin_of(node), node->value, err);
}

static int on_list(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	struct loci_options *o = arg;
	struct loci_option_at at;
	if (!find_key(o, node->path, &at))
		return is_section(o, node->path)
		               ? loci__err_set(err, LOCI_E_USAGE, "expected a section with keys")
		               : unknown_key(o, node->path, err);
	if (at.row->type != LOCI_OPTION_LIST)
		return loci__err_set(err, LOCI_E_USAGE, "expected one value, found a list");
	loci__options_assign_none(&at, origin_of(node));
	return 0;
}

static int on_map(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	struct loci_options *o = arg;
	struct loci_option_at at;
	if (find_key(o, node->path, &at))
		return loci__err_set(err, LOCI_E_USAGE, "expected a value, found a section");
	return is_section(o, node->path) ? 0 : unknown_key(o, node->path, err);
}

int loci__options_yaml(struct loci_options *o, const char *name, const char *text, size_t n,
                       struct loci_error *err)
{
	static const struct loci_yaml_handler handler = {on_scalar, on_list, on_map};
	char *copy = strdup(name);
	if (!copy)
		return loci__err_nomem(err);
	free(o->file_name);
	o->file_name = copy;
	bool is_theirs;
	int r = loci__alias_yaml(o, name, text, n, &is_theirs, err);
	if (r < 0 || is_theirs)
		return r;
	return loci__yaml_walk(name, text, n, &handler, o, err);
}

int loci__options_file(struct loci_options *o, const char *path, struct loci_error *err)
{
	char *text loci__cleanup_free = NULL;
	size_t n;
	int r = loci__read_file(AT_FDCWD, path, LOCI_OPTION_FILE_MAX, &text, &n, err);
	if (r < 0)
		return r;
	return loci__options_yaml(o, path, text, n, err);
}
