/* SPDX-License-Identifier: Apache-2.0 */
/* Every table of names: mount options, capabilities, limits, namespaces, syscalls, cgroup files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "rtcore/runtime/cgroup_limits.h"
#include "rtcore/runtime/mount_options.h"
#include "rtcore/runtime/name_table.h"

#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int parse(const char *const *names, size_t n, struct loci__arena *a,
                 struct loci__mount_options *o, struct loci_error *err)
{
	struct loci__strings s = {(const char **)(uintptr_t)names, n};
	return loci__mount_options_parse(&s, "$.mounts[0]", a, o, err);
}

/* config.md "Linux mount options": none but the three that are refused may reach the file system as
 * an unknown word. */
static void test_mount_option_names(void **state)
{
	(void)state;
	static const char *const fs_words[] = {"async", "dirsync", "lazytime", "nolazytime",
	                                       "sync"};
	static const char *const refused[] = {"idmap", "ridmap", "tmpcopyup"};
	static const char *const names[] = {
	        "async",          "atime",      "bind",         "defaults",    "dev",
	        "diratime",       "dirsync",    "exec",         "iversion",    "lazytime",
	        "loud",           "mand",       "noatime",      "nodev",       "nodiratime",
	        "noexec",         "noiversion", "nolazytime",   "nomand",      "norelatime",
	        "nostrictatime",  "nosuid",     "nosymfollow",  "private",     "ratime",
	        "rbind",          "rdev",       "rdiratime",    "relatime",    "remount",
	        "rexec",          "rnoatime",   "rnodiratime",  "rnoexec",     "rnorelatime",
	        "rnostrictatime", "rnosuid",    "rnosymfollow", "ro",          "rprivate",
	        "rrelatime",      "rro",        "rrw",          "rshared",     "rslave",
	        "rstrictatime",   "rsuid",      "rsymfollow",   "runbindable", "rw",
	        "shared",         "silent",     "slave",        "strictatime", "suid",
	        "symfollow",      "sync",       "unbindable"};
	struct loci__arena a = LOCI_ARENA_INIT(1 << 20);
	for (size_t i = 0; i < loci__array_len(names); i++) {
		struct loci__mount_options o;
		struct loci_error err;
		assert_int_equal(parse(&names[i], 1, &a, &o, &err), 0);
		bool for_fs = false;
		for (size_t k = 0; k < loci__array_len(fs_words); k++)
			for_fs |= !strcmp(fs_words[k], names[i]);
		if (o.data.n != for_fs)
			fail_msg("'%s' is taken for a file system's option", names[i]);
	}
	for (size_t i = 0; i < loci__array_len(refused); i++) {
		struct loci__mount_options o;
		struct loci_error err;
		assert_int_equal(parse(&refused[i], 1, &a, &o, &err), LOCI_E_UNSUPPORTED);
		assert_non_null(strstr(err.msg, refused[i]));
	}
	loci__arena_done(&a);
}

