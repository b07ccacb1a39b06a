/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_REMOTE_FS_H
#define LOCI_STORE_REMOTE_FS_H

/* File systems whose locks or shared maps do not hold what the index needs: reached over a network
 * or through a user's process. The name, or NULL for a local one. */
const char *loci__remote_fs_name(long f_type);
/* Of the file system under dirfd. */
const char *loci__remote_fs_of(int dirfd);

#endif
