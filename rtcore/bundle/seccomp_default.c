/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default seccomp policy: what docker's allows is allowed, and nothing else, so that an image
 * that runs there runs here. One table, grouped by what the calls are about; a row may depend on a
 * capability (a process that may not use a call has no business reaching its code) or on the
 * processor. Left out on purpose, as docker does: io_uring (its operations pass by the filter),
 * keyrings (not namespaced), kexec, swap, quota, old module and NFS calls, userfaultfd.
 *
 * Kept as C, not as a JSON file beside the program: there is nothing to find or to parse at start,
 * and the compiler checks the shape. Names that a processor does not have are passed over by the
 * runtime.
 */
#include "rtcore/bundle/seccomp_default.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#define NAMESPACE_FLAGS 0x7e020000 /* every CLONE_NEW… that clone takes */
#define AF_VSOCK_NUMBER 40         /* talks to the hypervisor, past any network namespace */

enum machine { ANY = 0, X86 = 1, ARM = 2, PPC = 4, S390 = 8, RISCV = 16, NOT_S390 = ~8 };

struct argument {
	const char *op; /* NULL: no condition */
	unsigned index;
	uint64_t value, value_two;
};

struct rule {
	const char *names;       /* with blanks between them */
	const char *needs_cap;   /* only for processes that have it */
	const char *without_cap; /* only for those that do not */
	unsigned machines;       /* enum machine; ANY: all */
	struct argument arg;
	int errno_ret; /* 0: allow */
};

static const struct rule rules[] = {
        /* files and directories */
        {"access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 "
         "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 "
         "fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs "
         "fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown "
         "lchown32 link linkat lseek _llseek lstat lstat64 mkdir mkdirat mknod mknodat "
         "name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 "
         "pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 "
         "rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat "
         "sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime "
         "utimensat utimensat_time64 utimes vmsplice write writev cachestat"},
        {"fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr "
         "listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr "
         "setxattrat"},
        {"fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch"},
        {"landlock_add_rule landlock_create_ruleset landlock_restrict_self"},
        /* memory */
        {"brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "
         "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
         "pkey_free pkey_mprotect remap_file_pages"},
        /* processes and threads */
        {"execve execveat exit exit_group fork vfork wait4 waitid waitpid kill tkill tgkill prctl "
         "getpgid getpgrp getpid getppid getsid gettid setpgid setsid getrusage times "
         "pidfd_open pidfd_send_signal process_mrelease restart_syscall seccomp set_tid_address "
         "get_thread_area set_thread_area rseq get_robust_list set_robust_list futex "
         "futex_requeue futex_time64 futex_wait futex_waitv futex_wake getcpu"},
        {"getpriority setpriority ioprio_get ioprio_set sched_getaffinity sched_getattr "
         "sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler "
         "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
         "sched_setparam sched_setscheduler sched_yield"},
        {"getrlimit setrlimit ugetrlimit prlimit64 sysinfo uname getrandom"},
        {"process_vm_readv process_vm_writev ptrace"},
        /* who somebody is */
        {"capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
         "getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 "
         "setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid "
         "setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32"},
        /* signals */
        {"pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
         "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack "
         "signalfd signalfd4 sigprocmask sigreturn"},
        /* time */
        {"adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
         "clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "
         "gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
         "timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
         "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64"},
        /* waiting for events, asynchronous I/O */
        {"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
         "epoll_wait_old eventfd eventfd2 _newselect poll ppoll ppoll_time64 pselect6 "
         "pselect6_time64 select io_cancel io_destroy io_getevents io_pgetevents "
         "io_pgetevents_time64 io_setup io_submit"},
        /* pipes, sockets, System V and POSIX IPC */
        {"pipe pipe2 accept accept4 bind connect getpeername getsockname getsockopt listen recv "
         "recvfrom recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt "
         "shutdown socketcall socketpair"},
        {"ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat "
         "shmctl shmdt shmget mq_getsetattr mq_notify mq_open mq_timedreceive "
         "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink"},
        {"socket", .arg = {"SCMP_CMP_NE", 0, AF_VSOCK_NUMBER, 0}},
        /* personality: Linux, 32 bits, either without address randomisation, and asking */
        {"personality", .arg = {"SCMP_CMP_EQ", 0, 0x0, 0}},
        {"personality", .arg = {"SCMP_CMP_EQ", 0, 0x8, 0}},
        {"personality", .arg = {"SCMP_CMP_EQ", 0, 0x20000, 0}},
        {"personality", .arg = {"SCMP_CMP_EQ", 0, 0x20008, 0}},
        {"personality", .arg = {"SCMP_CMP_EQ", 0, 0xffffffff, 0}},
        /* processors */
        {"arch_prctl modify_ldt", .machines = X86},
        {"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
         .machines = ARM},
        {"sync_file_range2 swapcontext", .machines = PPC},
        {"s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr", .machines = S390},
        {"riscv_flush_icache riscv_hwprobe", .machines = RISCV},
        /* clone, but no new namespaces; clone3 hides its flags behind a pointer, and ENOSYS sends
         * the C library back to clone. On s390 the arguments come in another order. */
        {"clone", .without_cap = "CAP_SYS_ADMIN", .machines = (unsigned)NOT_S390,
         .arg = {"SCMP_CMP_MASKED_EQ", 0, NAMESPACE_FLAGS, 0}},
        {"clone", .without_cap = "CAP_SYS_ADMIN", .machines = S390,
         .arg = {"SCMP_CMP_MASKED_EQ", 1, NAMESPACE_FLAGS, 0}},
        {"clone3", .without_cap = "CAP_SYS_ADMIN", .errno_ret = ENOSYS},
        /* what a capability opens */
        {"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie "
         "mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
         "setdomainname sethostname setns statmount syslog umount umount2 unshare",
         .needs_cap = "CAP_SYS_ADMIN"},
        {"open_by_handle_at", .needs_cap = "CAP_DAC_READ_SEARCH"},
        {"reboot", .needs_cap = "CAP_SYS_BOOT"},
        {"chroot", .needs_cap = "CAP_SYS_CHROOT"},
        {"delete_module finit_module init_module", .needs_cap = "CAP_SYS_MODULE"},
        {"acct", .needs_cap = "CAP_SYS_PACCT"},
        {"kcmp pidfd_getfd process_madvise", .needs_cap = "CAP_SYS_PTRACE"},
        {"ioperm iopl", .needs_cap = "CAP_SYS_RAWIO"},
        {"clock_settime clock_settime64 settimeofday stime", .needs_cap = "CAP_SYS_TIME"},
        {"vhangup", .needs_cap = "CAP_SYS_TTY_CONFIG"},
        {"get_mempolicy mbind set_mempolicy set_mempolicy_home_node", .needs_cap = "CAP_SYS_NICE"},
        {"syslog", .needs_cap = "CAP_SYSLOG"},
        {"bpf", .needs_cap = "CAP_BPF"},
        {"perf_event_open", .needs_cap = "CAP_PERFMON"},
};

