# The way of scripts/quickstart on a host that has nothing of kuke's but the binary, the example and its image; then away with it all.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/machine.sh test/vm/state.sh dist/kuke examples/hello.yaml .cache/hello-image.tar
. ./check.sh
. ./machine.sh
. ./state.sh

kuke=$PWD/kuke
realm=kukeon-main
tree=/sys/fs/cgroup/kukeon

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

settle_host
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
check 'nothing is left' alike before after
exit $failed
