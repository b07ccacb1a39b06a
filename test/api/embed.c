/* SPDX-License-Identifier: Apache-2.0 */
/* An embedder: a store, a registry on it, and GET /v2/ without any HTTP. Built against the
 * installed tree. */
#include <loci/registry.h>
#include <loci/store.h>
#include <loci/version.h>

#include <stdio.h>

static int say(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "%s: %s (%s)\n", what, err->msg, loci_code_name(err->code));
	return 1;
}

int main(int argc, char **argv)
{
	struct loci_error err;
	struct loci_store *store;
	struct loci_registry *registry;
	if (argc != 2) {
		fprintf(stderr, "usage: embed DIR\n");
		return 2;
	}
	struct loci_store_opts store_opts = {.struct_size = sizeof(store_opts)};
	if (loci_store_open(argv[1], &store_opts, &store, &err) < 0)
		return say("store", &err);
	struct loci_registry_opts opts = {.struct_size = sizeof(opts), .store = store};
	if (loci_registry_new(&opts, &registry, &err) < 0)
		return say("registry", &err);
	struct loci_http_request rq = {
	        .struct_size = sizeof(rq), .method = "GET", .target = "/v2/", .scheme = "http"};
	struct loci_http_response *rs = loci_registry_handle(registry, &rq);
	if (!rs)
		return 1;
	printf("loci %s: %s %s: %d\n", LOCI_VERSION, rq.method, rq.target, rs->status);
	int status = rs->status == 200 ? 0 : 1;
	loci_http_response_free(rs);
	loci_registry_free(registry);
	loci_store_close(store);
	return status;
}
