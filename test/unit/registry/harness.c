/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "core/base/fs.h"

#include <fcntl.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count_log(void *arg, const struct loci_log_record *rec)
{
	struct fixture *f = arg;
	if (rec->level <= LOCI_LOG_WARN)
		f->n_logged++;
}

static void open_all(struct fixture *f, const struct loci_registry_opts *opts)
{
	struct loci_error err;
	const struct loci_store_opts so = {.struct_size = sizeof(so), .map_size = 1ull << 30};
	struct loci_registry_opts ro = opts ? *opts : (struct loci_registry_opts){0};
	if (loci_store_open(f->dir, &so, &f->store, &err) < 0)
		fail_msg("%s", err.msg);
	f->log = (struct loci_log){count_log, f, LOCI_LOG_DEBUG};
	ro.struct_size = sizeof(ro);
	ro.store = f->store;
	ro.log = &f->log;
	if (loci_registry_new(&ro, &f->registry, &err) < 0)
		fail_msg("%s", err.msg);
}

void fixture_open(struct fixture *f, const struct loci_registry_opts *opts)
{
	const char *tmp = getenv("TMPDIR");
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "%s/loci-registry-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	open_all(f, opts);
}

void fixture_restart(struct fixture *f, const struct loci_registry_opts *opts)
{
	loci_registry_free(f->registry);
	loci_store_close(f->store);
	open_all(f, opts);
}

