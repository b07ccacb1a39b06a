/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: [host[:port]/]repository[:tag][@digest], as docker and podman users write them, with
 * the grammar and lengths of distribution-spec spec.md "Pulling manifests".
 */
#ifndef LOCI_REF_H
#define LOCI_REF_H

#include "loci/digest.h"

LOCI_BEGIN_DECLS

#define LOCI_REPO_MAX    255 /* bytes of host/repository */
#define LOCI_TAG_MAX     128 /* bytes */
#define LOCI_REF_STR_MAX (LOCI_REPO_MAX + 1 + LOCI_TAG_MAX + 1 + LOCI_DIGEST_STR_MAX)

struct loci_ref {
	char host[LOCI_REPO_MAX + 1]; /* "docker.io", "localhost:5000"; "" if absent */
	char repo[LOCI_REPO_MAX + 1]; /* "library/alpine" */
	char tag[LOCI_TAG_MAX + 1];   /* "" if absent */
	struct loci_digest digest;    /* .alg == 0 if absent; wins over the tag */
};

enum loci_ref_flag {
	/** docker's rules: no host → docker.io; one component there → library/; neither tag nor
	 *  digest → latest; index.docker.io is docker.io. A first component is a host when it has a
	 *  dot or a colon or is "localhost". */
	LOCI_REF_DOCKER_DEFAULTS = 1 << 0
};

/** Expected errors: INVALID (says which part and the byte), TOO_LARGE. */
LOCI_API LOCI_CHECK int loci_ref_parse(const char *s, unsigned flags, struct loci_ref *ret,
                                       struct loci_error *err);
/** The full form: host/repo[:tag][@digest]. Returns the length without the NUL. */
LOCI_API size_t loci_ref_format(const struct loci_ref *ref, char buf[LOCI_REF_STR_MAX]);
LOCI_API bool loci_repo_is_valid(const char *s, size_t n);
LOCI_API bool loci_tag_is_valid(const char *s, size_t n);
/** Whether the host (with or without a port) is this machine's loopback: localhost, 127/8, ::1. */
LOCI_API bool loci_host_is_loopback(const char *host);

LOCI_END_DECLS
#endif
