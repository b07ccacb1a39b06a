/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/forwarded.h"

#include "core/base/cursor.h"

#include <string.h>

#define HOPS_MAX 32 /* a longer chain is somebody's joke */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct loci_slice trim(struct loci_slice s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is_port(struct loci_cursor c)
{
	uint64_t port;
	return loci__take_u64(&c, &port) && loci__cursor_at_end(&c) && port <= UINT16_MAX;
}

/* "[2001:db8::1]", "[2001:db8::1]:443", "192.0.2.1:443", or an address alone. */
static bool parse_element(struct loci_slice element, struct loci__address *ret)
{
	struct loci_cursor c = loci__cursor(element.p, element.n);
	struct loci_slice host;
	if (loci__take_char(&c, '['))
		return loci__take_until(&c, ']', &host) && memchr(host.p, ':', host.n) &&
		       loci__address_parse(host, ret) &&
		       (loci__cursor_at_end(&c) || (loci__take_char(&c, ':') && is_port(c)));
	if (memchr(element.p, '.', element.n) && loci__take_until(&c, ':', &host) && is_port(c))
		element = host;
	return !loci__slice_is(element, "unix") && loci__address_parse(element, ret);
}

bool loci__forwarded_take_last(struct loci_slice *rest, struct loci__address *ret, bool *ret_known)
{
	if (rest->n == 0)
		return false;
	const char *comma = memrchr(rest->p, ',', rest->n);
	const char *start = comma ? comma + 1 : rest->p;
	struct loci_slice element = {start, (size_t)(rest->p + rest->n - start)};
	rest->n = comma ? (size_t)(comma - rest->p) : 0;
	*ret_known = parse_element(trim(element), ret);
	return true;
}

struct loci__address loci__forwarded_client(const struct loci__address *peer,
                                            const char *const *values, size_t n,
                                            const struct loci__networks *trusted)
{
	struct loci__address client = *peer, before;
	unsigned hops = 0;
	bool known;
	while (n-- > 0) {
		struct loci_slice rest = {values[n], strlen(values[n])};
		while (loci__networks_have(trusted, &client) && hops++ < HOPS_MAX) {
			if (!loci__forwarded_take_last(&rest, &before, &known))
				break;
			if (!known)
				return client;
			client = before;
		}
	}
	return client;
}
