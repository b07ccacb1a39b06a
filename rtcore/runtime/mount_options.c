/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/mount_options.h"

#include "core/base/err.h"

#include <linux/mount.h>
#include <string.h>

enum kind {
	NOTHING, /* what the kernel does anyway, or ignores since long */
	ATTR,    /* of this mount */
	REC,     /* of this mount and all below */
	PROPAGATION,
	PROPAGATION_REC,
	FLAG, /* enum loci__mount_flag */
	FS,   /* of the superblock: goes to the file system by its name */
	REFUSED
};

#define RDONLY   MOUNT_ATTR_RDONLY
#define NOSUID   MOUNT_ATTR_NOSUID
#define NODEV    MOUNT_ATTR_NODEV
#define NOEXEC   MOUNT_ATTR_NOEXEC
#define NODIR    MOUNT_ATTR_NODIRATIME
#define NOSYM    MOUNT_ATTR_NOSYMFOLLOW
#define ATIME    MOUNT_ATTR__ATIME /* a field of bits: cleared as a whole */
#define RELATIME MOUNT_ATTR_RELATIME

static const struct row {
	const char *name;
	enum kind kind;
	uint64_t set;
	uint64_t clr;
} rows[] = {
        {"async", FS, 0, 0},
        {"atime", ATTR, RELATIME, ATIME},
        {"bind", FLAG, LOCI_MOUNT_BIND, 0},
        {"defaults", NOTHING, 0, 0},
        {"dev", ATTR, 0, NODEV},
        {"diratime", ATTR, 0, NODIR},
        {"dirsync", FS, 0, 0},
        {"exec", ATTR, 0, NOEXEC},
        {"idmap", REFUSED, 0, 0},
        {"iversion", NOTHING, 0, 0},
        {"lazytime", FS, 0, 0},
        {"loud", NOTHING, 0, 0},
        {"mand", NOTHING, 0, 0}, /* the kernel knows no mandatory locks since 5.15 */
        {"noatime", ATTR, MOUNT_ATTR_NOATIME, ATIME},
        {"nodev", ATTR, NODEV, 0},
        {"nodiratime", ATTR, NODIR, 0},
        {"noexec", ATTR, NOEXEC, 0},
        {"noiversion", NOTHING, 0, 0},
        {"nolazytime", FS, 0, 0},
        {"nomand", NOTHING, 0, 0},
        {"norelatime", ATTR, RELATIME, ATIME},
        {"nostrictatime", ATTR, RELATIME, ATIME},
        {"nosuid", ATTR, NOSUID, 0},
        {"nosymfollow", ATTR, NOSYM, 0},
        {"private", PROPAGATION, MS_PRIVATE, 0},
        {"ratime", REC, RELATIME, ATIME},
        {"rbind", FLAG, LOCI_MOUNT_BIND | LOCI_MOUNT_REC, 0},
        {"rdev", REC, 0, NODEV},
        {"rdiratime", REC, 0, NODIR},
        {"relatime", ATTR, RELATIME, ATIME},
        {"remount", FLAG, LOCI_MOUNT_REMOUNT, 0},
        {"rexec", REC, 0, NOEXEC},
        {"ridmap", REFUSED, 0, 0},
        {"rnoatime", REC, MOUNT_ATTR_NOATIME, ATIME},
        {"rnodev", REC, NODEV, 0},
        {"rnodiratime", REC, NODIR, 0},
        {"rnoexec", REC, NOEXEC, 0},
        {"rnorelatime", REC, RELATIME, ATIME},
        {"rnostrictatime", REC, RELATIME, ATIME},
        {"rnosuid", REC, NOSUID, 0},
        {"rnosymfollow", REC, NOSYM, 0},
        {"ro", ATTR, RDONLY, 0},
        {"rprivate", PROPAGATION_REC, MS_PRIVATE, 0},
        {"rrelatime", REC, RELATIME, ATIME},
        {"rro", REC, RDONLY, 0},
        {"rrw", REC, 0, RDONLY},
        {"rshared", PROPAGATION_REC, MS_SHARED, 0},
        {"rslave", PROPAGATION_REC, MS_SLAVE, 0},
        {"rstrictatime", REC, MOUNT_ATTR_STRICTATIME, ATIME},
        {"rsuid", REC, 0, NOSUID},
        {"rsymfollow", REC, 0, NOSYM},
        {"runbindable", PROPAGATION_REC, MS_UNBINDABLE, 0},
        {"rw", ATTR, 0, RDONLY},
        {"shared", PROPAGATION, MS_SHARED, 0},
        {"silent", NOTHING, 0, 0},
        {"slave", PROPAGATION, MS_SLAVE, 0},
        {"strictatime", ATTR, MOUNT_ATTR_STRICTATIME, ATIME},
        {"suid", ATTR, 0, NOSUID},
        {"symfollow", ATTR, 0, NOSYM},
        {"sync", FS, 0, 0},
        {"tmpcopyup", REFUSED, 0, 0},
        {"unbindable", PROPAGATION, MS_UNBINDABLE, 0},
};

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < loci__array_len(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

/* A later option undoes an earlier one. */
static void change(uint64_t *set, uint64_t *clr, const struct row *row)
{
	*set = (*set & ~row->clr) | row->set;
	*clr = (*clr & ~row->set) | row->clr;
	if (row->clr & ATIME)
		*clr |= ATIME;
}

static int apply(const struct row *row, const char *where, struct loci__mount_options *o,
                 struct loci_error *err)
{
	switch (row->kind) {
	case NOTHING: break;
	case ATTR: change(&o->attr_set, &o->attr_clr, row); break;
	case REC: change(&o->rec_set, &o->rec_clr, row); break;
	case PROPAGATION:
	case PROPAGATION_REC:
		o->propagation = row->set;
		o->propagation_rec = row->kind == PROPAGATION_REC;
		break;
	case FLAG: o->flags |= (unsigned)row->set; break;
	case FS: o->data.v[o->data.n++] = row->name; break;
	case REFUSED:
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "%s.options: '%s' is not supported",
		                     where, row->name);
	}
	return 0;
}

