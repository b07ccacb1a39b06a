/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events, held to the small YAML of yaml.h. Its document API is not used: it would build
 * a tree first, and resolve aliases (a kilobyte of them can stand for gigabytes).
 */
#include "conf/yaml.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct walk {
	const char *name;
	const struct loci_yaml_handler *handler;
	void *arg;
	struct loci_error *err;
	yaml_parser_t parser;
	char path[LOCI_YAML_PATH_MAX];
	char **keys; /* full paths seen, to find duplicates */
	size_t n_keys;
	unsigned depth;
};

static int refuse_at(struct walk *w, yaml_mark_t at, const char *fmt, ...) LOCI_PRINTF(3, 4);

static int refuse_at(struct walk *w, yaml_mark_t at, const char *fmt, ...)
{
	char text[LOCI_ERROR_MSG_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return loci__err_set(w->err, LOCI_E_USAGE, "%s:%zu:%zu: %s%s%s", w->name, at.line + 1,
	                     at.column + 1, w->path, *w->path ? ": " : "", text);
}

static void cleanup_event(yaml_event_t *ev)
{
	yaml_event_delete(ev);
}
#define cleanup_yaml_event __attribute__((cleanup(cleanup_event)))

static int next_event(struct walk *w, yaml_event_t *ev)
{
	yaml_parser_t *ps = &w->parser;
	memset(ev, 0, sizeof(*ev));
	if (yaml_parser_parse(ps, ev))
		return 0;
	if (ps->error == YAML_MEMORY_ERROR)
		return loci__err_nomem(w->err);
	yaml_mark_t at = ps->problem_mark;
	if (ps->error == YAML_READER_ERROR)
		return loci__err_set(w->err, LOCI_E_USAGE, "%s: byte %zu: %s", w->name,
		                     ps->problem_offset, ps->problem ? ps->problem : "no text");
	return refuse_at(w, at, "%s", ps->problem ? ps->problem : "no YAML");
}

static int refuse_extras(struct walk *w, const yaml_event_t *ev, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
	if (anchor)
		return refuse_at(w, ev->start_mark, "anchors are not supported");
	if (tag)
		return refuse_at(w, ev->start_mark, "tags are not supported");
	return 0;
}

static int call(struct walk *w, const yaml_event_t *ev,
                int (*fn)(void *, const struct loci_yaml_node *, struct loci_error *),
                const struct loci_yaml_node *shape)
{
	struct loci_error err = {0};
	struct loci_yaml_node node = *shape;
	node.path = w->path;
	node.line = (unsigned)ev->start_mark.line + 1;
	node.column = (unsigned)ev->start_mark.column + 1;
	int r = fn(w->arg, &node, &err);
	if (r == 0 || err.code == LOCI_E_NOMEM)
		return r == 0 ? 0 : loci__err_nomem(w->err);
	return refuse_at(w, ev->start_mark, "%s", err.msg);
}

static int on_scalar(struct walk *w, const yaml_event_t *ev, bool in_list)
{
	const char *value = (const char *)ev->data.scalar.value;
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	int r = refuse_extras(w, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (r < 0)
		return r;
	if (strlen(value) != ev->data.scalar.length)
		return refuse_at(w, ev->start_mark, "NUL in a value");
	struct loci_yaml_node node = {.value = value, .in_list = in_list};
	node.is_null = plain && (!*value || strcmp(value, "~") == 0 || strcmp(value, "null") == 0);
	return call(w, ev, w->handler->scalar, &node);
}

static int on_list(struct walk *w, const yaml_event_t *start)
{
	int r = refuse_extras(w, start, start->data.sequence_start.anchor,
	                      start->data.sequence_start.tag);
	if (r == 0)
		r = call(w, start, w->handler->list, &(struct loci_yaml_node){0});
	while (r == 0) {
		yaml_event_t ev cleanup_yaml_event;
		r = next_event(w, &ev);
		if (r < 0)
			return r;
		switch (ev.type) {
		case YAML_SEQUENCE_END_EVENT: return 0;
		case YAML_SCALAR_EVENT: r = on_scalar(w, &ev, true); break;
		case YAML_ALIAS_EVENT:
			return refuse_at(w, ev.start_mark, "aliases are not supported");
		default: return refuse_at(w, ev.start_mark, "expected a value in the list");
		}
	}
	return r;
}

/* Without dots, which would be a path, and without what would spoil a terminal. */
static const char key_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_";

/* Appends ".key" to the path; returns the old length through ret. */
static int enter_key(struct walk *w, const yaml_event_t *ev, size_t *ret)
{
	size_t old = strlen(w->path);
	if (ev->type == YAML_ALIAS_EVENT)
		return refuse_at(w, ev->start_mark, "aliases are not supported");
	if (ev->type != YAML_SCALAR_EVENT)
		return refuse_at(w, ev->start_mark, "expected a name as the key");
	int r = refuse_extras(w, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (r < 0)
		return r;
	const char *key = (const char *)ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	if (n == 0 || strspn(key, key_chars) != n)
		return refuse_at(
		        w, ev->start_mark,
		        "expected a name of letters, digits and - as the key (sections are "
		        "nested)");
	if (old + n + 2 > sizeof(w->path))
		return refuse_at(w, ev->start_mark, "key too long");
	if (old)
		w->path[old] = '.';
	memcpy(w->path + old + !!old, key, n + 1);
	*ret = old;
	return 0;
}

static int note_key(struct walk *w, const yaml_event_t *ev)
{
	for (size_t i = 0; i < w->n_keys; i++)
		if (strcmp(w->keys[i], w->path) == 0)
			return refuse_at(w, ev->start_mark, "given twice");
	if (w->n_keys == LOCI_YAML_KEYS_MAX)
		return refuse_at(w, ev->start_mark, "more than %d keys", LOCI_YAML_KEYS_MAX);
	char **keys = reallocarray(w->keys, w->n_keys + 1, sizeof(*keys));
	if (!keys)
		return loci__err_nomem(w->err);
	w->keys = keys;
	keys[w->n_keys] = strdup(w->path);
	return keys[w->n_keys] && ++w->n_keys ? 0 : loci__err_nomem(w->err);
}

static int on_map(struct walk *w, const yaml_event_t *start);

static int on_value(struct walk *w)
{
	yaml_event_t ev cleanup_yaml_event;
	int r = next_event(w, &ev);
	if (r < 0)
		return r;
	switch (ev.type) {
	case YAML_SCALAR_EVENT: return on_scalar(w, &ev, false);
	case YAML_SEQUENCE_START_EVENT: return on_list(w, &ev);
	case YAML_MAPPING_START_EVENT: return on_map(w, &ev);
	case YAML_ALIAS_EVENT: return refuse_at(w, ev.start_mark, "aliases are not supported");
	default: return refuse_at(w, ev.start_mark, "expected a value");
	}
}

static int on_pairs(struct walk *w)
{
	for (;;) {
		yaml_event_t ev cleanup_yaml_event;
		size_t old = 0;
		int r = next_event(w, &ev);
		if (r < 0 || ev.type == YAML_MAPPING_END_EVENT)
			return r;
		r = enter_key(w, &ev, &old);
		if (r == 0)
			r = note_key(w, &ev);
		if (r == 0)
			r = on_value(w);
		if (r < 0)
			return r;
		w->path[old] = '\0';
	}
}

static int on_map(struct walk *w, const yaml_event_t *start)
{
	if (w->depth == LOCI_YAML_DEPTH_MAX)
		return refuse_at(w, start->start_mark, "nested deeper than %d",
		                 LOCI_YAML_DEPTH_MAX);
	int r = refuse_extras(w, start, start->data.mapping_start.anchor,
	                      start->data.mapping_start.tag);
	if (r == 0 && *w->path)
		r = call(w, start, w->handler->map, &(struct loci_yaml_node){0});
	w->depth++;
	if (r == 0)
		r = on_pairs(w);
	w->depth--;
	return r;
}

static int on_document(struct walk *w)
{
	yaml_event_t ev cleanup_yaml_event;
	int r = next_event(w, &ev);
	if (r < 0)
		return r;
	if (ev.type == YAML_MAPPING_START_EVENT)
		return on_map(w, &ev);
	if (ev.type == YAML_SCALAR_EVENT && ev.data.scalar.length == 0)
		return 0; /* "---" alone */
	return refuse_at(w, ev.start_mark, "expected keys and values at the top");
}

static int on_stream(struct walk *w)
{
	unsigned documents = 0;
	for (;;) {
		yaml_event_t ev cleanup_yaml_event;
		int r = next_event(w, &ev);
		if (r < 0 || ev.type == YAML_STREAM_END_EVENT)
			return r;
		if (ev.type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (documents++)
			return refuse_at(w, ev.start_mark, "more than one document");
		r = on_document(w);
		if (r < 0)
			return r;
	}
}

int loci__yaml_walk(const char *name, const char *text, size_t n,
                    const struct loci_yaml_handler *handler, void *arg, struct loci_error *err)
{
	struct walk w = {.name = name, .handler = handler, .arg = arg, .err = err};
	if (!yaml_parser_initialize(&w.parser))
		return loci__err_nomem(err);
	/* Otherwise a byte-order mark would choose UTF-16. */
	yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&w.parser, (const unsigned char *)text, n);
	int r = on_stream(&w);
	yaml_parser_delete(&w.parser);
	for (size_t i = 0; i < w.n_keys; i++)
		free(w.keys[i]);
	free(w.keys);
	return r;
}
