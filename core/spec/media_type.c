/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table says what every media type of the OCI and docker specs is to us (image-spec
 * media-types.md "Compatibility Matrix", docker manifest-v2-2.md).
 */
#include "core/spec/media_type.h"

#include "core/base/cursor.h"
#include "loci/manifest.h"

#include <string.h>
#include <strings.h>

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."
#define NONE   LOCI_COMPRESSION_NONE
#define GZIP   LOCI_COMPRESSION_GZIP
#define ZSTD   LOCI_COMPRESSION_ZSTD

static const struct row {
	const char *media_type;
	int kind;
	int compression; /* of a layer */
	bool foreign;
} rows[] = {
        {LOCI_MEDIA_OCI_MANIFEST, LOCI_MEDIA_IMAGE_MANIFEST},
        {LOCI_MEDIA_DOCKER_MANIFEST, LOCI_MEDIA_IMAGE_MANIFEST},
        {LOCI_MEDIA_OCI_INDEX, LOCI_MEDIA_IMAGE_INDEX},
        {LOCI_MEDIA_DOCKER_INDEX, LOCI_MEDIA_IMAGE_INDEX},
        {LOCI_MEDIA_OCI_CONFIG, LOCI_MEDIA_IMAGE_CONFIG},
        {LOCI_MEDIA_DOCKER_CONFIG, LOCI_MEDIA_IMAGE_CONFIG},
        {LOCI_MEDIA_OCI_EMPTY, LOCI_MEDIA_EMPTY},
        {OCI "layer.v1.tar", LOCI_MEDIA_LAYER, NONE, false},
        {OCI "layer.v1.tar+gzip", LOCI_MEDIA_LAYER, GZIP, false},
        {OCI "layer.v1.tar+zstd", LOCI_MEDIA_LAYER, ZSTD, false},
        {OCI "layer.nondistributable.v1.tar", LOCI_MEDIA_LAYER, NONE, true},
        {OCI "layer.nondistributable.v1.tar+gzip", LOCI_MEDIA_LAYER, GZIP, true},
        {OCI "layer.nondistributable.v1.tar+zstd", LOCI_MEDIA_LAYER, ZSTD, true},
        {DOCKER "image.rootfs.diff.tar", LOCI_MEDIA_LAYER, NONE, false},
        {DOCKER "image.rootfs.diff.tar.gzip", LOCI_MEDIA_LAYER, GZIP, false},
        {DOCKER "image.rootfs.diff.tar.zstd", LOCI_MEDIA_LAYER, ZSTD, false},
        {DOCKER "image.rootfs.foreign.diff.tar", LOCI_MEDIA_LAYER, NONE, true},
        {DOCKER "image.rootfs.foreign.diff.tar.gzip", LOCI_MEDIA_LAYER, GZIP, true},
        {DOCKER "image.rootfs.foreign.diff.tar.zstd", LOCI_MEDIA_LAYER, ZSTD, true},
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct loci_slice loci__media_essence(const char *media_type)
{
	size_t n = strcspn(media_type, ";");
	while (n && is_blank(media_type[n - 1]))
		n--;
	while (n && is_blank(*media_type)) {
		media_type++;
		n--;
	}
	return loci__slice(media_type, n);
}

static const struct row *find(const char *media_type)
{
	if (!media_type)
		return NULL;
	struct loci_slice essence = loci__media_essence(media_type);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (loci__slice_is_nocase(essence, rows[i].media_type))
			return &rows[i];
	return NULL;
}

int loci_media_kind(const char *media_type)
{
	const struct row *row = find(media_type);
	return row ? row->kind : LOCI_MEDIA_UNKNOWN;
}

int loci_media_compression(const char *media_type)
{
	const struct row *row = find(media_type);
	return row && row->kind == LOCI_MEDIA_LAYER ? row->compression : -1;
}

bool loci_media_is_foreign(const char *media_type)
{
	const struct row *row = find(media_type);
	return row && row->foreign;
}

bool loci__media_equal(const char *a, const char *b)
{
	struct loci_slice x = loci__media_essence(a), y = loci__media_essence(b);
	return x.n == y.n && strncasecmp(x.p, y.p, x.n) == 0;
}

static bool is_name_char(unsigned char c)
{
	return loci__is_alnum(c) || (c && strchr("!#$&-^_.+", c));
}

/* restricted-name: a letter or digit, then up to 126 name characters */
static bool take_name(struct loci_cursor *c)
{
	struct loci_slice name;
	return !loci__cursor_at_end(c) && loci__is_alnum((unsigned char)*c->p) &&
	       loci__take_run(c, is_name_char, &name) && name.n <= 127;
}

bool loci__media_is_valid(const char *media_type)
{
	struct loci_cursor c = loci__cursor(media_type, strlen(media_type));
	return take_name(&c) && loci__take_char(&c, '/') && take_name(&c) &&
	       loci__cursor_at_end(&c);
}

bool loci__media_is_schema1(const char *media_type)
{
	struct loci_slice essence = loci__media_essence(media_type);
	return loci__slice_is_nocase(essence, DOCKER "distribution.manifest.v1+json") ||
	       loci__slice_is_nocase(essence, DOCKER "distribution.manifest.v1+prettyjws");
}

bool loci__media_is_docker(const char *media_type)
{
	struct loci_slice essence = loci__media_essence(media_type);
	struct loci_cursor c = loci__cursor(essence.p, essence.n);
	return loci__take_text_nocase(&c, DOCKER);
}
