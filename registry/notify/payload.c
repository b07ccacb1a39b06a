/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/notify/payload.h"

#include "core/base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* Past tense, as CloudEvents asks and harbor does; the prefix is ours: "io.oci" is nobody's to
 * take. */
static const struct {
	const char *type;
	const char *action;
} names[LOCI_EVENT_TYPES_] = {
        [LOCI_EVENT_MANIFEST_PUSH] = {"loci.manifest.pushed", "push"},
        [LOCI_EVENT_MANIFEST_PULL] = {"loci.manifest.pulled", "pull"},
        [LOCI_EVENT_MANIFEST_DELETE] = {"loci.manifest.deleted", "delete"},
        [LOCI_EVENT_TAG_DELETE] = {"loci.tag.deleted", "delete"},
        [LOCI_EVENT_BLOB_PUSH] = {"loci.blob.pushed", "push"},
        [LOCI_EVENT_BLOB_MOUNT] = {"loci.blob.mounted", "mount"},
        [LOCI_EVENT_BLOB_DELETE] = {"loci.blob.deleted", "delete"},
};

const char *loci__event_type_name(int type)
{
	return names[type].type;
}

const char *loci__event_action(int type)
{
	return names[type].action;
}

static bool is_blob(const struct loci_event *e)
{
	return e->type >= LOCI_EVENT_BLOB_PUSH;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* RFC 3339, milliseconds, UTC. */
static void put_time(struct loci_buf *b, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[32] = "";
	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	loci__buf_printf(b, "\"%s.%03uZ\"", text, (unsigned)(ms % 1000));
}

/* The same at each delivery, and no other event's: a store that was made anew counts from one. */
static void put_id(struct loci_buf *b, const struct loci_event *e)
{
	loci__buf_printf(b, "\"%llu-%llu\"", (unsigned long long)e->time_ms,
	                 (unsigned long long)e->sequence);
}

static void put_member(struct loci_buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	loci__buf_printf(b, ",\"%s\":", key);
	loci__buf_json_string(b, value);
}

static void put_size(struct loci_buf *b, const char *key, uint64_t size)
{
	if (size)
		loci__buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)size);
}

struct digest_text {
	char s[LOCI_DIGEST_STR_MAX];
};

static struct digest_text digest_of(const struct loci_event *e)
{
	struct digest_text t;
	loci_digest_format(&e->digest, t.s);
	return t;
}

/* ---- CloudEvents 1.0 ------------------------------------------------------------------------- */

static void put_subject(struct loci_buf *b, const struct loci_event *e)
{
	char text[LOCI_REPO_MAX + LOCI_DIGEST_STR_MAX + LOCI_TAG_MAX + 4];
	snprintf(text, sizeof(text), "%s%c%s", e->repo, e->n_tags ? ':' : '@',
	         e->n_tags ? e->tags[0] : digest_of(e).s);
	put_member(b, "subject", text);
}

static void put_request(struct loci_buf *b, const struct loci_origin *o)
{
	loci__buf_puts(b, ",\"request\":{\"id\":");
	loci__buf_json_string(b, o->request_id);
	put_member(b, "addr", o->peer);
	put_member(b, "host", o->host);
	put_member(b, "method", o->method);
	put_member(b, "useragent", o->user_agent);
	loci__buf_putc(b, '}');
}

/* name, reference, digest and mediaType as zot's events have them. */
static void put_data(struct loci_buf *b, const struct loci_event *e)
{
	loci__buf_puts(b, ",\"data\":{\"name\":");
	loci__buf_json_string(b, e->repo);
	put_member(b, "reference", e->n_tags ? e->tags[0] : digest_of(e).s);
	put_member(b, "digest", digest_of(e).s);
	put_member(b, "mediaType", e->media_type);
	put_size(b, "size", e->size);
	put_member(b, "from", e->from_repo);
	if (e->n_tags) {
		loci__buf_puts(b, ",\"tags\":[");
		for (size_t i = 0; i < e->n_tags; i++) {
			loci__buf_puts(b, i ? "," : "");
			loci__buf_json_string(b, e->tags[i]);
		}
		loci__buf_putc(b, ']');
	}
	if (*e->origin.method)
		put_request(b, &e->origin);
	loci__buf_putc(b, '}');
}

static void put_cloudevent(struct loci_buf *b, const struct loci__notify_source *src,
                           const struct loci_event *e)
{
	loci__buf_puts(b, "{\"specversion\":\"1.0\",\"id\":");
	put_id(b, e);
	put_member(b, "source", src->source);
	put_member(b, "type", loci__event_type_name(e->type));
	loci__buf_puts(b, ",\"time\":");
	put_time(b, e->time_ms);
	put_subject(b, e);
	put_member(b, "datacontenttype", "application/json");
	put_data(b, e);
	loci__buf_putc(b, '}');
}

void loci__payload_cloudevents(const struct loci__notify_source *src,
                               struct loci_event *const *events, size_t n, bool batch,
                               struct loci_buf *out)
{
	if (batch)
		loci__buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		loci__buf_puts(out, i ? "," : "");
		put_cloudevent(out, src, events[i]);
	}
	if (batch)
		loci__buf_putc(out, ']');
}

/* ---- distribution's envelope ----------------------------------------------------------------- */

static void put_url(struct loci_buf *b, const struct loci__notify_source *src,
                    const struct loci_event *e)
{
	char url[1024];
	if (!src->base_url)
		return;
	snprintf(url, sizeof(url), "%s/v2/%s/%s/%s", src->base_url, e->repo,
	         is_blob(e) ? "blobs" : "manifests", digest_of(e).s);
	put_member(b, "url", url);
}

static void put_target(struct loci_buf *b, const struct loci__notify_source *src,
                       const struct loci_event *e, const char *tag)
{
	const char *blob_type = is_blob(e) ? "application/octet-stream" : "";
	loci__buf_puts(b, ",\"target\":{\"mediaType\":");
	loci__buf_json_string(b, *e->media_type ? e->media_type : blob_type);
	put_size(b, "size", e->size);
	put_member(b, "digest", digest_of(e).s);
	put_size(b, "length", e->size);
	put_member(b, "repository", e->repo);
	put_member(b, "fromRepository", e->from_repo);
	put_url(b, src, e);
	put_member(b, "tag", tag);
	loci__buf_putc(b, '}');
}

static void put_entry(struct loci_buf *b, const struct loci__notify_source *src,
                      const struct loci_event *e, const char *tag)
{
	loci__buf_puts(b, "{\"id\":");
	put_id(b, e);
	loci__buf_puts(b, ",\"timestamp\":");
	put_time(b, e->time_ms);
	put_member(b, "action", loci__event_action(e->type));
	put_target(b, src, e, tag);
	put_request(b, &e->origin);
	loci__buf_puts(b, ",\"actor\":{},\"source\":{\"addr\":");
	loci__buf_json_string(b, src->host);
	put_member(b, "instanceID", src->instance);
	loci__buf_puts(b, "}}");
}

void loci__payload_distribution(const struct loci__notify_source *src,
                                struct loci_event *const *events, size_t n, struct loci_buf *out)
{
	bool first = true;
	loci__buf_puts(out, "{\"events\":[");
	for (size_t i = 0; i < n; i++) {
		size_t n_entries = events[i]->n_tags ? events[i]->n_tags : 1;
		for (size_t j = 0; j < n_entries; j++) {
			loci__buf_puts(out, first ? "" : ",");
			put_entry(out, src, events[i],
			          events[i]->n_tags ? events[i]->tags[j] : NULL);
			first = false;
		}
	}
	loci__buf_puts(out, "]}");
}