void fixture_close(struct fixture *f)
{
	struct loci_error err;
	loci_registry_free(f->registry);
	loci_store_close(f->store);
	if (loci__rm_tree(AT_FDCWD, f->dir, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Feeds the body as a server does; false when the client vanished. */
static bool feed(const struct ask *ask, struct loci_http_response *rs)
{
	struct loci_http_sink *sink = rs->sink;
	size_t n = ask->vanish ? ask->vanish : ask->n;
	for (size_t at = 0; at < n;) {
		/* Uneven pieces: no handler may rely on how a body is cut. */
		size_t piece = 1 + at % 7000;
		if (piece > n - at)
			piece = n - at;
		if (loci_http_sink_write(sink, (const char *)ask->body + at, piece, rs) < 0) {
			loci_http_sink_abort(sink);
			return true;
		}
		at += piece;
	}
	if (ask->vanish)
		loci_http_sink_abort(sink);
	else
		loci_http_sink_finish(sink, rs);
	return !ask->vanish;
}

static size_t read_file(const struct loci_http_response *rs, uint64_t off, uint64_t n, char *to)
{
	assert_true(rs->file_fd >= 0);
	assert_int_equal(loci__pread_full(rs->file_fd, to, (size_t)n, off), n);
	return (size_t)n;
}

static size_t read_parts(const struct loci_http_response *rs, char *to)
{
	char *start = to;
	for (size_t i = 0; i < rs->n_parts; i++) {
		memcpy(to, rs->parts[i].text, rs->parts[i].text_len);
		to += rs->parts[i].text_len;
		to += read_file(rs, rs->parts[i].file_off, rs->parts[i].file_len, to);
	}
	return (size_t)(to - start);
}

static void read_body(const struct ask *ask, struct answer *a)
{
	struct loci_http_response *rs = a->rs;
	bool head = strcmp(ask->method, "HEAD") == 0;
	a->body = malloc(rs->content_length + 1);
	assert_non_null(a->body);
	if (head) {
		a->n = 0;
	} else if (rs->parts) {
		assert_false(ask->no_parts);
		a->n = read_parts(rs, a->body);
	} else if (rs->file_fd >= 0) {
		a->n = read_file(rs, rs->file_off, rs->file_len, a->body);
	} else {
		a->n = rs->body_len;
		assert_true(a->n <= rs->content_length);
		memcpy(a->body, rs->body ? rs->body : "", a->n);
	}
	if (!head)
		assert_int_equal(rs->content_length, a->n);
	a->body[a->n] = '\0';
}

/* What no response may ever hold, whatever was asked. */
static void check_headers(const struct answer *a)
{
	for (size_t i = 0; i < a->rs->n_headers; i++) {
		const struct loci_http_header *h = &a->rs->headers[i];
		for (const char *p = h->name; *p; p++)
			assert_true((*p >= 'a' && *p <= 'z') || *p == '-' ||
			            (*p >= '0' && *p <= '9'));
		assert_null(strpbrk(h->value, "\r\n"));
		assert_string_not_equal(h->name, "content-length");
	}
}

struct answer ask_with(struct fixture *f, const struct ask *ask)
{
	struct loci_http_request rq = {
	        .struct_size = sizeof(rq),
	        .method = ask->method,
	        .target = ask->target,
	        .scheme = "http",
	        .host = "localhost:5000",
	        .headers = ask->headers,
	        .body_length = ask->chunked ? LOCI_BODY_UNKNOWN : ask->n,
	        .takes_parts = !ask->no_parts,
	};
	while (rq.n_headers < ASK_HEADERS_MAX && ask->headers[rq.n_headers].name)
		rq.n_headers++;
	struct answer a = {.rs = loci_registry_handle(f->registry, &rq)};
	assert_non_null(a.rs);
	if (a.rs->sink && !feed(ask, a.rs))
		return a;
	assert_null(a.rs->sink);
	a.status = a.rs->status;
	check_headers(&a);
	read_body(ask, &a);
	return a;
}

struct answer ask(struct fixture *f, const char *method, const char *target)
{
	const struct ask plain = {.method = method, .target = target};
	return ask_with(f, &plain);
}

void answer_done(struct answer *a)
{
	loci_http_response_free(a->rs);
	free(a->body);
	memset(a, 0, sizeof(*a));
}

const char *answer_header(const struct answer *a, const char *name)
{
	for (size_t i = 0; i < a->rs->n_headers; i++)
		if (strcmp(a->rs->headers[i].name, name) == 0)
			return a->rs->headers[i].value;
	return NULL;
}

const char *answer_code(const struct answer *a)
{
	static char code[64];
	static const char start[] = "{\"errors\":[{\"code\":\"";
	const char *p = a->rs->body;
	assert_non_null(p);
	assert_string_equal(answer_header(a, "content-type"), "application/json");
	assert_memory_equal(p, start, sizeof(start) - 1);
	p += sizeof(start) - 1;
	snprintf(code, sizeof(code), "%.*s", (int)strcspn(p, "\""), p);
	return code;
}

static void report(const struct answer *a, int status, const char *method, const char *target)
{
	if (a->status != status)
		fail_msg("%s %s: %d, expected %d: %s", method, target, a->status, status,
		         a->rs->body ? a->rs->body : "");
}

void expect(struct fixture *f, int status, const char *method, const char *target)
{
	struct answer a = ask(f, method, target);
	report(&a, status, method, target);
	answer_done(&a);
}

void expect_code(struct fixture *f, int status, const char *code, const char *method,
                 const char *target)
{
	struct answer a = ask(f, method, target);
	report(&a, status, method, target);
	assert_string_equal(answer_code(&a), code);
	answer_done(&a);
}

const char *text(const char *fmt, ...)
{
	static char texts[16][4096];
	static unsigned next;
	char *to = texts[next++ % 16];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(to, sizeof(texts[0]), fmt, args);
	va_end(args);
	assert_in_range(n, 0, sizeof(texts[0]) - 1);
	return to;
}

static const char *digest_of(int alg, const void *p, size_t n)
{
	static char digests[8][LOCI_DIGEST_STR_MAX];
	static unsigned next;
	struct loci_digest d;
	assert_int_equal(loci_digest_bytes(alg, p, n, &d, NULL), 0);
	char *to = digests[next++ % 8];
	loci_digest_format(&d, to);
	return to;
}

const char *sha256_of(const void *p, size_t n)
{
	return digest_of(LOCI_SHA256, p, n);
}

const char *sha512_of(const void *p, size_t n)
{
	return digest_of(LOCI_SHA512, p, n);
}

const char *push_blob(struct fixture *f, const char *repo, const void *p, size_t n)
{
	const char *digest = sha256_of(p, n);
	const struct ask post = {
	        .method = "POST",
	        .target = text("/v2/%s/blobs/uploads/?digest=%s", repo, digest),
	        .body = p,
	        .n = n,
	};
	struct answer a = ask_with(f, &post);
	report(&a, 201, "POST", post.target);
	answer_done(&a);
	return digest;
}

const char *push_manifest(struct fixture *f, const char *repo, const char *reference,
                          const char *media_type, const char *json)
{
	const char *digest = sha256_of(json, strlen(json));
	const struct ask put = {
	        .method = "PUT",
	        .target = text("/v2/%s/manifests/%s", repo, reference ? reference : digest),
	        .headers = {{"content-type", media_type}},
	        .body = json,
	        .n = strlen(json),
	};
	struct answer a = ask_with(f, &put);
	report(&a, 201, "PUT", put.target);
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	answer_done(&a);
	return digest;
}

const char *push_image(struct fixture *f, const char *repo, const char *tag, const char *word)
{
	const char *config = text("{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"%s\","
	                          "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
	                          word);
	const char *config_digest = push_blob(f, repo, config, strlen(config));
	const char *layer_digest = push_blob(f, repo, word, strlen(word));
	const char *json =
	        text("{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\","
	             "\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
	             "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]}",
	             LOCI_MEDIA_OCI_MANIFEST, LOCI_MEDIA_OCI_CONFIG, config_digest, strlen(config),
	             layer_digest, strlen(word));
	return push_manifest(f, repo, tag, LOCI_MEDIA_OCI_MANIFEST, json);
}

const char *start_upload(struct fixture *f, const char *repo)
{
	struct answer a = ask(f, "POST", text("/v2/%s/blobs/uploads/", repo));
	assert_int_equal(a.status, 202);
	const char *path = text("%s", answer_header(&a, "location"));
	answer_done(&a);
	return path;
}
