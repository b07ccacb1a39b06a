/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/remote_fs.h"

#include <linux/magic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

/* linux/magic.h has not all of them. */
static const struct {
	uint32_t f_type;
	const char *name;
} remote[] = {
        {NFS_SUPER_MAGIC, "nfs"},   {SMB_SUPER_MAGIC, "smb"},   {0xff534d42, "cifs"},
        {0xfe534d42, "smb3"},       {V9FS_MAGIC, "9p"},         {0x65735546, "fuse"},
        {0x00c36400, "ceph"},       {AFS_SUPER_MAGIC, "afs"},   {0x6b414653, "kafs"},
        {CODA_SUPER_MAGIC, "coda"}, {NCP_SUPER_MAGIC, "ncpfs"}, {0x0bd00bd0, "lustre"},
        {0x47504653, "gpfs"},       {0x20030528, "orangefs"},   {0x01161970, "gfs2"},
        {0x7461636f, "ocfs2"},      {0x786f4256, "vboxsf"},     {0xbacbacbc, "vmhgfs"},
};

const char *loci__remote_fs_name(long f_type)
{
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if (remote[i].f_type == (uint32_t)f_type)
			return remote[i].name;
	return NULL;
}

const char *loci__remote_fs_of(int dirfd)
{
	struct statfs fs;
	return fstatfs(dirfd, &fs) == 0 ? loci__remote_fs_name((long)fs.f_type) : NULL;
}
