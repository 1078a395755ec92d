/** What a reboot takes from a host with cells, as far as a box can. */
import { rmSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { output } from '../observe/command.ts';

/** All that is in memory goes: processes, network namespaces, links, rules, cgroups, /run. kukeond has been killed. */
export async function reboot(containerd: Containerd): Promise<void> {
  await containerd.kill();
  await output(
    'bash',
    '-c',
    'for p in $(pgrep -x containerd-shim); do kill -9 $p; done; find /sys/fs/cgroup/kukeon -name cgroup.kill | while read f; do echo 1 > $f; done; sleep 0.3',
  );
  await output(
    'bash',
    '-c',
    'for n in /run/netns/*; do umount $n; rm -f $n; done; nft flush ruleset; for l in $(ip -o link show type bridge | cut -d: -f2); do ip link del $l; done',
  );
  await output(
    'bash',
    '-c',
    'for m in $(grep -o "/run/containerd/[^ ]*" /proc/mounts); do umount -l $m; done; find /sys/fs/cgroup/kukeon -depth -type d -exec rmdir {} +',
  );
  rmSync('/run/containerd', { recursive: true, force: true });
  rmSync('/run/kukeon', { recursive: true, force: true });
  await containerd.start();
}