static void test_mount_option_meaning(void **state)
{
	(void)state;
	struct loci__arena a = LOCI_ARENA_INIT(1 << 20);
	struct loci__mount_options o;
	struct loci_error err;
	static const char *const one[] = {"ro",    "nosuid", "suid", "noatime", "size=64k",
	                                  "rbind", "rslave", "rro",  "nodev",   "strictatime"};
	assert_int_equal(parse(one, loci__array_len(one), &a, &o, &err), 0);
	assert_int_equal(o.flags, LOCI_MOUNT_BIND | LOCI_MOUNT_REC);
	assert_int_equal(o.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME);
	assert_int_equal(o.attr_clr & MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID);
	assert_int_equal(o.attr_clr & MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME);
	assert_int_equal(o.rec_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(o.propagation, MS_SLAVE);
	assert_true(o.propagation_rec);
	assert_int_equal(o.data.n, 1);
	assert_string_equal(o.data.v[0], "size=64k");
	static const char *const two[] = {"rw", "ro", "rw", "private"};
	assert_int_equal(parse(two, loci__array_len(two), &a, &o, &err), 0);
	assert_int_equal(o.attr_set, 0);
	assert_int_equal(o.attr_clr, MOUNT_ATTR_RDONLY);
	assert_false(o.propagation_rec);
	loci__arena_done(&a);
}

static void test_syscalls(void **state)
{
	(void)state;
	assert_int_equal(loci__syscall_number(LOCI_ABI_X86_64, "read"), SYS_read);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X86_64, "openat2"), SYS_openat2);
	assert_int_equal(loci__syscall_number(LOCI_ABI_I386, "read"), 3);
	assert_int_equal(loci__syscall_number(LOCI_ABI_I386, "socket"), 359);
	assert_int_equal(loci__syscall_number(LOCI_ABI_I386, "socketcall"), 102);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X32, "read"), 0x40000000);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X32, "execve"), 0x40000000 | 520);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X86_64, "fchmodat2"), 452);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X86_64, "_newselect"), -1);
	assert_int_equal(loci__syscall_number(LOCI_ABI_I386, "_newselect"), 142);
	assert_int_equal(loci__syscall_number(LOCI_ABI_X86_64, "no_such"), -1);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(loci__cap_number("CAP_CHOWN"), 0);
	assert_int_equal(loci__cap_number("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(loci__cap_number("chown"), -1);
	for (int i = 0; i <= 40; i++) {
		assert_non_null(loci__cap_name(i));
		assert_int_equal(loci__cap_number(loci__cap_name(i)), i);
	}
	assert_null(loci__cap_name(63));
	assert_int_equal(loci__rlimit_number("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	assert_int_equal(loci__rlimit_number("NOFILE"), -1);
	assert_int_equal(loci__namespace_flag("network"), CLONE_NEWNET);
	assert_int_equal(loci__namespace_flag("net"), 0);
	assert_string_equal(loci__namespace_name(CLONE_NEWUTS), "uts");
	bool rec;
	assert_int_equal(loci__propagation_parse("rshared", &rec), MS_SHARED);
	assert_true(rec);
	assert_int_equal(loci__propagation_parse("unbindable", &rec), MS_UNBINDABLE);
	assert_int_equal(loci__propagation_parse("public", &rec), 0);
}

static const char *value_of(const struct loci__limits *l, const char *file)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].file && !strcmp(l->v[i].file, file))
			return l->v[i].value;
	return "(none)";
}

static void test_limits(void **state)
{
	(void)state;
	struct loci__arena a = LOCI_ARENA_INIT(1 << 20);
	struct loci__cfg_resources r = {.memory_limit = {1 << 20, true},
	                                .memory_swap = {3 << 20, true},
	                                .cpu_shares = {1024, true},
	                                .cpu_quota = {50000, true},
	                                .cpus = "0-1",
	                                .pids_limit = {-1, true}};
	struct loci__limits v1, v2;
	struct loci_error err;
	assert_int_equal(loci__limits_make(&r, 1, &a, &v1, &err), 0);
	assert_int_equal(loci__limits_make(&r, 2, &a, &v2, &err), 0);
	assert_string_equal(value_of(&v1, "memory.limit_in_bytes"), "1048576");
	assert_string_equal(value_of(&v1, "memory.memsw.limit_in_bytes"), "3145728");
	assert_string_equal(value_of(&v2, "memory.max"), "1048576");
	assert_string_equal(value_of(&v2, "memory.swap.max"), "2097152");
	assert_string_equal(value_of(&v1, "cpu.shares"), "1024");
	assert_string_equal(value_of(&v2, "cpu.weight"), "39");
	assert_string_equal(value_of(&v1, "cpu.cfs_quota_us"), "50000");
	assert_string_equal(value_of(&v2, "cpu.max"), "50000 100000");
	assert_string_equal(value_of(&v2, "pids.max"), "max");
	assert_string_equal(value_of(&v1, "cpuset.cpus"), "0-1");
	r.memory_swap.v = 1;
	assert_int_equal(loci__limits_make(&r, 1, &a, &v1, &err), LOCI_E_INVALID);
	loci__arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_mount_option_names),
	        cmocka_unit_test(test_mount_option_meaning),
	        cmocka_unit_test(test_syscalls),
	        cmocka_unit_test(test_names),
	        cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
