# Sourced by jobs: `state` prints all that kuke could leave behind on a host, one line each, to be compared before and after.

# systemd gives up after 25 seconds, which on a busy machine an emulated one may need: sd_bus_set_method_call_timeout(3).
export SYSTEMD_BUS_TIMEOUT=300

# What iproute2, iptables, the kernel's modules and systemd's automounts make for themselves when first used, and never take away. Once after
# every boot.
settle_host() {
  ip netns add scaffold && ip netns delete scaffold
  iptables -t nat -A POSTROUTING -m addrtype --src-type LOCAL -j RETURN
  iptables -t nat -D POSTROUTING -m addrtype --src-type LOCAL -j RETURN
  modprobe -a bridge veth nf_conntrack
  ls /proc/sys/fs/binfmt_misc > /dev/null
  systemctl start containerd
}

# Every limit that is set below $tree, one line each.
limits() {
  (cd $tree && grep -rHsE . --include={cpu.max,cpu.weight,cpuset.cpus,memory.max,memory.high,memory.low,memory.oom.group,pids.max,io.max} . |
    grep -vE ':(max|max 100000|100|0)$|^\./memory\.max' | sort)
}

# What exists once for each cell, and would stand in the way if an old one were left: leases, namespaces of the network, links, groups.
remains() {
  echo "$(find /var/lib/cni/networks -type f -regex '.*/[0-9.]+' | wc -l) leases," \
    "$(ip netns | wc -l) network namespaces," \
    "$(ip -br link show type veth | wc -l) veths," \
    "$(ls /etc/cni/net.d | wc -l) conflists," \
    "$(find $tree -type d | wc -l) cgroups"
}

state() {
  # Sorted, since a folder's order is that of its making, which differs from boot to boot.
  # Of containerd's own store the namespaces tell: containerd takes away only empty ones.
  find /boot /dev/shm /etc /home /opt /root /srv /tmp /usr /var \( -path /var/lib/containerd -o -path /root/kept -o -path '/var/log/journal*' -o -path '/var/lib/systemd*' \
    -o -path '/var/tmp/systemd-private-*' -o -path '/tmp/systemd-private-*' \) -prune -o -print | LC_ALL=C sort
  find /run -regex '/run/\(job\|systemd\|log\|udev\|containerd\)' -prune -o -print | LC_ALL=C sort
  # containerd and runc keep an empty folder for every namespace that they once saw.
  find /run/containerd -not -type d | LC_ALL=C sort
  find /etc -type f -not -name '*.cache' -exec sha256sum {} + | LC_ALL=C sort
  find /sys/fs/cgroup -type d -not -path '*.slice*' -not -path '*.scope*' | LC_ALL=C sort
  sed 's/^/controllers of the root: /' /sys/fs/cgroup/cgroup.subtree_control
  findmnt --noheadings --list --output TARGET,FSTYPE | tr -s ' ' | sort
  systemctl list-unit-files --no-legend --plain
  systemctl list-units --all --no-legend --plain --type=service,socket,timer | awk '/containerd|kuke/ {print "unit", $1, $2, $3}'
  ip -br link | awk '{print "link", $1}'
  ip -br addr
  ip route
  ip -6 route
  ip netns
  nft list ruleset
  ctr namespaces ls
  ps -eo comm | grep -E 'kuke|shim' | sed 's/^/process /'
  # What counts or changes by itself is left out, and what the kernel has for each link.
  sysctl --all 2> /dev/null | grep -vE '^((fs|user)\..*fanotify|fs\.(dentry-state|file-nr|inode-nr|inode-state|quota|aio-nr)|kernel\.(ns_last_pid|random|pty\.nr|spl)|net\.netfilter\.nf_conntrack_count|vm\.(stat|user_reserve_kbytes)|net\.ipv[46]\.(conf|neigh)\.(kuke|veth|br))'
}
