/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of small layers, pushed as docker does it. `images`: each blob is asked for (404), then
 * sent by POST, PATCH and PUT; then the manifest, with a tag. `again`: the same images, by the same
 * --seed, into other repositories: each blob is asked for (404 there), and mounted from where it
 * is. A connection takes one image after the other.
 */
#include "core/base/buf.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define MANIFEST_MAX  (1 << 20)

enum step { HEAD, POST, PATCH, PUT, MOUNT, MANIFEST };
static const unsigned expected[] = {
        [HEAD] = 404, [POST] = 202, [PATCH] = 202, [PUT] = 201, [MOUNT] = 201, [MANIFEST] = 201,
};

struct blob {
	char *p;
	size_t n;
	char digest[CONTENT_DIGEST_SIZE];
};

struct image {
	struct blob *blobs; /* layers, then the config */
	struct blob manifest;
};

struct images {
	const enum step *steps; /* of each blob */
	unsigned n_steps, n_blobs;
	struct image *all;
};

/* ---- before the clock starts */

static void seal(struct blob *b, struct loci_buf *text)
{
	b->n = text->len;
	b->p = loci__buf_steal(text);
	if (!b->p)
		load_die("out of memory");
	content_digest(b->p, b->n, b->digest);
}

static void make_config(struct image *im, unsigned layers)
{
	struct loci_buf b = LOCI_BUF_INIT(MANIFEST_MAX);
	loci__buf_puts(&b, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},"
	                   "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (unsigned i = 0; i < layers; i++)
		loci__buf_printf(&b, "%s\"%s\"", i ? "," : "", im->blobs[i].digest);
	loci__buf_puts(&b, "]}}");
	seal(&im->blobs[layers], &b);
}

static void put_descriptor(struct loci_buf *b, const char *type, const struct blob *blob)
{
	loci__buf_printf(b, "{\"mediaType\":\"application/vnd.oci.image.%s\",\"digest\":\"%s\",",
	                 type, blob->digest);
	loci__buf_printf(b, "\"size\":%zu}", blob->n);
}

static void make_manifest(struct image *im, unsigned layers)
{
	struct loci_buf b = LOCI_BUF_INIT(MANIFEST_MAX);
	loci__buf_puts(&b, "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE "\",\"config\":");
	put_descriptor(&b, "config.v1+json", &im->blobs[layers]);
	loci__buf_puts(&b, ",\"layers\":[");
	for (unsigned i = 0; i < layers; i++) {
		loci__buf_puts(&b, i ? "," : "");
		put_descriptor(&b, "layer.v1.tar", &im->blobs[i]);
	}
	loci__buf_puts(&b, "]}");
	seal(&im->manifest, &b);
}

static void make_image(const struct load *l, struct image *im, uint64_t serial)
{
	const unsigned layers = l->o.layers;
	im->blobs = calloc(layers + 1, sizeof(*im->blobs));
	if (!im->blobs)
		load_die("out of memory");
	for (unsigned i = 0; i < layers; i++) {
		struct blob *b = &im->blobs[i];
		b->n = (size_t)l->o.size;
		b->p = malloc(b->n);
		if (!b->p)
			load_die("out of memory");
		content_fill(b->p, b->n, l->o.seed, serial * layers + i);
		content_digest(b->p, b->n, b->digest);
	}
	make_config(im, layers);
	make_manifest(im, layers);
}

static void prepare(struct load *l, const enum step *steps, unsigned n_steps)
{
	struct images *s = calloc(1, sizeof(*s));
	if (!s)
		load_die("out of memory");
	s->steps = steps;
	s->n_steps = n_steps;
	s->n_blobs = l->o.layers + 1;
	s->all = calloc(l->o.count, sizeof(*s->all));
	if (!s->all)
		load_die("out of memory");
	for (uint64_t i = 0; i < l->o.count; i++)
		make_image(l, &s->all[i], i);
	l->verb_data = s;
}

static void prepare_images(struct load *l)
{
	static const enum step steps[] = {HEAD, POST, PATCH, PUT};
	prepare(l, steps, 4);
}

static void prepare_again(struct load *l)
{
	static const enum step steps[] = {HEAD, MOUNT};
	prepare(l, steps, 2);
}

/* ---- while it runs */

static enum step step_of(const struct images *s, const struct connection *c)
{
	return c->part < s->n_blobs ? s->steps[c->step] : MANIFEST;
}

static void send_blob(struct load *l, struct connection *c, enum step step, const struct blob *b)
{
	static const char type[] = "application/octet-stream";
	const struct loci_slice none = {0};
	const unsigned repo = (unsigned)(c->item % l->o.repositories);
	char query[512] = "";
	if (step == HEAD)
		snprintf(c->target, sizeof(c->target), "/v2/%s/%u/blobs/%s", l->o.repository, repo,
		         b->digest);
	else if (step == POST || step == MOUNT)
		snprintf(c->target, sizeof(c->target), "/v2/%s/%u/blobs/uploads/", l->o.repository,
		         repo);
	if (step == MOUNT)
		snprintf(query, sizeof(query), "mount=%s&from=%s/%u", b->digest, l->o.from, repo);
	else if (step == PUT)
		snprintf(query, sizeof(query), "digest=%s", b->digest);
	if (step == PATCH)
		connection_send(l, c, request_head(l, c, "PATCH", c->target, query, type, b->n),
		                loci__slice(b->p, b->n));
	else
		connection_send(l, c,
		                request_head(l, c,
		                             step == HEAD  ? "HEAD"
		                             : step == PUT ? "PUT"
		                                           : "POST",
		                             c->target, query, type, 0),
		                none);
}

static void send_manifest(struct load *l, struct connection *c, const struct blob *b)
{
	snprintf(c->target, sizeof(c->target), "/v2/%s/%u/manifests/v%llu", l->o.repository,
	         (unsigned)(c->item % l->o.repositories), (unsigned long long)c->item);
	connection_send(l, c, request_head(l, c, "PUT", c->target, "", MANIFEST_TYPE, b->n),
	                loci__slice(b->p, b->n));
}

/* False when there is none. */
static bool take_image(struct load *l, struct connection *c)
{
	if (l->n_begun == l->o.count)
		return false;
	c->item = l->n_begun++;
	c->part = 0;
	c->step = 0;
	c->begun_ns = l->now_ns;
	return true;
}

/* To the next step; true when the image is done. */
static bool advance(struct load *l, struct connection *c)
{
	const struct images *s = l->verb_data;
	enum step step = step_of(s, c);
	connection_expect(c, expected[step]);
	if (step == MANIFEST) {
		latency_add(&l->latency, l->now_ns - c->begun_ns);
		l->n_units++;
		return true;
	}
	if (step == POST || step == PATCH)
		connection_follow(c);
	if (++c->step == s->n_steps) {
		c->step = 0;
		c->part++;
	}
	return false;
}

static bool go_on(struct load *l, struct connection *c, bool is_first)
{
	const struct images *s = l->verb_data;
	if ((is_first || advance(l, c)) && !take_image(l, c))
		return false;
	const struct image *im = &s->all[c->item];
	if (c->part < s->n_blobs)
		send_blob(l, c, step_of(s, c), &im->blobs[c->part]);
	else
		send_manifest(l, c, &im->manifest);
	return true;
}

const struct verb load_images = {
        .name = "images",
        .unit = "image",
        .prepare = prepare_images,
        .go_on = go_on,
};
const struct verb load_again = {
        .name = "again",
        .unit = "image",
        .prepare = prepare_again,
        .go_on = go_on,
};
