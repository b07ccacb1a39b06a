/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day in the life of a registry, run once for every system call that writes: that call fails. The
 * client gets the spec's error with a 5xx and no path of the server's, what it was told is there,
 * before a restart and after one, nothing else is, and the next try succeeds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "failing_calls.h"
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\"}";
static char layer[100000]; /* several writes */
static const char extra[] = "a blob of its own";

static enum failing_kind kind_now;

/* What the client was told. */
struct told {
	bool config, layer, extra, mount, image, moved, untag, gone, extra_gone;
	unsigned refused; /* answers of 5xx */
};

/* ---- requests -------------------------------------------------------------------------------- */

static char *image_of(const char *name)
{
	return strdup(
	        text("{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\","
	             "\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
	             "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":"
	             "%zu}],\"annotations\":{\"n\":\"%s\"}}",
	             LOCI_MEDIA_OCI_MANIFEST, LOCI_MEDIA_OCI_CONFIG,
	             sha256_of(config, sizeof(config) - 1), sizeof(config) - 1,
	             sha256_of(layer, sizeof(layer)), sizeof(layer), name));
}

/* Whether it was done; if not, what the client sees of it must be right. location: of what was
 * begun, or NULL. */
static bool done(struct fixture *f, struct told *t, int status, const struct ask *rq,
                 const char **ret_location)
{
	struct answer a = ask_with(f, rq);
	bool good = a.status == status;
	if (good && ret_location)
		*ret_location = text("%s", answer_header(&a, "location"));
	if (!good && a.status < 500 && !failing_calls_happened())
		fail_msg("%s %s: %d: %s", rq->method, rq->target, a.status, a.body);
	if (!good && a.status >= 500) {
		bool full = kind_now == FAILING_ENOSPC;
		assert_int_equal(a.status, full ? 507 : 500);
		assert_string_equal(answer_code(&a), full ? "UNAVAILABLE" : "UNKNOWN");
		/* General words: what the system said, and of which file, is for the log. */
		assert_null(strstr(a.body, strerror(full ? ENOSPC : EIO)));
		assert_null(strstr(a.body, f->dir));
		t->refused++;
	}
	answer_done(&a);
	return good;
}

static bool simple(struct fixture *f, struct told *t, int status, const char *method,
                   const char *target, const void *body, size_t n)
{
	const struct ask rq = {.method = method,
	                       .target = target,
	                       .body = body,
	                       .n = n,
	                       .headers = {{"content-type", LOCI_MEDIA_OCI_MANIFEST}}};
	return done(f, t, status, &rq, NULL);
}

/* Where the server says that a session is; -1: it is not known any more. */
static long offset_of(struct fixture *f, const char *where)
{
	struct answer a = ask(f, "GET", where);
	unsigned long last = 0;
	assert_true(a.status == 204 || a.status == 404);
	if (a.status == 204)
		last = strtoul(strchr(answer_header(&a, "range"), '-') + 1, NULL, 10);
	long offset = a.status == 404 ? -1 : last ? (long)last + 1 : 0;
	answer_done(&a);
	return offset;
}

static bool patch(struct fixture *f, struct told *t, const char *where, size_t from, size_t to)
{
	const struct ask rq = {
	        .method = "PATCH",
	        .target = where,
	        .body = layer + from,
	        .n = to - from,
	        .headers = {{"content-range", text("%zu-%zu", from, to - 1)}},
	};
	return done(f, t, 202, &rq, NULL);
}

/* As a client does that asks where it stands after a failure, and goes on from there. */
static bool push_in_chunks(struct fixture *f, struct told *t)
{
	const struct ask post = {.method = "POST", .target = "/v2/r/blobs/uploads/"};
	const char *where;
	size_t half = sizeof(layer) / 2;
	if (!done(f, t, 202, &post, &where))
		return false;
	bool acked = patch(f, t, where, 0, half);
	long at = offset_of(f, where);
	assert_true(at >= (acked ? (long)half : 0));
	if (!patch(f, t, where, (size_t)at, sizeof(layer))) {
		long now = offset_of(f, where);
		assert_true(now >= at);
		if ((size_t)now < sizeof(layer) && !patch(f, t, where, (size_t)now, sizeof(layer)))
			return false;
	}
	const char *put = text("%s?digest=%s", where, sha256_of(layer, sizeof(layer)));
	if (simple(f, t, 201, "PUT", put, NULL, 0))
		return true;
	at = offset_of(f, where); /* whole and to be committed, or spoilt and gone */
	assert_true(at == -1 || at == (long)sizeof(layer));
	return at >= 0 && simple(f, t, 201, "PUT", put, NULL, 0);
}

static bool push_whole(struct fixture *f, struct told *t, const void *p, size_t n)
{
	const char *target = text("/v2/r/blobs/uploads/?digest=%s", sha256_of(p, n));
	return simple(f, t, 201, "POST", target, p, n);
}

static bool push_by_put(struct fixture *f, struct told *t, const void *p, size_t n)
{
	const struct ask post = {.method = "POST", .target = "/v2/r/blobs/uploads/"};
	const char *where;
	return done(f, t, 202, &post, &where) &&
	       simple(f, t, 201, "PUT", text("%s?digest=%s", where, sha256_of(p, n)), p, n);
}

/* ---- the story ------------------------------------------------------------------------------- */

