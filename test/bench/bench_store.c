/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store does a second: look-ups of a manifest by its tag, and durable puts of a small
 * manifest with a tag, by 1, 8 and 64 threads. Not run by the tests: figures of a busy machine
 * mean nothing.
 *
 * usage: bench_store [DIRECTORY [MANIFESTS]]   (default: a new one below $TMPDIR or /tmp, 20000)
 */
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"
#include "loci/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS      3
#define REPOSITORIES 100

struct bench {
	struct loci_store *st;
	uint64_t n_manifests;
	atomic_bool stop;
	atomic_ulong done;
	atomic_ulong serial;
};

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, err->msg);
	exit(1);
}

static void put(struct loci_store *st, uint64_t i)
{
	char text[1000], repo[32], tag[32];
	const char *tags[] = {tag};
	struct loci_error err = {0};
	int n = snprintf(text, sizeof(text), "{\"n\":%llu,\"x\":\"", (unsigned long long)i);
	memset(text + n, 'x', sizeof(text) - (size_t)n);
	memcpy(text + sizeof(text) - 3, "\"}", 3);
	snprintf(repo, sizeof(repo), "repository/%llu", (unsigned long long)(i % REPOSITORIES));
	snprintf(tag, sizeof(tag), "tag-%llu", (unsigned long long)i);
	struct loci_manifest_put p = {
	        .struct_size = sizeof(p),
	        .media_type = "application/json",
	        .bytes = text,
	        .n = sizeof(text) - 1,
	        .tags = tags,
	        .n_tags = 1,
	};
	if (loci_manifest_put(st, repo, &p, /* res= */ NULL, &err) < 0)
		die("put", &err);
}

static void *put_loop(void *arg)
{
	struct bench *b = arg;
	while (!atomic_load(&b->stop)) {
		put(b->st, b->n_manifests + atomic_fetch_add(&b->serial, 1));
		atomic_fetch_add(&b->done, 1);
	}
	return NULL;
}

static void get_random(struct bench *b, uint64_t *rng)
{
	char repo[32], tag[32];
	struct loci_error err = {0};
	struct loci_manifest_bytes *m;
	*rng = *rng * 6364136223846793005ULL + 1442695040888963407ULL;
	uint64_t i = (*rng >> 33) % b->n_manifests;
	snprintf(repo, sizeof(repo), "repository/%llu", (unsigned long long)(i % REPOSITORIES));
	snprintf(tag, sizeof(tag), "tag-%llu", (unsigned long long)i);
	if (loci_manifest_get(b->st, repo, tag, /* digest= */ NULL, &m, &err) < 0)
		die("get", &err);
	loci_manifest_bytes_free(m);
}

static void *get_loop(void *arg)
{
	struct bench *b = arg;
	uint64_t rng = (uint64_t)(uintptr_t)&rng;
	unsigned long n = 0;
	while (!atomic_load(&b->stop)) {
		get_random(b, &rng);
		n++;
	}
	atomic_fetch_add(&b->done, n);
	return NULL;
}

static void *load_loop(void *arg)
{
	struct bench *b = arg;
	unsigned long i;
	while ((i = atomic_fetch_add(&b->serial, 1)) < b->n_manifests)
		put(b->st, i);
	return NULL;
}

static void run(struct bench *b, const char *what, void *(*fn)(void *), unsigned n_threads,
                bool timed)
{
	pthread_t threads[64];
	atomic_store(&b->done, 0);
	atomic_store(&b->stop, false);
	uint64_t start = loci__clock_ms();
	for (unsigned i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, fn, b) != 0)
			abort();
	if (timed) {
		struct timespec pause = {.tv_sec = SECONDS};
		nanosleep(&pause, NULL);
		atomic_store(&b->stop, true);
	}
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	uint64_t ms = loci__clock_ms() - start;
	unsigned long done = timed ? atomic_load(&b->done) : b->n_manifests;
	printf("%-22s %2u threads %10.0f /s\n", what, n_threads,
	       (double)done * 1000.0 / (double)(ms ? ms : 1));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const unsigned threads[] = {1, 8, 64};
	static struct bench b = {.n_manifests = 20000};
	const char *tmp = getenv("TMPDIR");
	char dir[300];
	struct loci_error err = {0};
	if (argc > 2 &&
	    (!loci__parse_u64(argv[2], strlen(argv[2]), &b.n_manifests) || b.n_manifests == 0))
		die("usage: bench_store [DIRECTORY [MANIFESTS]]", &err);
	snprintf(dir, sizeof(dir), "%s/loci-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (argc < 2 && !mkdtemp(dir))
		die("make a directory", &err);
	if (loci_store_open(argc > 1 ? argv[1] : dir, /* opts= */ NULL, &b.st, &err) < 0)
		die("open", &err);
	run(&b, "load", load_loop, 64, /* timed= */ false);
	atomic_store(&b.serial, 0);
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
		run(&b, "tag + manifest get", get_loop, threads[i], /* timed= */ true);
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
		run(&b, "durable manifest put", put_loop, threads[i], /* timed= */ true);
	loci_store_close(b.st);
	if (argc < 2 && loci__rm_tree(AT_FDCWD, dir, &err) < 0)
		die("clean up", &err);
	return 0;
}
