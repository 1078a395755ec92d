# The way of scripts/quickstart on a host that has nothing of kuke's but the binary, the example and its image; then away with it all.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh dist/kuke examples/hello.yaml .cache/hello-image.tar
. ./check.sh

kuke=$PWD/kuke
realm=kukeon-main
tree=/sys/fs/cgroup/kukeon

# What kuke could leave behind, one line each. Of containerd's own store the namespaces tell: containerd takes away only empty ones.
state() {
  find /etc /opt /root /usr /var -path /var/lib/containerd -prune -o -path '/var/log/journal*' -prune -o -path '/var/lib/systemd*' -prune -o -print
  find /run -regex '/run/\(job\|systemd\|log\|udev\|containerd\)' -prune -o -print
  # containerd and runc keep an empty folder for every namespace that they once saw.
  find /run/containerd -not -type d
  find /sys/fs/cgroup -type d -not -path '*.slice*' -not -path '*.scope*'
  findmnt --noheadings --list --output TARGET,FSTYPE
  systemctl list-unit-files --no-legend --plain
  ip -br link | awk '{print "link", $1}'
  ip -br -4 addr
  ip route
  ip netns
  nft list ruleset
  ctr namespaces ls
}

succeeds_and_prints() { # PATTERN COMMAND...
  local pattern=$1 output
  shift
  output=$(timeout 120 "$@" 2>&1) || { echo "$output"; return 1; }
  echo "$output"
  grep -qE -- "$pattern" <<< "$output"
}

# The four inspection commands of spec.md, word for word.
root_pid() { ctr -n kukeon-main tasks ls | awk '/hello_root/ {print $2}'; }
inspect_bridge() { ip link show type bridge | grep kuke; }
inspect_conflist() { cat /etc/cni/net.d/main-default.conflist; }
inspect_task() { root_pid | grep -E '^[0-9]+$'; }
inspect_address() { ROOT_PID=$(root_pid); nsenter -t "$ROOT_PID" -n ip -4 addr | grep 10.88.; }

page() {
  local address
  address=$(nsenter -t "$(root_pid)" -n ip -4 -br addr show eth0 | grep -oE '10\.88\.[0-9]+\.[0-9]+')
  [ -n "$address" ] || { echo 'the cell has no address'; return 1; }
  timeout 60 sh -c "until busybox wget -qO- http://$address/; do sleep 1; done" | grep 'Hello from a cell'
}

delegated() { # every controller, from the root of kuke's tree to the cell, and available to the container
  local group controller
  for group in $tree $tree/main $tree/main/default $tree/main/default/default $tree/main/default/default/hello; do
    for controller in cpu cpuset memory io pids hugetlb; do
      grep -qw $controller "$group/cgroup.subtree_control" || { echo "$group: no $controller, but $(cat "$group/cgroup.subtree_control")"; return 1; }
    done
  done
  cat $tree/main/default/default/hello/hello_root/cgroup.controllers
  grep -qx "$(root_pid)" $tree/main/default/default/hello/hello_root/cgroup.procs
}

# What iproute2 and iptables make for themselves when first used, and never take away.
ip netns add scaffold && ip netns delete scaffold
iptables -t nat -A POSTROUTING -j RETURN && iptables -t nat -D POSTROUTING -j RETURN
systemctl start containerd
state > /run/job/before

check 'init' succeeds_and_prints default "$kuke" init
check 'init again' succeeds_and_prints unchanged "$kuke" init
check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
check 'apply' succeeds_and_prints created "$kuke" apply -f hello.yaml
check 'apply again' succeeds_and_prints unchanged "$kuke" apply -f hello.yaml
check 'get cells' succeeds_and_prints 'hello.*Ready' "$kuke" get cells
check 'ip link show type bridge | grep kuke' inspect_bridge
check 'cat /etc/cni/net.d/main-default.conflist' inspect_conflist
check 'ctr -n kukeon-main tasks ls' inspect_task
check 'nsenter -t "$ROOT_PID" -n ip -4 addr' inspect_address
check 'the page' page
check 'every controller at every level' delegated
check 'uninstall' succeeds_and_prints '' "$kuke" uninstall --yes
state > /run/job/after
check 'nothing is left' diff before after
exit $failed
