/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: what the scan finds must not depend on how the bytes arrive, and what the policy
 * takes must be well-formed. */
#include "registry/http/head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_strings(const struct loci__http_head *h)
{
	must(h->method[0] && !strpbrk(h->method, " \r\n"));
	must((h->target[0] == '/' || strcmp(h->target, "*") == 0) && !strpbrk(h->target, " \r\n#"));
	must(h->host || h->minor == 0);
	for (size_t i = 0; i < h->n_headers; i++) {
		must(h->headers[i].name[0] && !strpbrk(h->headers[i].name, ": \t\r\n"));
		must(!strpbrk(h->headers[i].value, "\r\n"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	size_t scanned = 0, step_scanned = 0;
	ssize_t n = loci__http_head_scan(p, size, &scanned);
	ssize_t step_n = 0;
	for (size_t i = 0; i <= size && !step_n; i++)
		step_n = loci__http_head_scan(p, i, &step_scanned);
	must(n == step_n);
	if (n <= 0)
		return 0;
	char *copy = malloc((size_t)n + 1);
	struct loci__http_head *h = malloc(sizeof(*h));
	must(copy && h);
	memcpy(copy, p, (size_t)n);
	copy[n] = '\0';
	int status = loci__http_head_parse(copy, (size_t)n, h);
	must(status == 0 || (status >= 400 && status < 600 && h->reason));
	if (!status)
		check_strings(h);
	free(h);
	free(copy);
	return 0;
}