int loci__mount_options_parse(const struct loci__strings *options, const char *where,
                              struct loci__arena *arena, struct loci__mount_options *ret,
                              struct loci_error *err)
{
	struct loci__mount_options o = {0};
	o.data.v = loci__arena_array(arena, options->n + 1, sizeof(*o.data.v));
	if (!o.data.v)
		return loci__err_nomem(err);
	for (size_t i = 0; i < options->n; i++) {
		const struct row *row = find(options->v[i]);
		int rc = 0;
		if (row)
			rc = apply(row, where, &o, err);
		else if (options->v[i][0]) /* unknown: the file system's, says the spec */
			o.data.v[o.data.n++] = options->v[i];
		if (rc < 0)
			return rc;
	}
	*ret = o;
	return 0;
}

static const struct {
	uint64_t bit;
	const char *name;
} attr_names[] = {
        {RDONLY, "ro"},
        {NOSUID, "nosuid"},
        {NODEV, "nodev"},
        {NOEXEC, "noexec"},
        {MOUNT_ATTR_NOATIME, "noatime"},
        {MOUNT_ATTR_STRICTATIME, "strictatime"},
        {NODIR, "nodiratime"},
        {NOSYM, "nosymfollow"},
};

void loci__mount_attr_format(uint64_t attr, char *buf, size_t size)
{
	size_t len = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < loci__array_len(attr_names) && len < size; i++)
		if (attr & attr_names[i].bit)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? "," : "",
			                        attr_names[i].name);
}

static const struct {
	uint64_t value;
	const char *name;
} propagations[] = {
        {MS_PRIVATE, "private"},
        {MS_SLAVE, "slave"},
        {MS_SHARED, "shared"},
        {MS_UNBINDABLE, "unbindable"},
};

const char *loci__propagation_name(uint64_t propagation)
{
	for (size_t i = 0; i < loci__array_len(propagations); i++)
		if (propagations[i].value == propagation)
			return propagations[i].name;
	return "none";
}

uint64_t loci__propagation_parse(const char *name, bool *ret_rec)
{
	*ret_rec = name[0] == 'r';
	for (size_t i = 0; i < loci__array_len(propagations); i++)
		if (!strcmp(propagations[i].name, name + *ret_rec))
			return propagations[i].value;
	return 0;
}
