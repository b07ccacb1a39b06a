/* SPDX-License-Identifier: Apache-2.0 */
/* docker's config.json: entries of a file that other programs write. */
#include "puller/docker_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Helpers are programs: a file that names one is not looked into. */
static bool names_helper(const uint8_t *data, size_t size)
{
	return memmem(data, size, "cred", 4) || memmem(data, size, "\\u", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = {"docker.io", "r.example", "localhost:5000"};
	struct loci_docker_config *c;
	struct loci_error err;
	char user[32], secret[32];
	if (names_helper(data, size) ||
	    loci__docker_config_parse("config.json", data, size, &c, &err) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (loci_docker_config_cred(c, hosts[i], user, sizeof(user), secret, sizeof(secret),
		                            &err) < 0)
			continue;
		if (strlen(user) >= sizeof(user) || strlen(secret) >= sizeof(secret))
			abort();
	}
	loci_docker_config_free(c);
	return 0;
}
