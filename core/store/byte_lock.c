/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/byte_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct flock byte_of(unsigned byte, short type)
{
	return (struct flock){
	        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
}

int loci__byte_lock(int fd, unsigned byte)
{
	struct flock lock = byte_of(byte, F_WRLCK);
	int rc;
	do
		rc = fcntl(fd, F_OFD_SETLKW, &lock);
	while (rc < 0 && errno == EINTR);
	return rc;
}

void loci__byte_unlock(int fd, unsigned byte)
{
	struct flock lock = byte_of(byte, F_UNLCK);
	fcntl(fd, F_OFD_SETLK, &lock);
}
