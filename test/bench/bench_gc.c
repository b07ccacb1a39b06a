/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection beside clients: a store is filled with images and with blobs that nobody
 * refers to; a reader and a writer measure each of their calls, first alone, then while a pass
 * removes the garbage.
 *
 * usage: bench_gc DIRECTORY [BLOBS [BYTES [SHARE]]]
 */
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "loci/gc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILLERS     16
#define IMAGES      2000
#define BLOBS       20000
#define BYTES       16384
#define BYTES_MAX   (1 << 20)
#define ALONE_MS    5000
#define SAMPLES_MAX (1 << 22)

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_gc: %s: %s\n", what, err->msg);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the store ------------------------------------------------------------------------------- */

static struct loci_digest put_blob(struct loci_store *st, const char *repo, uint64_t serial,
                                   size_t n)
{
	char bytes[BYTES_MAX];
	struct loci_error err;
	struct loci_digest d;
	memset(bytes, 'x', n);
	memcpy(bytes, &serial, sizeof(serial) < n ? sizeof(serial) : n);
	if (loci_blob_put(st, repo, bytes, n, /* want= */ NULL, &d, &err) < 0)
		die("put a blob", &err);
	return d;
}

static void put_image(struct loci_store *st, const char *repo, uint64_t serial)
{
	struct loci_digest d = put_blob(st, repo, serial, 300);
	char text[600], digest[LOCI_DIGEST_STR_MAX], tag[32];
	const char *tags[] = {tag};
	struct loci_error err;
	loci_digest_format(&d, digest);
	int n = snprintf(text, sizeof(text),
	                 "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	                 "\",\"config\":{\"mediaType\":\"" LOCI_MEDIA_OCI_CONFIG
	                 "\",\"digest\":\"%s\",\"size\":300},\"layers\":[]}",
	                 digest);
	snprintf(tag, sizeof(tag), "t%llu", (unsigned long long)serial);
	const struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = text,
	        .n = (size_t)n,
	        .tags = tags,
	        .n_tags = 1,
	};
	if (loci_manifest_put(st, repo, &put, /* res= */ NULL, &err) < 0)
		die("put a manifest", &err);
}

struct fill {
	struct loci_store *st;
	uint64_t blobs;
	size_t bytes;
	atomic_ulong serial;
};

static void *fill_main(void *arg)
{
	struct fill *f = arg;
	for (;;) {
		uint64_t i = atomic_fetch_add(&f->serial, 1);
		if (i >= IMAGES + f->blobs)
			return NULL;
		if (i < IMAGES)
			put_image(f->st, "kept", i);
		else
			put_blob(f->st, i % 2 ? "kept" : "other", i, f->bytes);
	}
}

static void fill(const char *dir, uint64_t blobs, size_t bytes)
{
	const struct loci_store_opts o = {.struct_size = sizeof(o),
	                                  .durability = LOCI_DURABILITY_RELAXED};
	struct fill f = {.blobs = blobs, .bytes = bytes};
	pthread_t threads[FILLERS];
	struct loci_error err;
	if (loci_store_open(dir, &o, &f.st, &err) < 0)
		die("open", &err);
	for (int i = 0; i < FILLERS; i++)
		pthread_create(&threads[i], NULL, fill_main, &f);
	for (int i = 0; i < FILLERS; i++)
		pthread_join(threads[i], NULL);
	loci_store_close(f.st);
	sync();
}

/* ---- clients --------------------------------------------------------------------------------- */

struct client {
	struct loci_store *st;
	void (*step)(struct loci_store *st, uint64_t i);
	atomic_bool stop;
	uint32_t *us;
	size_t n;
	uint64_t serial;
	pthread_t thread;
};

static void read_step(struct loci_store *st, uint64_t i)
{
	struct loci_manifest_bytes *m;
	struct loci_error err;
	char tag[32], bytes[512];
	int fd;
	snprintf(tag, sizeof(tag), "t%llu", (unsigned long long)(i * 7919 % IMAGES));
	if (loci_manifest_get(st, "kept", tag, /* digest= */ NULL, &m, &err) < 0)
		die("get a manifest", &err);
	struct loci_manifest *parsed;
	if (loci_manifest_parse(m->bytes, m->n, m->media_type, &parsed, &err) < 0 ||
	    loci_blob_open(st, "kept", &parsed->config->digest, &fd, /* ret_size= */ NULL, &err) <
	            0)
		die("get a blob", &err);
	if (pread(fd, bytes, sizeof(bytes), 0) != 300)
		exit(1);
	close(fd);
	loci_manifest_free(parsed);
	loci_manifest_bytes_free(m);
}

