/** Mount tables (proc_pid_mountinfo(5)) of hosts with cgroup v2, with v1, and with both. */
const ROOT = '1 1 0:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw';

export const PURE = `${ROOT}
30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`;

export const V1_ONLY = `${ROOT}
30 1 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - tmpfs tmpfs ro,mode=755
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:6 - cgroup cgroup rw,memory
`;

/** As systemd mounts it; two more mounts of memory, one of a part and the other hidden by a third. */
export const HYBRID = `${ROOT}
30 1 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:5 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:7 - cgroup cgroup rw,cpu,cpuacct
33 1 0:28 /docker/1 /srv/part rw,relatime shared:6 - cgroup cgroup rw,memory
34 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:6 - cgroup cgroup rw,memory
35 30 0:30 / /sys/fs/cgroup/systemd rw,relatime shared:8 - cgroup cgroup rw,xattr,name=systemd
36 1 0:31 / /srv/hidden rw,relatime shared:9 - cgroup cgroup rw,pids
37 36 0:40 / /srv/hidden rw,relatime shared:10 - tmpfs tmpfs rw
`;
