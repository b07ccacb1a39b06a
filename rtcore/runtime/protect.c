/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's process can reach the runtime's program through /proc/PID/exe (CVE-2019-5736). If
 * that program is a file on a read-only mount that belongs to no namespace, or a sealed copy in
 * memory, there is nothing to write to.
 */
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "loci/runtime.h"
#include "rtcore/runtime/sys.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_protected(int exe)
{
	struct statvfs fs;
	if (fstatvfs(exe, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		return true;
	int seals = fcntl(exe, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* No copy and no memory, but wants CAP_SYS_ADMIN. */
static int read_only_mount(void)
{
	loci__cleanup_close int fd = loci__open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE);
	if (fd < 0 || loci__mount_setattr(fd, 0, MOUNT_ATTR_RDONLY, 0, 0) < 0)
		return -1;
	return loci__steal_fd(&fd);
}

static int sealed_copy(int exe)
{
	struct stat st;
	loci__cleanup_close int fd = memfd_create("ocirun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || fstat(exe, &st) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size;)
		if (sendfile(fd, exe, &at, (size_t)(st.st_size - at)) <= 0)
			return -1;
	if (fchmod(fd, 0500) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -1;
	return loci__steal_fd(&fd);
}

int loci_runtime_protect_self(char *const argv[], char *const envp[], struct loci_error *err)
{
	loci__cleanup_close int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return loci__err_sys(err, "open '/proc/self/exe'");
	if (is_protected(exe))
		return 0;
	loci__cleanup_close int fd = read_only_mount();
	if (fd < 0)
		fd = sealed_copy(exe);
	if (fd < 0)
		return loci__err_sys(err, "copy the running program");
	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	return loci__err_sys(err, "start the running program again");
}