static void live(struct fixture *f, struct told *t, const char *first, const char *second)
{
	const char *config_digest = sha256_of(config, sizeof(config) - 1);
	const char *first_digest = sha256_of(first, strlen(first));
	const char *extra_digest = sha256_of(extra, sizeof(extra) - 1);
	const char *mount = text("/v2/q/blobs/uploads/?mount=%s&from=r", config_digest);
	const char *of_first = text("/v2/r/manifests/%s", first_digest);
	const char *of_extra = text("/v2/r/blobs/%s", extra_digest);
	t->config = push_whole(f, t, config, sizeof(config) - 1);
	t->layer = push_in_chunks(f, t);
	t->extra = push_by_put(f, t, extra, sizeof(extra) - 1);
	t->mount = t->config && simple(f, t, 201, "POST", mount, NULL, 0);
	t->image =
	        simple(f, t, 201, "PUT", text("%s?tag=v1&tag=v2", of_first), first, strlen(first));
	t->moved = simple(f, t, 201, "PUT", "/v2/r/manifests/v1", second, strlen(second));
	t->untag = simple(f, t, 202, "DELETE", "/v2/r/manifests/v2", NULL, 0);
	t->gone = simple(f, t, 202, "DELETE", of_first, NULL, 0);
	t->extra_gone = simple(f, t, 202, "DELETE", of_extra, NULL, 0);
}

static void check_object(struct fixture *f, const char *target, bool is_there, const void *p,
                         size_t n)
{
	struct answer a = ask(f, "GET", target);
	if (a.status != (is_there ? 200 : 404))
		fail_msg("%s: %d, expected %d", target, a.status, is_there ? 200 : 404);
	if (is_there) {
		assert_int_equal(a.n, n);
		assert_memory_equal(a.body, p, n);
	}
	answer_done(&a);
}

static void check_blob(struct fixture *f, const char *repo, bool is_there, const void *p, size_t n)
{
	check_object(f, text("/v2/%s/blobs/%s", repo, sha256_of(p, n)), is_there, p, n);
}

/* Exactly what was told, no more and no less. */
static void check(struct fixture *f, const struct told *t, const char *first, const char *second)
{
	bool has_first = t->image && !t->gone;
	bool has_v2 = has_first && !t->untag;
	const char *v1 = t->moved ? second : has_first ? first : NULL;
	check_blob(f, "r", t->config, config, sizeof(config) - 1);
	check_blob(f, "r", t->layer, layer, sizeof(layer));
	check_blob(f, "r", t->extra && !t->extra_gone, extra, sizeof(extra) - 1);
	check_blob(f, "q", t->mount, config, sizeof(config) - 1);
	check_object(f, text("/v2/r/manifests/%s", sha256_of(first, strlen(first))), has_first,
	             first, strlen(first));
	check_object(f, text("/v2/r/manifests/%s", sha256_of(second, strlen(second))), t->moved,
	             second, strlen(second));
	check_object(f, "/v2/r/manifests/v1", v1 != NULL, v1, v1 ? strlen(v1) : 0);
	check_object(f, "/v2/r/manifests/v2", has_v2, first, strlen(first));
	if (!has_first && !t->moved)
		return; /* the repository is not known, or has no tags */
	struct answer a = ask(f, "GET", "/v2/r/tags/list");
	assert_int_equal(a.status, 200);
	assert_int_equal(strstr(a.body, "\"v1\"") != NULL, v1 != NULL);
	assert_int_equal(strstr(a.body, "\"v2\"") != NULL, has_v2);
	answer_done(&a);
}

/* False: the story ended before the failure came. */
static bool run_with(enum failing_kind kind, unsigned at)
{
	struct fixture f;
	struct told t = {0}, again = {0};
	char *first = image_of("first"), *second = image_of("second");
	kind_now = kind;
	fixture_open(&f, NULL);
	failing_calls_plan(strrchr(f.dir, '/'), kind, at);
	live(&f, &t, first, second);
	const char *failed = failing_calls_happened();
	failing_calls_plan(NULL, kind, 0);
	check(&f, &t, first, second);
	assert_true(t.refused <= 1); /* one failure is one request's */
	/* Every other time the next try is the same process's. */
	if (at % 2) {
		fixture_restart(&f, NULL);
		check(&f, &t, first, second);
	}
	live(&f, &again, first, second);
	check(&f, &again, first, second);
	if (again.refused ||
	    !(again.config && again.layer && again.extra && again.mount && again.image &&
	      again.moved && again.untag && again.gone && again.extra_gone))
		fail_msg("after a failing %s (call %u) not all can be done", failed, at);
	fixture_restart(&f, NULL);
	check(&f, &again, first, second);
	fixture_close(&f);
	free(first);
	free(second);
	return failed != NULL;
}

static void torture(enum failing_kind kind, unsigned at_least)
{
	unsigned at = 1;
	while (run_with(kind, at))
		at++;
	print_message("each of %u calls failed once\n", at - 1);
	assert_true(at > at_least);
}

static void test_eio(void **state)
{
	(void)state;
	torture(FAILING_EIO, 60);
}

static void test_enospc(void **state)
{
	(void)state;
	torture(FAILING_ENOSPC, 60);
}

static void test_short_writes(void **state)
{
	(void)state;
	torture(FAILING_SHORT, 30);
}

int main(void)
{
	/* Thousands of syncs that nobody pulls the plug on: in memory, where there is room. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
	for (size_t i = 0; i < sizeof(layer); i++)
		layer[i] = (char)('a' + i % 23);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_eio),
	        cmocka_unit_test(test_enospc),
	        cmocka_unit_test(test_short_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
