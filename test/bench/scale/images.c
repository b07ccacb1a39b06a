/* SPDX-License-Identifier: Apache-2.0 */
#include "images.h"

#include "loci/manifest.h"

#include <stdio.h>
#include <string.h>

#define PER_REPO 50
#define TEAMS    1000
#define APPS     10000000 /* more than there are repositories */
#define BASES    2000

uint64_t image_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * 0x9e3779b97f4a7c15ULL + b * 0xd1b54a32d192ed03ULL + 0x632be59bd9b4e019ULL;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t repo_of(uint64_t i)
{
	return image_mix(i, 1) % (1 + i / PER_REPO);
}

void image_name(uint64_t i, struct image_name *ret)
{
	const uint64_t repo = repo_of(i), team = image_mix(repo, 2) % TEAMS;
	ret->repo_rank = team * APPS + repo;
	snprintf(ret->repo, sizeof(ret->repo), "team-%03u/app-%07u", (unsigned)team,
	         (unsigned)repo);
	snprintf(ret->tag, sizeof(ret->tag), "1.%09u", (unsigned)i);
}

/* Kinds of blobs: each a space of numbers of its own. */
enum { OWN_CONFIG, OWN_LAYER, OF_REPO, OF_BASE };

static void name_blob(uint64_t i, unsigned n, unsigned *ret_kind, uint64_t *ret_number)
{
	const uint64_t repo = repo_of(i);
	*ret_kind = n == 0 ? OWN_CONFIG : n == 1 ? OWN_LAYER : n == 2 ? OF_REPO : OF_BASE;
	*ret_number = n < 2    ? i
	              : n == 2 ? repo * 4 + image_mix(i, 3) % 4
	                       : repo % BASES * 3 + (n - 3);
}

void image_blob(uint64_t i, unsigned n, struct loci_digest *ret, uint64_t *ret_size)
{
	static const uint64_t sizes[] = {3000, 2000000, 20000000, 30000000};
	unsigned kind;
	uint64_t number;
	name_blob(i, n, &kind, &number);
	*ret = (struct loci_digest){.alg = LOCI_SHA256, .len = 32};
	for (unsigned k = 0; k < 4; k++) {
		const uint64_t word = image_mix(number, 16 + 4 * kind + k);
		memcpy(ret->bytes + 8 * k, &word, sizeof(word));
	}
	if (ret_size)
		*ret_size = sizes[kind] / 2 + image_mix(number, 64 + kind) % sizes[kind];
}

static size_t append_blob(char *p, size_t max, uint64_t i, unsigned n, const char *type)
{
	char text[LOCI_DIGEST_STR_MAX];
	struct loci_digest d;
	uint64_t size;
	image_blob(i, n, &d, &size);
	loci_digest_format(&d, text);
	return (size_t)snprintf(p, max, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}",
	                        type, text, (unsigned long long)size);
}

size_t image_manifest(uint64_t i, uint64_t salt, char ret[IMAGE_TEXT])
{
	size_t n = (size_t)snprintf(ret, IMAGE_TEXT,
	                            "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	                            "\",\"config\":");
	n += append_blob(ret + n, IMAGE_TEXT - n, i, 0, LOCI_MEDIA_OCI_CONFIG);
	n += (size_t)snprintf(ret + n, IMAGE_TEXT - n, ",\"layers\":[");
	for (unsigned k = 1; k < IMAGE_BLOBS; k++) {
		if (k > 1)
			ret[n++] = ',';
		n += append_blob(ret + n, IMAGE_TEXT - n, i, k,
		                 "application/vnd.oci.image.layer.v1.tar+gzip");
	}
	return n + (size_t)snprintf(ret + n, IMAGE_TEXT - n,
	                            "],\"annotations\":{\"org.opencontainers.image.revision\":"
	                            "\"%016llx%016llx\"}}",
	                            (unsigned long long)salt, (unsigned long long)i);
}
