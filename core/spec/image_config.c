/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image config (image-spec config.md). Only what a runtime or an unpacker acts on is looked at;
 * history, health checks and unknown members are passed over. null means absent throughout.
 */
#include "loci/image_config.h"

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/spec/field.h"

#include <string.h>

#define CONFIG_SIZE_MAX ((size_t)8 << 20)
#define DEPTH_MAX       64
#define DIFF_IDS_MAX    10000

struct parsed {
	struct loci__arena arena; /* holds this too */
	struct loci_image_config c;
};

void loci_image_config_free(struct loci_image_config *c)
{
	if (!c)
		return;
	struct loci__arena a = ((struct parsed *)((char *)c - offsetof(struct parsed, c)))->arena;
	loci__arena_done(&a);
}

static int parse_strings(const struct loci_json_at *config, struct loci__arena *a,
                         struct loci_image_config *c, struct loci_error *err)
{
	const struct {
		const char *key;
		const char **to;
	} fields[] = {
	        {"User", &c->user},
	        {"WorkingDir", &c->working_dir},
	        {"StopSignal", &c->stop_signal},
	};
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < loci__array_len(fields); i++) {
		struct loci_json_at at = loci__json_member(config, fields[i].key);
		rc = loci__field_string_opt(&at, a, fields[i].to, err);
	}
	return rc;
}

static int parse_lists(const struct loci_json_at *config, struct loci__arena *a,
                       struct loci_image_config *c, struct loci_error *err)
{
	const struct {
		const char *key;
		int (*parse)(const struct loci_json_at *, struct loci__arena *,
		             const char *const **, size_t *, struct loci_error *);
		const char *const **to;
		size_t *to_n;
	} fields[] = {
	        {"Env", loci__field_strings_opt, &c->env, &c->n_env},
	        {"Entrypoint", loci__field_strings_opt, &c->entrypoint, &c->n_entrypoint},
	        {"Cmd", loci__field_strings_opt, &c->cmd, &c->n_cmd},
	        {"ExposedPorts", loci__field_keys_opt, &c->exposed_ports, &c->n_exposed_ports},
	        {"Volumes", loci__field_keys_opt, &c->volumes, &c->n_volumes},
	};
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < loci__array_len(fields); i++) {
		struct loci_json_at at = loci__json_member(config, fields[i].key);
		rc = fields[i].parse(&at, a, fields[i].to, fields[i].to_n, err);
	}
	return rc;
}

static int parse_execution(const struct loci_json_at *config, struct loci__arena *a,
                           struct loci_image_config *c, struct loci_error *err)
{
	if (!config->v)
		return 0;
	struct loci_json_at labels = loci__json_member(config, "Labels");
	int rc = loci__json_object(config, err);
	if (rc < 0 || (rc = parse_strings(config, a, c, err)) < 0 ||
	    (rc = parse_lists(config, a, c, err)) < 0)
		return rc;
	return loci__field_map_opt(&labels, a, &c->labels, &c->n_labels, err);
}

static int parse_rootfs(const struct loci_json_at *rootfs, struct loci__arena *a,
                        struct loci_image_config *c, struct loci_error *err)
{
	const char *type;
	size_t n;
	struct loci_json_at type_at = loci__json_member(rootfs, "type");
	struct loci_json_at ids = loci__json_member(rootfs, "diff_ids");
	int rc = loci__json_object(rootfs, err);
	if (rc < 0 || (rc = loci__json_string(&type_at, &type, err)) < 0)
		return rc;
	if (strcmp(type, "layers") != 0)
		return loci__json_err(&type_at, err, "expected 'layers', found '%.40s'", type);
	/* Go writes an empty list as null when nothing was ever put in. */
	if ((rc = loci__json_array_opt(&ids, &n, err)) < 0 ||
	    (rc = loci__field_count(&ids, n, DIFF_IDS_MAX, err)) < 0)
		return rc;
	struct loci_digest *list = n ? loci__arena_array(a, n, sizeof(*list)) : NULL;
	if (n && !list)
		return loci__err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct loci_json_at id = loci__json_element(&ids, i);
		if ((rc = loci__field_digest(&id, &list[i], err)) < 0)
			return rc;
	}
	c->diff_ids = list;
	c->n_diff_ids = n;
	return 0;
}

static int parse_document(const struct loci_json_at *root, struct loci__arena *a,
                          struct loci_image_config *c, struct loci_error *err)
{
	struct loci_json_at author = loci__json_member(root, "author");
	struct loci_json_at created = loci__json_member(root, "created");
	struct loci_json_at config = loci__json_member(root, "config");
	struct loci_json_at rootfs = loci__json_member(root, "rootfs");
	int rc = loci__json_object(root, err);
	if (rc < 0 || (rc = loci__field_platform(root, a, &c->platform, err)) < 0 ||
	    (rc = loci__field_string_opt(&author, a, &c->author, err)) < 0 ||
	    (rc = loci__field_string_opt(&created, a, &c->created, err)) < 0 ||
	    (rc = parse_execution(&config, a, c, err)) < 0)
		return rc;
	return parse_rootfs(&rootfs, a, c, err);
}

int loci_image_config_parse(const void *json, size_t n, struct loci_image_config **ret,
                            struct loci_error *err)
{
	static const struct loci_json_limits limits = {CONFIG_SIZE_MAX, DEPTH_MAX};
	loci__cleanup_json json_t *doc = NULL;
	int rc = loci__json_parse(json, n, &limits, "image config", &doc, err);
	if (rc < 0)
		return rc;
	loci__cleanup_arena struct loci__arena a = LOCI_ARENA_INIT(16 * n + 65536);
	struct parsed *p = loci__arena_alloc(&a, sizeof(*p));
	if (!p)
		return loci__err_nomem(err);
	struct loci_json_at root = loci__json_root(doc);
	rc = parse_document(&root, &a, &p->c, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "image config");
	p->arena = a;
	a.chunks = NULL;
	*ret = &p->c;
	return 0;
}
