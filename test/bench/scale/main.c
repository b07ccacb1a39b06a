/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store does by the size of its index. Blobs have rows and no files: what is measured is the
 * index. scale.py beside it runs this at one size after the other.
 *
 * usage: bench_scale fill DIRECTORY FROM TO      images, 20 keys each
 *        bench_scale warm DIRECTORY IMAGES       everything, the index in memory where it fits
 *        bench_scale cold DIRECTORY IMAGES       look-ups after the index has left the page cache
 *        bench_scale collect DIRECTORY           a collection that finds nothing, usage counted
 * anew bench_scale files DIRECTORY NUMBER      blobs as files: made, and opened at random
 *        bench_scale calls DIRECTORY             how often operations call the seams
 *        bench_scale check                       a small fill is what pushes leave: nothing to
 * collect
 */
#include "calls.h"
#include "fill.h"
#include "images.h"

#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"
#include "core/store/store.h"
#include "core/store/usage.h"
#include "loci/gc.h"
#include "loci/manifest.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS     3
#define THREADS_MAX 64
#define PAGE        100 /* names of a listing */
#define OLDEST      500 /* images */

struct run {
	struct loci_store *st;
	uint64_t images;
	void (*act)(struct run *r, uint64_t random);
	atomic_bool stop;
	atomic_ulong serial;
	atomic_ulong done;
	double cpu; /* seconds of all threads, out */
};

static void die(const char *what, const struct loci_error *err)
{
	fprintf(stderr, "bench_scale: %s: %s\n", what, err->msg);
	exit(1);
}

static struct loci_store *open_store(const char *dir, int durability)
{
	const struct loci_store_opts o = {.struct_size = sizeof(o), .durability = durability};
	struct loci_store *st;
	struct loci_error err;
	if (loci_store_open(dir, &o, &st, &err) < 0)
		die("open", &err);
	return st;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void get_by_tag(struct run *r, uint64_t random)
{
	struct image_name name;
	struct loci_manifest_bytes *m;
	struct loci_error err;
	image_name(random % r->images, &name);
	if (loci_manifest_get(r->st, name.repo, name.tag, /* digest= */ NULL, &m, &err) < 0)
		die("get a manifest", &err);
	loci_manifest_bytes_free(m);
}

static void stat_blob(struct run *r, uint64_t random)
{
	struct image_name name;
	struct loci_digest d;
	struct loci_error err;
	uint64_t size;
	image_name(random % r->images, &name);
	image_blob(random % r->images, (unsigned)(random >> 40) % IMAGE_BLOBS, &d, NULL);
	if (loci_blob_stat(r->st, name.repo, &d, &size, &err) < 0)
		die("look for a blob", &err);
}

static int count_name(void *arg, const char *name)
{
	(void)name;
	return ++*(unsigned *)arg == PAGE;
}

/* Of one of the oldest repositories: they have that many. */
static void list_tags(struct run *r, uint64_t random)
{
	struct image_name name;
	struct loci_error err;
	unsigned n = 0;
	image_name(random % OLDEST, &name);
	int rc = loci_tag_foreach(r->st, name.repo, /* after= */ NULL, count_name, &n, &err);
	if (rc < 0 && rc != LOCI_E_CALLBACK)
		die("list tags", &err);
}

static void list_repos(struct run *r, uint64_t random)
{
	struct image_name name;
	struct loci_error err;
	unsigned n = 0;
	image_name(random % r->images, &name);
	int rc = loci_repo_foreach(r->st, name.repo, count_name, &n, &err);
	if (rc < 0 && rc != LOCI_E_CALLBACK)
		die("list repositories", &err);
}

/* Another manifest over the blobs of an image that is there: all of them are looked for. */
static void put_manifest(struct run *r, uint64_t random)
{
	char text[IMAGE_TEXT], tag[32];
	const char *tags[] = {tag};
	struct image_name name;
	struct loci_error err;
	const uint64_t serial =
	        loci__clock_epoch_ms() << 20 | (atomic_fetch_add(&r->serial, 1) & 0xfffff);
	const uint64_t i = random % r->images;
	image_name(i, &name);
	snprintf(tag, sizeof(tag), "2.%llx", (unsigned long long)serial);
	const struct loci_manifest_put p = {
	        .struct_size = sizeof(p),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = text,
	        .n = image_manifest(i, serial, text),
	        .tags = tags,
	        .n_tags = 1,
	};
	if (loci_manifest_put(r->st, name.repo, &p, /* res= */ NULL, &err) < 0)
		die("put a manifest", &err);
}

/* ---- by many threads ------------------------------------------------------------------------- */

static void *run_main(void *arg)
{
	struct run *r = arg;
	uint64_t seed = image_mix((uint64_t)(uintptr_t)&seed, loci__clock_us());
	unsigned long n = 0;
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		seed = image_mix(seed, 5);
		r->act(r, seed);
		n++;
	}
	atomic_fetch_add(&r->done, n);
	return NULL;
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double rate(struct run *r, void (*act)(struct run *r, uint64_t random), unsigned n_threads,
                   unsigned ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	pthread_t threads[THREADS_MAX];
	r->act = act;
	atomic_store(&r->done, 0);
	atomic_store(&r->stop, false);
	const double cpu = cpu_seconds();
	const uint64_t start = loci__clock_us();
	for (unsigned i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, run_main, r) != 0)
			abort();
	nanosleep(&pause, NULL);
	atomic_store(&r->stop, true);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	r->cpu = cpu_seconds() - cpu;
	return (double)atomic_load(&r->done) * 1e6 / (double)(loci__clock_us() - start);
}

