# The next Debian: containerd 1.7, and a newer kernel, systemd and nftables; and crun instead of runc, for all containers that say nothing else.
# The part of what limits.sh, lasting.sh and quickstart.sh prove on Debian 12 that another kernel or runtime could break: a limit of memory
# bites at all five levels, CPU, cpuset, writes and pids at one; limits are changed in place, lifted, and back after a reboot in good order;
# an uninstall leaves the machine as it was. Not here: weights, other rates of disks, huge pages, memory.high, reservations, a hard reset.
# release: trixie
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/state.sh test/vm/limits.sh test/vm/manifests.sh dist/kuke .cache/hello-image.tar
. ./check.sh
. ./state.sh
. ./limits.sh
mkdir -p /etc/kukeon
echo 'plugins: { containerd-shim: { runtime: crun } }' > /etc/kukeon/kuke.yaml

# Whose container it is: each runtime keeps a file of its own name.
runtimes() {
  cd /run/containerd/runc/kukeon-main
  for file in */{status,state.json}; do
    case $file in '*'*) ;; */status) echo "crun ${file%/*}" ;; *) echo "runc ${file%/*}" ;; esac
  done | sort | awk '{count[$1]++; names[$1] = names[$1] " " $2} END {for (name in count) printf "%s:%s; ", name, names[name]}'
}
# Of what is started again after the reboot. A list of CPUs that is lifted while something runs names them all.
lasting() { limits | grep -vE '/(kill|whole|stacked|spaced|realmed|rival)/|cpuset.cpus:0-1$'; }
again() { levels "$(memory 128Mi)" "$(memory 96Mi)" "$(memory 64Mi)" && loader load "$(memory 48Mi)"; }

settle_host
if [ $boot = 1 ]; then
  again > again.yaml
  check 'after a reboot cells are known' same "$("$kuke" get cells -A -o json | jq -r '.items[].status.state' | sort | uniq -c | xargs)" '7 Failed'
  check 'after a reboot the cell starts again' succeeds_and_prints 'load (updated|started)' "$kuke" apply -f again.yaml
  lasting > limits.after
  check 'limits are in force as before' alike $kept/limits limits.after
  check 'uninstall' succeeds_and_prints 'has left this host' "$kuke" uninstall --yes
  rm -f /var/tmp/data/file
  state > after
  check 'the machine is as it was before' alike $kept/before after
  exit $failed
fi
state > $kept/before
check 'it is Debian 13' grep -x VERSION_CODENAME=trixie /etc/os-release
check 'init' succeeds_and_prints default "$kuke" init
check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
manifests > cells.yaml
check 'apply' succeeds_and_prints 'rival created' "$kuke" apply -f cells.yaml
began=$(containers)
check 'they run' same "$(grep -c Running <<< "$began")" 8
for name in kill whole stacked spaced realmed; do eats $name; done
ended=$(containers)
check 'memory: the container’s limit' killed "$ended" kill/eat 1 'its own limit' 24Mi
check 'memory: the cell’s' killed "$ended" whole/eat 1 'cell main/sp/st/whole' 24Mi
check 'memory: the stack’s' killed "$ended" stacked/eat 1 'stack main/sp/st' 64Mi
check 'memory: the space’s' killed "$ended" spaced/eat 1 'space main/sp' 96Mi
check 'memory: the realm’s' killed "$ended" realmed/eat 1 'realm main' 128Mi
loader load "${TIGHT/PIDS/$(($(cat $tree/$stack/load/pids.current) + 12))}" > tight.yaml
check 'limits of a cell, while it runs' succeeds_and_prints 'load updated' "$kuke" apply -f tight.yaml
check 'hold' holds $stack/load
again > again.yaml
check 'lifted' succeeds_and_prints 'load updated' "$kuke" apply -f again.yaml
check 'nothing holds any more but memory' free $stack/load
systemctl daemon-reload
systemctl restart containerd
check 'those beside them are untouched, by a restart of containerd too' untouched "$began" "$(containers)"
check 'with containerd 1.7' succeeds_and_prints ' 1\.7' containerd --version
check 'crun runs them' same "$(runtimes | grep -oE '(crun|runc):')" crun:
runtime=runc loader rival > rival.yaml
check 'a cell that says runc gets new containers' succeeds_and_prints 'spec.runtime: added runc' "$kuke" apply -f rival.yaml
check 'by runc' same "$(runtimes | grep -o 'runc:[^;]*')" 'runc: sp_st_rival_root'
lasting > $kept/limits
check 'limits in force' cat $kept/limits
# What `systemctl reboot` does; which without logind, that the image does without, complains before.
boot_again systemctl start --no-block reboot.target
