/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of trusted networks with blanks between, the peer, then lines of X-Forwarded-For. Nobody
 * but a trusted peer changes who the client is.
 */
#include "registry/forwarded.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(char *text, char at, const char **ret, size_t max)
{
	size_t n = 0;
	for (char *part = text; part && n < max;) {
		char *end = strchr(part, at);
		if (end)
			*end++ = '\0';
		ret[n++] = part;
		part = end;
	}
	return n;
}

static void check(const char *const *lines, size_t n, const struct loci__networks *trusted)
{
	struct loci__address peer;
	if (!loci__address_parse((struct loci_slice){lines[0], strlen(lines[0])}, &peer))
		return;
	struct loci__address client = loci__forwarded_client(&peer, lines + 1, n - 1, trusted);
	bool is_peer = memcmp(client.b, peer.b, sizeof(peer.b)) == 0;
	if (!is_peer && !loci__networks_have(trusted, &peer))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *lines[LINES_MAX], *networks[LINES_MAX];
	struct loci__networks trusted;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	size_t n = split(text, '\n', lines, LINES_MAX);
	size_t n_networks = split(text, ' ', networks, LINES_MAX);
	if (n >= 2 && loci__networks_init(&trusted, networks, n_networks, NULL) == 0) {
		check(lines + 1, n - 1, &trusted);
		loci__networks_done(&trusted);
	}
	free(text);
	return 0;
}