/* Of this process: "read_bytes", from disks; "wchar", given to write(2) and its kin. The kernel's
 * own count of bytes written takes whole folios, though only some of their pages are. */
static uint64_t disk_bytes(const char *which)
{
	char line[128];
	uint64_t n = 0;
	FILE *f = fopen("/proc/self/io", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, which, strlen(which)) && line[strlen(which)] == ':')
			loci__parse_u64(strchr(line, ' ') + 1, strcspn(strchr(line, ' ') + 1, "\n"),
			                &n);
	if (f)
		fclose(f);
	return n;
}

static void say(const struct run *r, const char *what, unsigned n_threads, double per_second)
{
	printf("%-28s %2u threads %10.0f /s, %10.0f per CPU s\n", what, n_threads, per_second,
	       (double)atomic_load(&r->done) / r->cpu);
	fflush(stdout);
}

static void say_puts(struct run *r, unsigned n_threads)
{
	const uint64_t bytes = disk_bytes("wchar");
	const double per_second = rate(r, put_manifest, n_threads, SECONDS * 1000);
	printf("%-28s %2u threads %10.0f /s, %10.0f per CPU s, each: %.1f KiB written\n",
	       "durable manifest put", n_threads, per_second,
	       (double)atomic_load(&r->done) / r->cpu,
	       (double)(disk_bytes("wchar") - bytes) / (double)atomic_load(&r->done) / 1024);
	fflush(stdout);
}

static uint64_t hex_number(const char *p)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = 0;
	for (const char *d; *p && (d = strchr(digits, *p)); p++)
		n = n << 4 | (uint64_t)(d - digits);
	return n;
}

/* In order: by the map, which is read at random, it would come a page at a time. */
static void read_whole(const char *path)
{
	static char buf[1 << 20];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	if (fd >= 0)
		close(fd);
}

/* In bytes: what could be had without putting anything but caches out. */
static uint64_t memory_available(void)
{
	char line[128];
	uint64_t kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *digits = line + strcspn(line, "0123456789");
		if (!strncmp(line, "MemAvailable:", 13))
			loci__parse_u64(digits, strspn(digits, "0123456789"), &kib);
	}
	if (f)
		fclose(f);
	return kib * 1024;
}

/* The index is mapped, and each page that a process looks at for the first time costs it a fault,
 * though the page is in memory: a server that runs for long has met them all. */
static bool meet_pages(const char *dir)
{
	char line[4096], path[4096];
	struct stat st;
	uint64_t at = 0;
	snprintf(path, sizeof(path), "%s/index/data.mdb", dir);
	FILE *f = fopen("/proc/self/maps", "re");
	while (f && !at && fgets(line, sizeof(line), f))
		if (strstr(line, "/index/data.mdb"))
			at = hex_number(line);
	if (f)
		fclose(f);
	const uint64_t start = loci__clock_us();
	if (stat(path, &st) < 0)
		st.st_size = 0;
	if ((uint64_t)st.st_size > memory_available() / 4 * 3)
		return false;
	read_whole(path);
	if (!at || !st.st_size ||
	    madvise((void *)(uintptr_t)at, (size_t)st.st_size, MADV_POPULATE_READ) < 0) {
		fprintf(stderr, "bench_scale: bring '%s' into memory\n", path);
		exit(1);
	}
	printf("%-28s %24.1f ms\n", "its pages into memory",
	       (double)(loci__clock_us() - start) / 1000);
	return true;
}

