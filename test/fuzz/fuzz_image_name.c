/* SPDX-License-Identifier: Apache-2.0 */
/* Names in layouts and archives, and members' names: what is taken can be stored, and stays inside.
 */
#include "registry/transfer/image_name.h"
#include "registry/transfer/members.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct loci__image_name *name)
{
	if (name->repo[0] && !loci_repo_is_valid(name->repo, strlen(name->repo)))
		abort();
	if (name->tag[0] && !loci_tag_is_valid(name->tag, strlen(name->tag)))
		abort();
}

/* Ordinary parts with one slash between them. */
static void check_member(const char *name)
{
	for (const char *part = name; *part;) {
		size_t n = strcspn(part, "/");
		if (n == 0 || (n == 1 && *part == '.') || (n == 2 && !strncmp(part, "..", 2)))
			abort();
		part += n;
		if (*part && !*++part)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__image_name name;
	struct loci_error err;
	char member[LOCI_MEMBER_NAME_MAX], *text = strndup((const char *)data, size);
	if (!text)
		return 0;
	if (loci__image_name_parse(text, &name, &err) == 0)
		check_name(&name);
	if (loci__ref_name_parse(text, &name, &err) == 0)
		check_name(&name);
	if (loci__member_name(text, member, &err) == 0)
		check_member(member);
	free(text);
	return 0;
}
