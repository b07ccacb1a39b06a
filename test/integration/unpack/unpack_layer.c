/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer from standard input into a directory: what the scripts beside it drive.
 *     unpack_layer DIR [--media-type T] [--rootless] [--stages 1|2]
 *                  [--max-bytes N] [--max-entries N] [--reserve N] [--verbose]
 * Prints one line: "ok DIFFID entries=N bytes=N skipped=N flags=N", or "CODE message".
 */
#include "core/base/cursor.h"
#include "unpack/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_stdin(void *arg, void *buf, size_t n, struct loci_error *err)
{
	(void)arg;
	(void)err;
	return read(STDIN_FILENO, buf, n);
}

static void log_line(void *arg, const struct loci_log_record *rec)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rec->component, rec->msg);
}

static uint64_t number(const char *text)
{
	uint64_t v = 0;
	if (!text || !loci__parse_u64(text, strlen(text), &v))
		fprintf(stderr, "not a number: %s\n", text ? text : "(none)");
	return v;
}

int main(int argc, char **argv)
{
	static const struct loci_log log = {.fn = log_line, .max_level = LOCI_LOG_DEBUG};
	struct loci_unpack_opts given = {.struct_size = sizeof(given), .reserve = 1}, opts;
	struct loci_layer_job job = {.media_type = "application/vnd.oci.image.layer.v1.tar",
	                             .alg = LOCI_SHA256};
	const struct loci_reader in = {read_stdin, NULL};
	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!strcmp(argv[i], "--rootless"))
			given.flags |= LOCI_UNPACK_ROOTLESS;
		else if (!strcmp(argv[i], "--verbose"))
			given.log = &log;
		else if (!strcmp(argv[i], "--media-type"))
			job.media_type = value;
		else if (!strcmp(argv[i], "--stages"))
			job.stages = (enum loci_stages)number(value);
		else if (!strcmp(argv[i], "--max-bytes"))
			given.max_bytes = number(value);
		else if (!strcmp(argv[i], "--max-entries"))
			given.max_entries = number(value);
		else if (!strcmp(argv[i], "--reserve"))
			given.reserve = number(value);
	}
	job.in = &in;
	job.root_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job.root_fd < 0) {
		perror(argv[1]);
		return 2;
	}
	umask(0);
	struct loci_error err = {0};
	struct loci_unpack_stats stats;
	int rc = loci__unpack_opts(&given, &opts, &err);
	if (rc == 0)
		rc = loci__unpack_run(&job, &opts, &stats, &err);
	close(job.root_fd);
	if (rc < 0) {
		printf("%s %s\n", loci_code_name(rc), err.msg);
		return 1;
	}
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&stats.diff_id, text);
	printf("ok %s entries=%llu bytes=%llu skipped=%llu flags=%u\n", text,
	       (unsigned long long)stats.entries, (unsigned long long)stats.bytes,
	       (unsigned long long)stats.skipped, stats.layer_flags);
	return 0;
}
