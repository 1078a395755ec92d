# What runs goes on when systemd and containerd are reloaded and restarted, and comes again with one command after a hard reset, with its
# limits and with nothing old in its way, what was cut off in its making too. After a reboot in good order: debian-13.sh; with kukeond:
# daemon.sh; what is left after an uninstall: quickstart.sh, daemon.sh and debian-13.sh.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/state.sh test/vm/manifests.sh dist/kuke .cache/hello-image.tar
. ./check.sh
. ./state.sh
. ./manifests.sh

kuke=$PWD/kuke
tree=/sys/fs/cgroup/kukeon
paged() { # NAME SPACE LIMITS PORTS
  cell "$1" "$2" default "$3" && echo "    - { id: page, image: kuke-hello, root: true $4 }"
}
cat > cells.yaml << YAML
$(paged web default 'resources: { memory: { limit: 96Mi }, cpu: { limit: 0.8, weight: 50 }, pids: { limit: 40 } }' ', ports: ["8080:80"]')
---
apiVersion: v1beta1
kind: Space
metadata: { name: lab }
spec: { id: lab, realmId: main, resources: { memory: { limit: 200Mi } } }
---
apiVersion: v1beta1
kind: Stack
metadata: { name: default }
spec: { id: default, realmId: main, spaceId: lab }
$(paged bench lab '' ', resources: { memory: { limit: 48Mi }, cpu: { cpuset: 1 } }')
YAML
paged late default '' '' > late.yaml

# One line a cell: `web Ready 1/1 PID ADDRESS`.
cells() {
  timeout 60 "$kuke" get cells -A -o json |
    jq -r '(.items // [.])[] | [.metadata.name, .status.state, (.status.containers[0].pid // "-"), (.status.attachments[0].addresses[0] // "-")] | join(" ")'
}
states() { cells | cut -d' ' -f 1,2 | sort | xargs; }
reserved() { # of 512 MiB; the host's memory is a few pages more or less after each boot
  awk '/^MemTotal/ {total = $2 * 1024} NR == 1 {max = $1} END {
    printf "%d MiB for kuke of %d MiB\n", max / 2 ^ 20, total / 2 ^ 20; exit !((total - max) / 2 ^ 20 - 512 < 1 && (total - max) / 2 ^ 20 - 512 > -1)
  }' $tree/memory.max /proc/meminfo
}
page() { timeout 60 sh -c 'until busybox wget -qO- http://127.0.0.1:8080/; do sleep 1; done 2> /dev/null' | grep 'Hello from a cell'; }

systemctl start containerd
case $boot in
  0)
    # What nobody syncs stays in memory, so that the reset takes it, however long this runs.
    sysctl -q vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000
    check 'init' succeeds_and_prints default "$kuke" init --reserve-memory 512Mi
    check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
    check 'apply' succeeds_and_prints 'bench created' "$kuke" apply -f cells.yaml
    cells > ran
    check 'cells run' same "$(states)" 'bench Ready web Ready'
    check 'the page, by the published port' page
    limits > $kept/limits
    check 'limits in force' cat $kept/limits
    check 'a share of the host is kept from all of them' reserved
    remains > $kept/remains
    cat /sys/fs/cgroup/cgroup.subtree_control > controllers
    systemctl daemon-reload
    limits > limits.after
    check 'systemctl daemon-reload takes no limit' alike $kept/limits limits.after
    check 'nor a controller' same "$(cat /sys/fs/cgroup/cgroup.subtree_control)" "$(cat controllers)"
    systemctl restart containerd
    check 'systemctl restart containerd ends no container' same "$(cells)" "$(cat ran)"
    limits > limits.after
    check 'nor takes a limit' alike $kept/limits limits.after
    check 'and the next apply has nothing to do' succeeds_and_prints 'web unchanged' "$kuke" apply -f cells.yaml
    "$kuke" apply -f late.yaml > /dev/null 2>&1 &
    sleep 2
    boot_again tee /proc/sysrq-trigger <<< b
    ;;
  1)
    # One that was cut off in its making may be known already.
    check 'after a hard reset cells are known' same "$(states | sed 's/ late [A-Za-z]*//')" 'bench Failed web Failed'
    check 'and start again' succeeds_and_prints 'web (updated|started)' "$kuke" apply -f cells.yaml
    check 'all of them' same "$(cells | grep -v '^late' | cut -d' ' -f 1,2 | sort | xargs)" 'bench Ready web Ready'
    check 'the page, by the published port' page
    limits | grep -v /late > limits.after
    check 'limits are in force as before' alike $kept/limits limits.after
    check 'a share of the host is kept from all of them' reserved
    check 'and one that was cut off in its making' succeeds_and_prints 'late' "$kuke" apply -f late.yaml
    check 'all run' same "$(states)" 'bench Ready late Ready web Ready'
    check 'delete it' succeeds_and_prints 'late deleted' "$kuke" delete cell late --cascade
    check 'nothing old beside them' same "$(remains)" "$(cat $kept/remains)"
    exit $failed
    ;;
esac
