/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that the C library of Debian 12 has no wrapper for, or one whose header clashes with
 * linux/mount.h. Each returns -1 with errno. */
#ifndef LOCI_RUNTIME_SYS_H
#define LOCI_RUNTIME_SYS_H

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

static inline int loci__fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}
static inline int loci__fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
static inline int loci__fsmount(int fd, uint64_t attr)
{
	return (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, (unsigned)attr);
}
static inline int loci__open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path, flags | OPEN_TREE_CLOEXEC);
}
/* A detached copy of what fd stands for. */
static inline int loci__clone_mount(int fd, unsigned flags)
{
	return loci__open_tree(fd, "", flags | AT_EMPTY_PATH | OPEN_TREE_CLONE);
}
static inline int loci__attach_mount(int mount_fd, int target_fd)
{
	return (int)syscall(SYS_move_mount, mount_fd, "", target_fd, "",
	                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
static inline int loci__mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t clr,
                                      uint64_t propagation)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clr, .propagation = propagation};
	return (int)syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, &attr, sizeof(attr));
}
static inline int loci__umount_lazy(const char *path)
{
	return (int)syscall(SYS_umount2, path, MNT_DETACH);
}
static inline pid_t loci__clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}
static inline int loci__pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}
static inline int loci__pidfd_send_signal(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

#endif