static void write_step(struct loci_store *st, uint64_t i)
{
	put_image(st, "new", 1000000 + i);
}

static void *client_main(void *arg)
{
	static const struct timespec pause = {.tv_nsec = 200000}; /* else it measures itself */
	struct client *c = arg;
	while (!atomic_load(&c->stop) && c->n < SAMPLES_MAX) {
		uint64_t began = now_us();
		c->step(c->st, c->serial++);
		c->us[c->n++] = (uint32_t)(now_us() - began);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void start(struct client *c)
{
	c->n = 0;
	atomic_store(&c->stop, false);
	pthread_create(&c->thread, NULL, client_main, c);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void stop(struct client *c, const char *what)
{
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	qsort(c->us, c->n, sizeof(*c->us), compare);
	if (c->n)
		printf("%-28s %8zu calls; µs: median %6u, 99%% %6u, 99.9%% %6u, longest %6u\n",
		       what, c->n, c->us[c->n / 2], c->us[c->n * 99 / 100],
		       c->us[c->n * 999 / 1000], c->us[c->n - 1]);
}

/* ---- main ------------------------------------------------------------------------------------ */

static void measure(struct loci_store *st, struct client *reader, struct client *writer,
                    unsigned share)
{
	const struct timespec alone = {ALONE_MS / 1000, 0};
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o), .flags = LOCI_GC_NO_LEASE, .grace_s = 1, .share = share};
	struct loci_gc_stats s = {.struct_size = sizeof(s)};
	struct loci_error err;
	start(reader);
	start(writer);
	nanosleep(&alone, NULL);
	stop(reader, "read, alone");
	stop(writer, "push, alone");
	start(reader);
	start(writer);
	if (loci_gc_run(st, &o, &s, &err) < 0)
		die("collect", &err);
	stop(reader, "read, beside a collection");
	stop(writer, "push, beside a collection");
	uint64_t objects = 0, bytes = 0;
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++) {
		objects += s.of[kind].removed;
		bytes += s.of[kind].bytes;
	}
	double seconds = (double)(s.duration_ms - 1000) / 1000; /* but for the grace */
	printf("collected %llu objects (%llu blobs), %llu bytes in %.1f s and the grace of 1 s:"
	       " %.0f objects, %.1f MB a second; %llu steps, the longest %llu µs\n",
	       (unsigned long long)objects, (unsigned long long)s.of[LOCI_GC_BLOB].removed,
	       (unsigned long long)bytes, seconds, (double)objects / seconds,
	       (double)bytes / 1e6 / seconds, (unsigned long long)s.steps,
	       (unsigned long long)s.longest_step_us);
}

static uint64_t number(int argc, char **argv, int i, uint64_t otherwise, uint64_t max)
{
	uint64_t n = otherwise;
	if (argc > i && (!loci__parse_u64(argv[i], strlen(argv[i]), &n) || n > max)) {
		fprintf(stderr, "bench_gc: '%s': expected a number up to %llu\n", argv[i],
		        (unsigned long long)max);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct loci_store *st;
	struct loci_error err;
	if (argc < 2) {
		fprintf(stderr, "usage: bench_gc DIRECTORY [BLOBS [BYTES [SHARE]]]\n");
		return 2;
	}
	uint64_t blobs = number(argc, argv, 2, BLOBS, 10000000);
	size_t bytes = (size_t)number(argc, argv, 3, BYTES, BYTES_MAX);
	unsigned share = (unsigned)number(argc, argv, 4, 25, 100);
	fill(argv[1], blobs, bytes);
	if (loci_store_open(argv[1], /* opts= */ NULL, &st, &err) < 0)
		die("open", &err);
	struct client reader = {.st = st, .step = read_step},
	              writer = {.st = st, .step = write_step};
	reader.us = malloc(SAMPLES_MAX * sizeof(*reader.us));
	writer.us = malloc(SAMPLES_MAX * sizeof(*writer.us));
	if (!reader.us || !writer.us)
		return 1;
	printf("share %u%%\n", share);
	measure(st, &reader, &writer, share);
	free(reader.us);
	free(writer.us);
	loci_store_close(st);
	return 0;
}
