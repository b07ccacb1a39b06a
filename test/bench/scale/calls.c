/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include "counted.h"
#include "images.h"

#include "core/base/cleanup.h"
#include "loci/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPO  "calls/app"
#define OTHER "calls/other"

static struct loci_digest blobs[IMAGE_BLOBS];
static struct loci_digest manifest;

static void must(int rc, const char *what, const struct loci_error *err)
{
	if (rc < 0 && rc != LOCI_E_CALLBACK) {
		fprintf(stderr, "bench_scale: %s: %s\n", what, err->msg);
		exit(1);
	}
}

static void put_blob(struct loci_store *st)
{
	static char bytes[] = "a blob 0";
	static unsigned n;
	struct loci_error err;
	bytes[sizeof(bytes) - 2] = (char)('0' + n % 10);
	must(loci_blob_put(st, REPO, bytes, sizeof(bytes) - 1, /* want= */ NULL,
	                   &blobs[n % IMAGE_BLOBS], &err),
	     "put a blob", &err);
	n++;
}

/* As a client does it in three requests: each takes the session anew. */
static void push_blob(struct loci_store *st)
{
	static const char bytes[] = "pushed";
	struct loci_upload *up;
	struct loci_digest d;
	struct loci_error err;
	char id[128];
	must(loci_digest_bytes(LOCI_SHA256, bytes, sizeof(bytes), &d, &err), "hash", &err);
	must(loci_upload_begin(st, REPO, LOCI_SHA256, &up, &err), "begin", &err);
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	loci_upload_close(up, /* discard= */ false);
	must(loci_upload_resume(st, REPO, id, &up, &err), "resume", &err);
	must(loci_upload_write(up, bytes, sizeof(bytes), &err), "write", &err);
	loci_upload_close(up, /* discard= */ false);
	must(loci_upload_resume(st, REPO, id, &up, &err), "resume", &err);
	must(loci_upload_commit(up, &d, &err), "commit", &err);
}

static void put_manifest(struct loci_store *st)
{
	char text[IMAGE_TEXT], digest[LOCI_DIGEST_STR_MAX];
	const char *tags[] = {"v1"};
	struct loci_manifest_put_result res = {0};
	struct loci_error err;
	size_t n = 0;
	for (int i = 0; i < IMAGE_BLOBS; i++) {
		loci_digest_format(&blobs[i], digest);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		                      "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":9}",
		                      i == 0   ? "{\"schemaVersion\":2,\"config\":"
		                      : i == 1 ? ",\"layers\":["
		                               : ",",
		                      i == 0 ? LOCI_MEDIA_OCI_CONFIG
		                             : "application/vnd.oci.image.layer.v1.tar",
		                      digest);
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "]}");
	const struct loci_manifest_put p = {
	        .struct_size = sizeof(p),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = text,
	        .n = n,
	        .tags = tags,
	        .n_tags = 1,
	};
	must(loci_manifest_put(st, REPO, &p, &res, &err), "put a manifest", &err);
	manifest = res.digest;
}

static void get_manifest(struct loci_store *st)
{
	struct loci_manifest_bytes *m;
	struct loci_error err;
	must(loci_manifest_get(st, REPO, "v1", /* digest= */ NULL, &m, &err), "get", &err);
	loci_manifest_bytes_free(m);
}

static void get_by_digest(struct loci_store *st)
{
	struct loci_manifest_bytes *m;
	struct loci_error err;
	must(loci_manifest_get(st, REPO, /* tag= */ NULL, &manifest, &m, &err), "get", &err);
	loci_manifest_bytes_free(m);
}

static void stat_blob(struct loci_store *st)
{
	struct loci_error err;
	uint64_t size;
	must(loci_blob_stat(st, REPO, &blobs[0], &size, &err), "look for a blob", &err);
}

static void open_blob(struct loci_store *st)
{
	struct loci_error err;
	loci__cleanup_close int fd = -1;
	must(loci_blob_open(st, REPO, &blobs[0], &fd, /* ret_size= */ NULL, &err), "open", &err);
}

static void mount(struct loci_store *st)
{
	struct loci_error err;
	must(loci_blob_mount(st, REPO, OTHER, &blobs[0], &err), "mount", &err);
}

static int ignore(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static void list_tags(struct loci_store *st)
{
	struct loci_error err;
	must(loci_tag_foreach(st, REPO, /* after= */ NULL, ignore, NULL, &err), "list", &err);
}

static const struct {
	const char *what;
	void (*act)(struct loci_store *st);
} acts[] = {
        {"blob put at once", put_blob},
        {NULL, put_blob},
        {NULL, put_blob},
        {NULL, put_blob},
        {NULL, put_blob},
        {NULL, put_blob},
        {"blob POST, PATCH, PUT", push_blob},
        {"manifest PUT, 6 blobs", put_manifest},
        {"the same again", put_manifest},
        {"manifest GET by tag", get_manifest},
        {"manifest GET by digest", get_by_digest},
        {"blob HEAD", stat_blob},
        {"blob GET", open_blob},
        {"mount", mount},
        {"tags", list_tags},
};

void scale_calls(const char *dir)
{
	struct loci_store *st = counted_open(dir);
	unsigned n[COUNTED];
	counted_take(n);
	printf("%-24s %9s %6s %6s %6s %6s %6s\n", "", "snapshots", "gets", "scans", "writes",
	       "puts", "blobs");
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		acts[i].act(st);
		counted_take(n);
		if (acts[i].what)
			printf("%-24s %9u %6u %6u %6u %6u %6u\n", acts[i].what, n[COUNTED_SNAPSHOT],
			       n[COUNTED_GET], n[COUNTED_SCAN], n[COUNTED_WRITE], n[COUNTED_PUT],
			       n[COUNTED_BLOBS]);
	}
	loci_store_close(st);
}
