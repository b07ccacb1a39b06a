/* SPDX-License-Identifier: Apache-2.0 */
/* The allowed device list of config-linux.md as an eBPF program of a cgroup (the devices controller
 * of version 2). What no rule matches is denied; of those that match, the last one counts. */
#ifndef LOCI_RUNTIME_DEVICE_BPF_H
#define LOCI_RUNTIME_DEVICE_BPF_H

#include "core/spec/runtime_config.h"

#include <linux/bpf.h>

#define LOCI_DEVICE_BPF_RULE_INSNS 10 /* at most, for one rule */
#define LOCI_DEVICE_BPF_FIXED      8

/* Writes at most FIXED + n * RULE_INSNS instructions; returns their number. */
size_t loci__device_bpf_make(const struct loci__cfg_device_rule *rules, size_t n,
                             struct bpf_insn *out);
/* Loads and attaches it to the cgroup directory. */
int loci__device_bpf_attach(int cgroup_fd, const struct loci__cfg_device_rule *rules, size_t n,
                            struct loci_error *err);

/* Decides on every access to every device. */
bool loci__device_rule_is_total(const struct loci__cfg_device_rule *r);

#endif
