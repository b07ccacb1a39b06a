/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of registry:2 with the program's own table: a first line "env" makes the other lines
 * variables, else the whole is a configuration file. What is taken must print as a configuration
 * that is taken again.
 */
#include "cli/ociregistry_alias.c"
#include "cli/ociregistry_options.c"

#include <stdlib.h>

#define VARIABLES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int loci__default_store_path(char **ret, struct loci_error *err)
{
	*ret = strdup("/store");
	return *ret ? 0 : loci__err_nomem(err);
}

static struct loci_options *make(struct loci_ociregistry_settings *s)
{
	struct loci_options *o;
	const struct loci_option_set set = {"Options", loci__ociregistry_options, s};
	memset(s, 0, sizeof(*s));
	if (loci__options_new("OCIREGISTRY_", &o, NULL) < 0)
		abort();
	loci__options_set_aliases(o, &loci__ociregistry_aliases);
	if (loci__options_add(o, &set, NULL) < 0)
		abort();
	return o;
}

static int take(struct loci_options *o, char *text, size_t n)
{
	char *variables[VARIABLES_MAX + 1] = {0};
	size_t count = 0;
	if (strncmp(text, "env\n", 4) != 0)
		return loci__options_yaml(o, "x.yml", text, n, NULL);
	for (char *line = text + 4; *line && count < VARIABLES_MAX;) {
		char *end = strchrnul(line, '\n');
		variables[count++] = line;
		line = *end ? end + 1 : end;
		*end = '\0';
	}
	return loci__options_env(o, variables, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_ociregistry_settings s;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	struct loci_options *o = make(&s);
	if (take(o, text, size) == 0) {
		struct loci_buf b = LOCI_BUF_INIT(1 << 20);
		loci__options_print_values(o, &b);
		struct loci_ociregistry_settings again;
		struct loci_options *second = make(&again);
		if (!b.failed && loci__options_yaml(second, "out", b.p, b.len, NULL) < 0)
			abort();
		loci__options_free(second);
		loci__buf_done(&b);
	}
	loci__options_free(o);
	free(text);
	return 0;
}
