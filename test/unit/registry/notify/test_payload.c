/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies are JSON whatever stands in an event, and say what was said. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/json.h"
#include "registry/notify/payload.h"

#include <string.h>

static const struct loci__notify_source source = {"//host", "https://r.example", "host", "id"};
static const char *const two_tags[] = {"v1", "latest"};

static struct loci_event event(int type)
{
	struct loci_event e = {
	        .sequence = 17,
	        .type = type,
	        .time_ms = 1795750030049,
	        .repo = "team/app",
	        .size = 42,
	        .media_type = "application/vnd.oci.image.manifest.v1+json",
	        .from_repo = "",
	        .tags = two_tags,
	        .n_tags = 2,
	        .origin = {sizeof(e.origin), "192.0.2.1", "a \"quoted\" \x01\xff agent", "id-1",
	                   "r", "PUT"},
	};
	assert_int_equal(loci_digest_bytes(LOCI_SHA256, "x", 1, &e.digest, NULL), 0);
	return e;
}

static json_t *parse(const struct loci_buf *b)
{
	const struct loci_json_limits limits = {LOCI_NOTIFY_BODY_MAX, 16};
	struct loci_error err;
	json_t *doc = NULL;
	assert_int_equal(b->failed, 0);
	if (loci__json_parse(b->p, b->len, &limits, "payload", &doc, &err) < 0)
		fail_msg("%s: %s", err.msg, b->p);
	return doc;
}

static void expect_text(const json_t *object, const char *key, const char *value)
{
	const json_t *v = json_object_get(object, key);
	if (!value) {
		assert_null(v);
		return;
	}
	if (!v || !json_is_string(v))
		fail_msg("no '%s'", key);
	assert_string_equal(json_string_value(v), value);
}

static void test_cloudevents(void **state)
{
	struct loci_buf out loci__cleanup_buf = LOCI_BUF_INIT(LOCI_NOTIFY_BODY_MAX);
	struct loci_event e = event(LOCI_EVENT_MANIFEST_PUSH), *events[] = {&e, &e};
	(void)state;
	loci__payload_cloudevents(&source, events, 1, /* batch= */ false, &out);
	json_t *doc loci__cleanup_json = parse(&out);
	expect_text(doc, "specversion", "1.0");
	expect_text(doc, "id", "1795750030049-17");
	expect_text(doc, "source", "//host");
	expect_text(doc, "type", "loci.manifest.pushed");
	expect_text(doc, "time", "2026-11-27T03:27:10.049Z");
	expect_text(doc, "subject", "team/app:v1");
	const json_t *data = json_object_get(doc, "data");
	expect_text(data, "name", "team/app");
	expect_text(data, "reference", "v1");
	expect_text(data, "mediaType", e.media_type);
	expect_text(data, "from", NULL);
	assert_int_equal(json_integer_value(json_object_get(data, "size")), 42);
	assert_int_equal(json_array_size(json_object_get(data, "tags")), 2);
	expect_text(json_object_get(data, "request"), "useragent",
	            "a \"quoted\" \x01\xef\xbf\xbd agent");
	loci__buf_reset(&out);
	loci__payload_cloudevents(&source, events, 2, /* batch= */ true, &out);
	json_t *list loci__cleanup_json = parse(&out);
	assert_int_equal(json_array_size(list), 2);
}

static void test_every_type(void **state)
{
	(void)state;
	for (int type = 1; type < LOCI_EVENT_TYPES_; type++) {
		struct loci_buf out loci__cleanup_buf = LOCI_BUF_INIT(LOCI_NOTIFY_BODY_MAX);
		struct loci_event e = event(type), *events[] = {&e};
		e.n_tags = 0;
		e.media_type = "";
		e.origin.method = ""; /* nobody's request */
		assert_non_null(loci__event_action(type));
		loci__payload_cloudevents(&source, events, 1, /* batch= */ false, &out);
		json_t *doc loci__cleanup_json = parse(&out);
		assert_int_equal(strncmp(loci__event_type_name(type), "loci.", 5), 0);
		expect_text(doc, "type", loci__event_type_name(type));
		const json_t *data = json_object_get(doc, "data");
		assert_null(json_object_get(data, "request"));
		assert_null(json_object_get(data, "mediaType"));
		expect_text(data, "reference", json_string_value(json_object_get(data, "digest")));
	}
}

/* One entry a tag. */
static void test_distribution(void **state)
{
	struct loci_buf out loci__cleanup_buf = LOCI_BUF_INIT(LOCI_NOTIFY_BODY_MAX);
	struct loci_event e = event(LOCI_EVENT_MANIFEST_PUSH), mount = event(LOCI_EVENT_BLOB_MOUNT);
	struct loci_event *events[] = {&e, &mount};
	(void)state;
	mount.n_tags = 0;
	mount.media_type = "";
	mount.from_repo = "base";
	loci__payload_distribution(&source, events, 2, &out);
	json_t *doc loci__cleanup_json = parse(&out);
	const json_t *list = json_object_get(doc, "events");
	assert_int_equal(json_array_size(list), 3);
	const json_t *second = json_array_get(list, 1);
	expect_text(second, "action", "push");
	expect_text(second, "timestamp", "2026-11-27T03:27:10.049Z");
	expect_text(json_object_get(second, "target"), "tag", "latest");
	expect_text(json_object_get(second, "request"), "addr", "192.0.2.1");
	expect_text(json_object_get(second, "source"), "instanceID", "id");
	const json_t *target = json_object_get(json_array_get(list, 2), "target");
	expect_text(json_array_get(list, 2), "action", "mount");
	expect_text(target, "fromRepository", "base");
	expect_text(target, "mediaType", "application/octet-stream");
	assert_non_null(strstr(json_string_value(json_object_get(target, "url")),
	                       "https://r.example/v2/team/app/blobs/sha256:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cloudevents),
	        cmocka_unit_test(test_every_type),
	        cmocka_unit_test(test_distribution),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