static void warm(const char *dir, uint64_t images)
{
	const uint64_t start = loci__clock_us();
	struct run r = {.st = open_store(dir, LOCI_DURABILITY_FULL), .images = images};
	printf("%-28s %24.1f ms\n", "open", (double)(loci__clock_us() - start) / 1000);
	say(&r, "manifest by tag, new process", 1, rate(&r, get_by_tag, 1, SECONDS * 1000));
	if (!meet_pages(dir)) {
		printf("%-28s\n",
		       "the index does not fit into memory; after a minute of look-ups:");
		rate(&r, get_by_tag, 64, 60000);
	}
	say(&r, "manifest by tag", 1, rate(&r, get_by_tag, 1, SECONDS * 1000));
	say(&r, "manifest by tag", 2, rate(&r, get_by_tag, 2, SECONDS * 1000));
	say(&r, "blob HEAD", 1, rate(&r, stat_blob, 1, SECONDS * 1000));
	say(&r, "tags, a page of 100", 1, rate(&r, list_tags, 1, SECONDS * 1000));
	say(&r, "catalog, a page of 100", 1, rate(&r, list_repos, 1, SECONDS * 1000));
	say_puts(&r, 1);
	say_puts(&r, 64);
	loci_store_close(r.st);
}

/* ---- from a disk ----------------------------------------------------------------------------- */

/* Of this one file, and only while nobody has it mapped. */
static void drop(const char *dir)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/index/data.mdb", dir);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fdatasync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
		fprintf(stderr, "bench_scale: drop '%s' from memory\n", path);
		exit(1);
	}
	close(fd);
}

static void cold_rate(struct run *r, const char *what, void (*act)(struct run *r, uint64_t random),
                      unsigned n_threads, unsigned ms)
{
	struct rusage before, after;
	const uint64_t bytes = disk_bytes("read_bytes");
	getrusage(RUSAGE_SELF, &before);
	const double per_second = rate(r, act, n_threads, ms);
	const double n = (double)atomic_load(&r->done);
	getrusage(RUSAGE_SELF, &after);
	printf("%-28s %2u threads %10.0f /s, each: %.2f reads of the disk, %.1f KiB\n", what,
	       n_threads, per_second, (double)(after.ru_majflt - before.ru_majflt) / n,
	       (double)(disk_bytes("read_bytes") - bytes) / n / 1024);
	fflush(stdout);
}

static void cold(const char *dir, uint64_t images)
{
	static const unsigned threads[] = {1, 8, 64};
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		drop(dir);
		const uint64_t start = loci__clock_us();
		struct run r = {.st = open_store(dir, LOCI_DURABILITY_FULL), .images = images};
		get_by_tag(&r, 1);
		if (i == 0)
			printf("%-28s %24.1f ms\n", "open and first manifest, cold",
			       (double)(loci__clock_us() - start) / 1000);
		cold_rate(&r, "manifest by tag, cold", get_by_tag, threads[i], 1000);
		if (i == 2)
			cold_rate(&r, "the same, 10 seconds later", get_by_tag, threads[i], 10000);
		loci_store_close(r.st);
	}
	drop(dir);
	struct run r = {.st = open_store(dir, LOCI_DURABILITY_FULL), .images = images};
	cold_rate(&r, "durable manifest put, cold", put_manifest, 64, 3000);
	loci_store_close(r.st);
}

/* ---- the whole of it ------------------------------------------------------------------------- */