static const struct {
	const char *machine; /* as uname says */
	unsigned bit;
	const char *archs[3];
} machines[] = {
        {"x86_64", X86, {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
        {"aarch64", ARM, {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}},
        {"ppc64le", PPC, {"SCMP_ARCH_PPC64LE"}},
        {"s390x", S390, {"SCMP_ARCH_S390X", "SCMP_ARCH_S390"}},
        {"riscv64", RISCV, {"SCMP_ARCH_RISCV64"}},
};

static bool has_cap(const char *const *caps, size_t n, const char *cap)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(caps[i], cap))
			return true;
	return false;
}

static bool applies(const struct rule *r, unsigned machine, const char *const *caps, size_t n)
{
	return (r->machines == ANY || (r->machines & machine)) &&
	       (!r->needs_cap || has_cap(caps, n, r->needs_cap)) &&
	       (!r->without_cap || !has_cap(caps, n, r->without_cap));
}

static json_t *names_json(const char *names)
{
	json_t *list = json_array();
	while (*names) {
		size_t n = strcspn(names, " ");
		json_array_append_new(list, json_stringn(names, n));
		names += n;
		names += strspn(names, " ");
	}
	return list;
}

static json_t *rule_json(const struct rule *r)
{
	json_t *o = json_pack("{s:o, s:s}", "names", names_json(r->names), "action",
	                      r->errno_ret ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	if (r->errno_ret)
		json_object_set_new(o, "errnoRet", json_integer(r->errno_ret));
	if (r->arg.op)
		json_object_set_new(o, "args",
		                    json_pack("[{s:i, s:I, s:I, s:s}]", "index", (int)r->arg.index,
		                              "value", (json_int_t)r->arg.value, "valueTwo",
		                              (json_int_t)r->arg.value_two, "op", r->arg.op));
	return o;
}

int loci__seccomp_default(const char *const *caps, size_t n_caps, json_t **ret,
                          struct loci_error *err)
{
	struct utsname u;
	size_t m = 0;
	if (uname(&u) < 0)
		return loci__err_sys(err, "uname");
	while (m < loci__array_len(machines) && strcmp(machines[m].machine, u.machine) != 0)
		m++;
	if (m == loci__array_len(machines))
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "default seccomp policy: no rules for a %.32s machine",
		                     u.machine);
	json_t *archs = json_array(), *syscalls = json_array();
	for (size_t i = 0; i < 3 && machines[m].archs[i]; i++)
		json_array_append_new(archs, json_string(machines[m].archs[i]));
	for (size_t i = 0; i < loci__array_len(rules); i++)
		if (applies(&rules[i], machines[m].bit, caps, n_caps))
			json_array_append_new(syscalls, rule_json(&rules[i]));
	json_t *o =
	        json_pack("{s:s, s:i, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO",
	                  "defaultErrnoRet", EPERM, "architectures", archs, "syscalls", syscalls);
	if (!o)
		return loci__err_nomem(err);
	*ret = o;
	return 0;
}
