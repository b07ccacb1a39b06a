/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/image_name.h"

#include "core/base/err.h"

#include <string.h>

int loci__image_name_parse(const char *s, struct loci__image_name *ret, struct loci_error *err)
{
	struct loci_ref ref;
	int rc = loci_ref_parse(s, /* flags= */ 0, &ref, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "'%.100s'", s);
	memcpy(ret->repo, ref.repo, sizeof(ret->repo));
	memcpy(ret->tag, ref.tag, sizeof(ret->tag));
	return 0;
}

int loci__ref_name_parse(const char *s, struct loci__image_name *ret, struct loci_error *err)
{
	if (!loci_tag_is_valid(s, strlen(s)))
		return loci__image_name_parse(s, ret, err);
	ret->repo[0] = '\0';
	memcpy(ret->tag, s, strlen(s) + 1);
	return 0;
}
