/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry without HTTP: requests are structs, responses are structs. An image of one layer is
 * pushed and pulled as a client would, by function calls. The function `ask` is all that a server
 * does for the registry; with sockets around it, it would be one.
 *
 *     cc without_http.c -o without_http $(pkg-config --cflags --libs loci-registry)
 *     ./without_http /tmp/store
 */
#include <loci/digest.h>
#include <loci/registry.h>
#include <loci/store.h>
#include <loci/version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/*
 * One request from beginning to end. Where a server has an event loop, loci_registry_may_block
 * tells whether loci_registry_handle is to be called on a worker thread; the sink's functions
 * always are, because they hash and write. A program of one thread just calls them.
 */
static struct loci_http_response *ask(struct loci_registry *registry,
                                      const struct loci_http_request *rq, const char *body)
{
	struct loci_http_response *rs = loci_registry_handle(registry, rq);
	if (!rs)
		fail(rq->target, "out of memory");
	if (!rs->sink)
		return rs; /* complete: a body of the request would be thrown away */
	/* The body in as many pieces as it comes in. A piece that cannot be used has made rs an
	 * error response already. */
	struct loci_http_sink *sink = rs->sink;
	rs->sink = NULL;
	if (loci_http_sink_write(sink, body, strlen(body), rs) < 0)
		loci_http_sink_abort(sink);
	else
		loci_http_sink_finish(sink, rs);
	return rs;
}

/* Asks, and expects the status; the response is the caller's to free. */
static struct loci_http_response *expect(int status, struct loci_registry *registry,
                                         const char *method, const char *target,
                                         const char *content_type, const char *body)
{
	/* All headers of the request that there are, names in lower case. */
	const struct loci_http_header headers[] = {{"content-type", content_type}};
	const struct loci_http_request rq = {
	        .struct_size = sizeof(rq),
	        .method = method,
	        .target = target, /* path and query, still percent-encoded */
	        .scheme = "http",
	        .headers = headers,
	        .n_headers = content_type ? 1 : 0,
	        .body_length = body ? strlen(body) : 0,
	};
	struct loci_http_response *rs = ask(registry, &rq, body ? body : "");
	if (rs->status != status) {
		fprintf(stderr, "%s %s: %d\n%.*s\n", method, target, rs->status, (int)rs->body_len,
		        rs->body ? rs->body : "");
		exit(1);
	}
	return rs;
}

/* A response's body is in memory, or in a file from an offset on: then sendfile(2) is the way. */
static void print_body(const struct loci_http_response *rs)
{
	char buf[4096];
	if (rs->body)
		fwrite(rs->body, 1, rs->body_len, stdout);
	for (uint64_t at = 0; rs->file_fd >= 0 && at < rs->file_len;) {
		uint64_t left = rs->file_len - at;
		ssize_t n = pread(rs->file_fd, buf, left < sizeof(buf) ? left : sizeof(buf),
		                  (off_t)(rs->file_off + at));
		if (n <= 0)
			fail("blob", "cannot be read");
		fwrite(buf, 1, (size_t)n, stdout);
		at += (uint64_t)n;
	}
	putchar('\n');
}

static void digest_of(const char *text, char ret[LOCI_DIGEST_STR_MAX])
{
	struct loci_digest d;
	if (loci_digest_bytes(LOCI_SHA256, text, strlen(text), &d, NULL) < 0)
		fail("digest", text);
	loci_digest_format(&d, ret);
}

/* POST with the digest: the whole blob in one request. */
static void push_blob(struct loci_registry *registry, const char *repository, const char *text)
{
	char digest[LOCI_DIGEST_STR_MAX], target[512];
	digest_of(text, digest);
	snprintf(target, sizeof(target), "/v2/%s/blobs/uploads/?digest=%s", repository, digest);
	loci_http_response_free(expect(201, registry, "POST", target, NULL, text));
}

static void push_image(struct loci_registry *registry, const char *config, const char *layer)
{
	char config_digest[LOCI_DIGEST_STR_MAX], layer_digest[LOCI_DIGEST_STR_MAX], manifest[1024];
	push_blob(registry, "demo/hello", config);
	push_blob(registry, "demo/hello", layer);
	digest_of(config, config_digest);
	digest_of(layer, layer_digest);
	snprintf(manifest, sizeof(manifest),
	         "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE "\","
	         "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
	         "\"digest\":\"%s\",\"size\":%zu},"
	         "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
	         "\"digest\":\"%s\",\"size\":%zu}]}",
	         config_digest, strlen(config), layer_digest, strlen(layer));
	loci_http_response_free(expect(201, registry, "PUT", "/v2/demo/hello/manifests/latest",
	                               MANIFEST_TYPE, manifest));
}

static void pull(struct loci_registry *registry, const char *target)
{
	struct loci_http_response *rs = expect(200, registry, "GET", target, NULL, NULL);
	printf("GET %s: ", target);
	print_body(rs);
	loci_http_response_free(rs);
}

int main(int argc, char **argv)
{
	static const char layer[] = "the bytes of a layer";
	struct loci_error err;
	struct loci_store *store;
	struct loci_registry *registry;
	char digest[LOCI_DIGEST_STR_MAX], target[512];
	if (argc != 2) {
		fprintf(stderr, "usage: without_http DIR\n");
		return 2;
	}
	/* The store outlives the registry, the registry its responses. */
	struct loci_store_opts store_opts = {.struct_size = sizeof(store_opts)};
	if (loci_store_open(argv[1], &store_opts, &store, &err) < 0)
		fail("store", err.msg);
	struct loci_registry_opts opts = {.struct_size = sizeof(opts), .store = store};
	if (loci_registry_new(&opts, &registry, &err) < 0)
		fail("registry", err.msg);

	printf("loci %s\n", LOCI_VERSION);
	loci_http_response_free(expect(200, registry, "GET", "/v2/", NULL, NULL));
	push_image(registry, "{\"architecture\":\"amd64\",\"os\":\"linux\"}", layer);
	pull(registry, "/v2/demo/hello/tags/list");
	pull(registry, "/v2/demo/hello/manifests/latest");
	digest_of(layer, digest);
	snprintf(target, sizeof(target), "/v2/demo/hello/blobs/%s", digest);
	pull(registry, target);

	loci_registry_free(registry);
	loci_store_close(store);
	return 0;
}
