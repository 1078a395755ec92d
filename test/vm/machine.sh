# Sourced by a job, after check.sh: checks that the guest is the host that spec.md has in mind: systemd, one cgroup2 mount at /sys/fs/cgroup
# with every controller, containerd; and that nothing of kuke's is there.

only_cgroup2() {
  local mounts
  mounts=$(findmnt --noheadings --list --output TARGET,FSTYPE | grep cgroup | tr -s ' ')
  echo "$mounts"
  [ "$mounts" = '/sys/fs/cgroup cgroup2' ]
}
has_controllers() {
  local controller
  cat /sys/fs/cgroup/cgroup.controllers
  for controller in cpu cpuset memory io pids hugetlb; do grep -qw $controller /sys/fs/cgroup/cgroup.controllers || return 1; done
}
a_limit_bites() { # a process over memory.max is killed by the kernel
  mkdir /sys/fs/cgroup/tried
  echo +memory > /sys/fs/cgroup/cgroup.subtree_control
  echo 16M > /sys/fs/cgroup/tried/memory.max
  ( echo $BASHPID > /sys/fs/cgroup/tried/cgroup.procs; exec busybox tail -c 64m /dev/zero > /dev/null )
  local status=$?
  grep oom_kill /sys/fs/cgroup/tried/memory.events
  rmdir /sys/fs/cgroup/tried
  [ $status = 137 ]
}
bridges_and_rules() {
  ip link add br0 type bridge && ip link add veth0 type veth peer name veth1 && ip link set veth0 master br0 &&
    nft 'add table inet tried; add chain inet tried forward { type filter hook forward priority 0; }; delete table inet tried' &&
    ip link delete br0 && ip link delete veth0 && uname -r
}

check 'systemd is pid 1' sh -c 'readlink /proc/1/exe && grep -q systemd /proc/1/comm'
check 'pure cgroup v2' only_cgroup2
check 'every controller' has_controllers
check 'a limit bites' a_limit_bites
check 'bridges, veths and nftables' bridges_and_rules
check 'containerd is started by systemd' sh -c 'systemctl start containerd && systemctl is-active containerd'
check 'containerd answers' ctr version
check 'kuke is not there yet' sh -c '! command -v kuke && ! ls -d /opt/kukeon /run/kukeon /sys/fs/cgroup/kukeon 2> /dev/null'
