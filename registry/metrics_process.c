/* SPDX-License-Identifier: Apache-2.0 */
/* The process as Prometheus' client libraries show it; from /proc, when somebody asks. */
#include "registry/metrics.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define PROC_FILE_MAX (64u << 10)

/* "VmRSS:	    1234 kB" of /proc/self/status. */
static bool status_kib(const char *key, uint64_t *ret)
{
	char *text loci__cleanup_free = NULL;
	size_t n;
	if (loci__read_file(AT_FDCWD, "/proc/self/status", PROC_FILE_MAX, &text, &n, NULL) < 0)
		return false;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		struct loci_cursor c = loci__cursor(line, strlen(line));
		if (!loci__take_text(&c, key) || !loci__take_char(&c, ':'))
			continue;
		loci__skip_blanks(&c);
		return loci__take_u64(&c, ret);
	}
	return false;
}

static void collect_memory(struct loci_metrics *m, const char *key)
{
	uint64_t kib;
	if (status_kib(key, &kib))
		loci_metrics_value(m, NULL, 0, (double)kib * 1024);
}

static void collect_resident(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	collect_memory(m, "VmRSS");
}

static void collect_anonymous(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	collect_memory(m, "RssAnon");
}

static void collect_virtual(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	collect_memory(m, "VmSize");
}

static void collect_cpu(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct rusage u;
	(void)f, (void)arg;
	if (getrusage(RUSAGE_SELF, &u) == 0)
		loci_metrics_value(m, NULL, 0,
		                   (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
		                           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

static void collect_open_fds(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	DIR *dir loci__cleanup_dir = opendir("/proc/self/fd");
	double n = -3; /* ".", ".." and the directory's own */
	(void)f, (void)arg;
	if (!dir)
		return;
	while (readdir(dir))
		n++;
	loci_metrics_value(m, NULL, 0, n);
}

static void collect_max_fds(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct rlimit limit;
	(void)f, (void)arg;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		loci_metrics_value(m, NULL, 0, (double)limit.rlim_cur);
}

/* Clock ticks after boot: the 22nd field of /proc/self/stat (proc(5)). The second, the program's
 * name, may hold anything but ends with the last parenthesis. */
static bool started_ticks(uint64_t *ret)
{
	char *text loci__cleanup_free = NULL;
	size_t n;
	if (loci__read_file(AT_FDCWD, "/proc/self/stat", PROC_FILE_MAX, &text, &n, NULL) < 0)
		return false;
	const char *p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	struct loci_cursor c = loci__cursor(p, p ? strlen(p) : 0);
	return loci__take_u64(&c, ret);
}

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void collect_start(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	uint64_t ticks;
	(void)f, (void)arg;
	if (started_ticks(&ticks))
		loci_metrics_value(m, NULL, 0,
		                   seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) +
		                           (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

const struct loci_metric_family loci__process_families[] = {
        {"process_cpu_seconds_total", "User and system CPU time spent", LOCI_METRIC_COUNTER,
         collect_cpu, 0},
        {"process_resident_memory_bytes",
         "Resident memory, the touched pages of the index (page cache) included", LOCI_METRIC_GAUGE,
         collect_resident, 0},
        {"loci_process_anonymous_memory_bytes",
         "Resident memory without mapped files: what the process itself uses", LOCI_METRIC_GAUGE,
         collect_anonymous, 0},
        {"process_virtual_memory_bytes",
         "Address space, most of it reserved for the index and never used", LOCI_METRIC_GAUGE,
         collect_virtual, 0},
        {"process_open_fds", "Open file descriptors", LOCI_METRIC_GAUGE, collect_open_fds, 0},
        {"process_max_fds", "Limit on open file descriptors", LOCI_METRIC_GAUGE, collect_max_fds,
         0},
        {"process_start_time_seconds", "When the process began, in seconds since the epoch",
         LOCI_METRIC_GAUGE, collect_start, 0},
};
const size_t loci__n_process_families = loci__array_len(loci__process_families);