static void collect(const char *dir, unsigned flags)
{
	struct loci_store *st = open_store(dir, LOCI_DURABILITY_FULL);
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o), .flags = flags, .share = 100, .grace_s = 1};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	struct loci_error err;
	uint64_t start = loci__clock_us(), examined = 0, removed = 0;
	if (loci_gc_run(st, &o, &stats, &err) < 0)
		die("collect", &err);
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++) {
		examined += stats.of[kind].examined;
		removed += stats.of[kind].removed;
	}
	if (!examined || removed) {
		fprintf(stderr, "bench_scale: of %llu rows %llu are garbage\n",
		        (unsigned long long)examined, (unsigned long long)removed);
		exit(1);
	}
	printf("collection, share 100: %.1f s, %llu rows examined, longest step %.1f ms\n",
	       (double)(loci__clock_us() - start) / 1e6, (unsigned long long)examined,
	       (double)stats.longest_step_us / 1000);
	start = loci__clock_us();
	if (loci__store_write(st, loci__usage_recount_op, NULL, &err) < 0)
		die("count usage", &err);
	printf("usage counted anew: %.1f s\n", (double)(loci__clock_us() - start) / 1e6);
	loci_store_close(st);
}

static void file_name(uint64_t i, char ret[128])
{
	struct loci_digest d;
	char text[LOCI_DIGEST_STR_MAX];
	image_blob(i, 1, &d, NULL);
	loci_digest_format(&d, text);
	const char *hex = strchr(text, ':') + 1;
	snprintf(ret, 128, "%.2s/%s", hex, hex);
}

static void files(const char *dir, uint64_t n)
{
	char name[128];
	if (mkdir(dir, 0700) < 0 || chdir(dir) < 0) {
		perror("bench_scale: make a directory");
		exit(1);
	}
	uint64_t start = loci__clock_us();
	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		if (mkdir(name, 0700) < 0)
			abort();
	}
	for (uint64_t i = 0; i < n; i++) {
		file_name(i, name);
		const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0) {
			perror("bench_scale: make a file");
			exit(1);
		}
		close(fd);
	}
	printf("%llu files made: %.0f /s\n", (unsigned long long)n,
	       (double)n * 1e6 / (double)(loci__clock_us() - start));
	start = loci__clock_us();
	for (uint64_t i = 0; i < 100000; i++) {
		file_name(image_mix(i, 7) % n, name);
		const int fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			abort();
		close(fd);
	}
	printf("opened and closed at random: %.0f /s\n", 1e11 / (double)(loci__clock_us() - start));
}

/* In two steps, as the second meets rows of the first; without leases, which keep anything. */
static void check(void)
{
	const char *tmp = getenv("TMPDIR");
	char dir[300];
	struct loci_error err;
	snprintf(dir, sizeof(dir), "%s/loci-scale-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir)) {
		perror("bench_scale: make a directory");
		exit(1);
	}
	struct loci_store *st = open_store(dir, LOCI_DURABILITY_RELAXED);
	scale_fill(st, 0, 300);
	scale_fill(st, 300, 1000);
	loci_store_close(st);
	collect(dir, LOCI_GC_NO_LEASE);
	if (loci__rm_tree(AT_FDCWD, dir, &err) < 0)
		die("clean up", &err);
}

/* ---- main ------------------------------------------------------------------------------------ */

static bool number(const char *text, uint64_t *ret)
{
	return text && loci__parse_u64(text, strlen(text), ret);
}

int main(int argc, char **argv)
{
	uint64_t a = 0, b = 0;
	const char *what = argc > 2 ? argv[1] : "";
	const bool one = argc == 4 && number(argv[3], &a) && a > 0;
	if (!strcmp(what, "fill") && argc == 5 && number(argv[3], &a) && number(argv[4], &b)) {
		struct loci_store *st = open_store(argv[2], LOCI_DURABILITY_RELAXED);
		const uint64_t start = loci__clock_us();
		scale_fill(st, a, b);
		printf("%llu images in %.1f s\n", (unsigned long long)(b - a),
		       (double)(loci__clock_us() - start) / 1e6);
		loci_store_close(st);
	} else if (!strcmp(what, "warm") && one) {
		warm(argv[2], a);
	} else if (!strcmp(what, "cold") && one) {
		cold(argv[2], a);
	} else if (!strcmp(what, "files") && one) {
		files(argv[2], a);
	} else if (!strcmp(what, "collect") && argc == 3) {
		collect(argv[2], 0);
	} else if (argc == 2 && !strcmp(argv[1], "check")) {
		check();
	} else if (!strcmp(what, "calls") && argc == 3) {
		scale_calls(argv[2]);
	} else {
		fprintf(stderr,
		        "usage: bench_scale fill|warm|cold|collect|files|calls|check DIRECTORY "
		        "NUMBER…\n");
		return 2;
	}
	return 0;
}
