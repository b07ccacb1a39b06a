/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a store with many of a kind, for what must not get slower by it. Nothing that a manifest
 * names is there. Puts by many threads, so that the group commit makes big batches; not durable
 * until the end.
 *
 *     images         manifests with a tag, a config and two layers each, in 1000 repositories
 *     tags           of one manifest in the repository fill/tags-COUNT: t000000 …
 *     repositories   with a manifest each: fill/000000 …
 *     referrers      of one subject in fill/referrers-COUNT (sha256:777…)
 *
 * usage: bench_fill DIRECTORY COUNT [KIND]     images unless told
 */
#include "core/base/cleanup.h"
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
#define TAGS_AT_ONCE 1000
#define SUBJECT      "7777777777777777777777777777777777777777777777777777777777777777"
#define TYPE         "application/vnd.oci.image.manifest.v1+json"

struct fill {
	struct loci_store *st;
	uint64_t n; /* of the kind */
	uint64_t puts;
	void (*put)(const struct fill *f, uint64_t i);
	atomic_ulong serial;
};

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_fill: %s: %s\n", what, err->msg);
	exit(1);
}

static void put_text(const struct fill *f, const char *repo, const char *text, int n,
                     const char *const *tags, size_t n_tags)
{
	struct loci_error err = {0};
	const struct loci_manifest_put p = {
	        .struct_size = sizeof(p),
	        .media_type = TYPE,
	        .bytes = text,
	        .n = (size_t)n,
	        .tags = tags,
	        .n_tags = n_tags,
	        .flags = LOCI_MANIFEST_PUT_SPARSE,
	};
	if (loci_manifest_put(f->st, repo, &p, /* res= */ NULL, &err) < 0)
		die("put", &err);
}

static void put_image(const struct fill *f, uint64_t i)
{
	char text[1024], repo[32], tag[32];
	const char *tags[] = {tag};
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
	put_text(f, repo, text, n, tags, 1);
}

/* The smallest manifest, with a member of its own behind the config. */
static int print_small(char *text, size_t size, const char *member)
{
	return snprintf(text, size,
	                "{\"schemaVersion\":2,\"mediaType\":\"" TYPE "\",\"config\":{\"mediaType\":"
	                "\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:%064x\","
	                "\"size\":2},%s\"layers\":[]}",
	                1, member);
}

static void put_tags(const struct fill *f, uint64_t i)
{
	char text[1024], repo[64], names[TAGS_AT_ONCE][32];
	const char *tags[TAGS_AT_ONCE];
	size_t n = 0;
	for (; n < TAGS_AT_ONCE && i * TAGS_AT_ONCE + n < f->n; n++) {
		snprintf(names[n], sizeof(names[n]), "t%06llu",
		         (unsigned long long)(i * TAGS_AT_ONCE + n));
		tags[n] = names[n];
	}
	snprintf(repo, sizeof(repo), "fill/tags-%llu", (unsigned long long)f->n);
	put_text(f, repo, text, print_small(text, sizeof(text), ""), tags, n);
}

static void put_repository(const struct fill *f, uint64_t i)
{
	char text[1024], repo[64];
	const char *tags[] = {"latest"};
	snprintf(repo, sizeof(repo), "fill/%06llu", (unsigned long long)i);
	put_text(f, repo, text, print_small(text, sizeof(text), ""), tags, 1);
}

static void put_referrer(const struct fill *f, uint64_t i)
{
	char text[1024], repo[64], member[512];
	snprintf(member, sizeof(member),
	         "\"subject\":{\"mediaType\":\"" TYPE "\",\"digest\":\"sha256:%s\",\"size\":100},"
	         "\"annotations\":{\"serial\":\"%llu\"},",
	         SUBJECT, (unsigned long long)i);
	snprintf(repo, sizeof(repo), "fill/referrers-%llu", (unsigned long long)f->n);
	put_text(f, repo, text, print_small(text, sizeof(text), member), /* tags= */ NULL, 0);
}

static const struct {
	const char *name;
	void (*put)(const struct fill *f, uint64_t i);
	uint64_t at_once;
} kinds[] = {
        {"images", put_image, 1},
        {"tags", put_tags, TAGS_AT_ONCE},
        {"repositories", put_repository, 1},
        {"referrers", put_referrer, 1},
};

static bool choose(struct fill *f, const char *kind)
{
	for (size_t i = 0; i < loci__array_len(kinds); i++) {
		if (strcmp(kinds[i].name, kind) != 0)
			continue;
		f->put = kinds[i].put;
		f->puts = (f->n + kinds[i].at_once - 1) / kinds[i].at_once;
		return true;
	}
	return false;
}

static void *run(void *arg)
{
	struct fill *f = arg;
	unsigned long i;
	while ((i = atomic_fetch_add(&f->serial, 1)) < f->puts)
		f->put(f, i);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct loci_store_opts o = {.struct_size = sizeof(o),
	                                  .durability = LOCI_DURABILITY_RELAXED};
	struct fill f = {0};
	struct loci_error err = {.msg = "DIRECTORY COUNT [KIND]"};
	const char *kind = argc == 4 ? argv[3] : "images";
	pthread_t threads[THREADS];
	if (argc < 3 || argc > 4 || !loci__parse_u64(argv[2], strlen(argv[2]), &f.n) ||
	    !choose(&f, kind))
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
	printf("%llu %s in %.1f s\n", (unsigned long long)f.n,
	       f.put == put_image ? "manifests" : kind, (double)(loci__clock_ms() - start) / 1000);
	return 0;
}
