/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/address.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "loci/registry.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS_AT 96 /* where an IPv4 address begins in its 128 bits */

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct loci__address *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool loci__address_parse(struct loci_slice text, struct loci__address *ret)
{
	char copy[INET6_ADDRSTRLEN];
	struct loci__address a;
	if (loci__slice_is(text, "unix")) {
		memset(ret->b, 0xff, sizeof(ret->b));
		return true;
	}
	if (!loci__slice_copy(text, copy, sizeof(copy)) || strlen(copy) != text.n)
		return false;
	memcpy(a.b, v4_prefix, sizeof(v4_prefix));
	if (inet_pton(AF_INET, copy, a.b + sizeof(v4_prefix)) != 1 &&
	    inet_pton(AF_INET6, copy, a.b) != 1)
		return false;
	*ret = a;
	return true;
}

/* The first half of an IPv6 address; what stands for the others there is multicast, which is
 * nobody's address. */
uint64_t loci__address_client(const struct loci__address *a)
{
	uint64_t client = 0;
	if (is_v4(a)) {
		for (size_t i = sizeof(v4_prefix); i < sizeof(a->b); i++)
			client = client << 8 | a->b[i];
		return client | UINT64_C(0xfffffffe) << 32;
	}
	for (size_t i = 0; i < 8; i++)
		client = client << 8 | a->b[i];
	return client;
}

static int refuse(const char *text, struct loci_error *err)
{
	return loci__err_set(
	        err, LOCI_E_INVALID,
	        "'%.64s': expected an address, a network like 10.0.0.0/8 or fd00::/8, or unix",
	        text);
}

int loci__network_parse(const char *text, struct loci__network *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	struct loci_slice address = loci__slice(text, strlen(text));
	struct loci__network net = {.bits = 128};
	uint64_t bits;
	bool has_bits = loci__take_until(&c, '/', &address);
	if (!loci__address_parse(address, &net.base))
		return refuse(text, err);
	if (has_bits) {
		const unsigned skipped = is_v4(&net.base) ? V4_BITS_AT : 0;
		if (!loci__take_u64(&c, &bits) || !loci__cursor_at_end(&c) || bits > 128 - skipped)
			return refuse(text, err);
		net.bits = (unsigned)bits + skipped;
	}
	*ret = net;
	return 0;
}

int loci_network_check(const char *network, struct loci_error *err)
{
	struct loci__network net;
	return loci__network_parse(network, &net, err);
}

bool loci__network_has(const struct loci__network *net, const struct loci__address *a)
{
	const unsigned whole = net->bits / 8, rest = net->bits % 8;
	if (memcmp(net->base.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (net->base.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

int loci__networks_init(struct loci__networks *nets, const char *const *texts, size_t n,
                        struct loci_error *err)
{
	int r = 0;
	*nets = (struct loci__networks){0};
	if (n > LOCI_NETWORKS_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %d networks",
		                     LOCI_NETWORKS_MAX);
	if (n == 0)
		return 0;
	nets->v = calloc(n, sizeof(*nets->v));
	if (!nets->v)
		return loci__err_nomem(err);
	for (; r == 0 && nets->n < n; nets->n++)
		r = loci__network_parse(texts[nets->n], &nets->v[nets->n], err);
	if (r < 0)
		loci__networks_done(nets);
	return r;
}

void loci__networks_done(struct loci__networks *nets)
{
	free(nets->v);
	*nets = (struct loci__networks){0};
}

bool loci__networks_have(const struct loci__networks *nets, const struct loci__address *a)
{
	for (size_t i = 0; i < nets->n; i++)
		if (loci__network_has(&nets->v[i], a))
			return true;
	return false;
}
