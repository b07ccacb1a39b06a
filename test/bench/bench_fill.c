/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a store with image manifests, each with a tag, a config and two layers that are not there:
 * what an index of that size looks like to whoever opens it. Puts by many threads, so that the
 * group commit makes big batches; not durable until the end.
 *
 * usage: bench_fill DIRECTORY MANIFESTS
 */
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "loci/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS      128
#define REPOSITORIES 1000
#define TYPE         "application/vnd.oci.image.manifest.v1+json"

struct fill {
	struct loci_store *st;
	uint64_t n;
	atomic_ulong serial;
};

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_fill: %s: %s\n", what, err->msg);
	exit(1);
}

static void put(struct loci_store *st, uint64_t i)
{
	char text[1024], repo[32], tag[32];
	const char *tags[] = {tag};
	struct loci_error err = {0};
	unsigned long long k = i;
	int n = snprintf(
	        text, sizeof(text),
	        "{\"schemaVersion\":2,\"mediaType\":\"" TYPE "\",\"config\":{\"mediaType\":"
	        "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%064llx\","
	        "\"size\":1000},\"layers\":[{\"mediaType\":"
	        "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":"
	        "\"sha256:%064llx\",\"size\":30000000},{\"mediaType\":"
	        "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":"
	        "\"sha256:%064llx\",\"size\":100000}]}",
	        3 * k, 3 * (k % 5000) + 1, 3 * k + 2);
	snprintf(repo, sizeof(repo), "team-%llu/app-%llu", k % REPOSITORIES / 20, k % REPOSITORIES);
	snprintf(tag, sizeof(tag), "v%llu", k);
	const struct loci_manifest_put p = {
	        .struct_size = sizeof(p),
	        .media_type = TYPE,
	        .bytes = text,
	        .n = (size_t)n,
	        .tags = tags,
	        .n_tags = 1,
	        .flags = LOCI_MANIFEST_PUT_SPARSE,
	};
	if (loci_manifest_put(st, repo, &p, /* res= */ NULL, &err) < 0)
		die("put", &err);
}

static void *run(void *arg)
{
	struct fill *f = arg;
	unsigned long i;
	while ((i = atomic_fetch_add(&f->serial, 1)) < f->n)
		put(f->st, i);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct loci_store_opts o = {.struct_size = sizeof(o),
	                                  .durability = LOCI_DURABILITY_RELAXED};
	struct fill f = {0};
	struct loci_error err = {.msg = "DIRECTORY MANIFESTS"};
	pthread_t threads[THREADS];
	if (argc != 3 || !loci__parse_u64(argv[2], strlen(argv[2]), &f.n))
		die("usage", &err);
	if (loci_store_open(argv[1], &o, &f.st, &err) < 0)
		die("open", &err);
	uint64_t start = loci__clock_ms();
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, &f) != 0)
			abort();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	loci_store_close(f.st);
	printf("%llu manifests in %.1f s\n", (unsigned long long)f.n,
	       (double)(loci__clock_ms() - start) / 1000);
	return 0;
}
