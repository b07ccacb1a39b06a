/* SPDX-License-Identifier: Apache-2.0 */
/* The tar parser over arbitrary bytes, cut into chunks by the first byte; what it hands out must be
 * strings and pieces inside the file. */
#include "unpack/tar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *p;
	size_t n, step;
	uint8_t *lent;
};

static ssize_t next(void *arg, const unsigned char **ret, struct loci_error *err)
{
	struct source *s = arg;
	size_t n = s->n < s->step ? s->n : s->step;
	(void)err;
	/* A copy that dies at the next call. */
	free(s->lent);
	s->lent = malloc(n + 1);
	memcpy(s->lent, s->p, n);
	*ret = s->lent;
	s->p += n;
	s->n -= n;
	return (ssize_t)n;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_entry(const struct loci_tar_entry *e)
{
	size_t total = strlen(e->name) + strlen(e->link);
	for (size_t i = 0; i < e->n_xattrs; i++) {
		total += strlen(e->xattrs[i].name);
		for (size_t j = 0; j < e->xattrs[i].n; j++)
			total += (unsigned char)e->xattrs[i].value[j];
	}
	must(e->n_xattrs <= LOCI_TAR_MAX_XATTRS);
	must(e->mtime_ns >= 0 && e->mtime_ns < 1000000000);
	must(strchr("0123456", e->type) && total != SIZE_MAX);
}

static int check_content(struct loci_tar *t, const struct loci_tar_entry *e)
{
	uint64_t offset, end = 0;
	const unsigned char *p;
	size_t n;
	int rc;
	while ((rc = loci__tar_data(t, &offset, &p, &n, NULL)) > 0) {
		must(n > 0 && offset >= end && offset <= e->size && n <= e->size - offset);
		end = offset + n;
		must(p[0] + p[n - 1] >= 0);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct source s = {data + 1, size - 1, data[0] ? (size_t)data[0] * 17 : 1 << 20, NULL};
	struct loci_chunks in = {next, &s};
	const struct loci_tar_entry *e;
	struct loci_tar *t;
	if (loci__tar_new(&in, &t, NULL) < 0)
		return 0;
	int rc;
	for (unsigned i = 0; (rc = loci__tar_next(t, &e, NULL)) > 0; i++) {
		check_entry(e);
		if (i % 3 != 2 && check_content(t, e) < 0)
			break;
	}
	loci__tar_free(t);
	free(s.lent);
	return 0;
}
