/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"
#include "load.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* splitmix64: a few instructions a word, and any seed is good. */
static uint64_t scramble(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void content_fill(void *p, size_t n, uint64_t seed, uint64_t serial)
{
	uint64_t state = seed ^ scramble(&serial);
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t word = scramble(&state);
		memcpy((char *)p + i, &word, n - i < sizeof(word) ? n - i : sizeof(word));
	}
}

static void print_digest(EVP_MD_CTX *hash, char ret[static CONTENT_DIGEST_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_DigestFinal_ex(hash, raw, &n);
	memcpy(ret, "sha256:", 7);
	for (unsigned i = 0; i < n; i++) {
		ret[7 + 2 * i] = digits[raw[i] >> 4];
		ret[8 + 2 * i] = digits[raw[i] & 15];
	}
	ret[7 + 2 * n] = '\0';
}

static EVP_MD_CTX *begin_hash(void)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), /* engine= */ NULL) != 1)
		load_die("sha256: out of memory");
	return hash;
}

void content_digest(const void *p, size_t n, char ret[static CONTENT_DIGEST_SIZE])
{
	EVP_MD_CTX *hash = begin_hash();
	EVP_DigestUpdate(hash, p, n);
	print_digest(hash, ret);
	EVP_MD_CTX_free(hash);
}

void content_init(struct content *c, uint64_t size, uint64_t seed)
{
	c->size = size;
	c->fd = memfd_create("bench_load", MFD_CLOEXEC);
	if (c->fd < 0 || ftruncate(c->fd, (off_t)CONTENT_BLOCK) < 0)
		load_die("no memory for the content");
	c->block = mmap(NULL, CONTENT_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->block == MAP_FAILED)
		load_die("no memory for the content");
	content_fill(c->block, CONTENT_BLOCK, seed, /* serial= */ 0);
}

void content_tail(uint64_t seed, unsigned client, char ret[static CONTENT_TAIL])
{
	content_fill(ret, CONTENT_TAIL, seed, (uint64_t)client + 1);
}

void content_digests(const struct content *c, uint64_t seed, unsigned n,
                     char (*ret)[CONTENT_DIGEST_SIZE])
{
	EVP_MD_CTX *all = begin_hash(), *own = EVP_MD_CTX_new();
	char tail[CONTENT_TAIL];
	for (uint64_t left = c->size - CONTENT_TAIL; left;) {
		size_t k = left < CONTENT_BLOCK ? (size_t)left : CONTENT_BLOCK;
		EVP_DigestUpdate(all, c->block, k);
		left -= k;
	}
	for (unsigned i = 0; i < n; i++) {
		content_tail(seed, i, tail);
		if (!own || EVP_MD_CTX_copy_ex(own, all) != 1)
			load_die("sha256: out of memory");
		EVP_DigestUpdate(own, tail, CONTENT_TAIL);
		print_digest(own, ret[i]);
	}
	EVP_MD_CTX_free(own);
	EVP_MD_CTX_free(all);
}
