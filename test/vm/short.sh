# Sourced by jobs: a short run of limits.sh and of what a user does else, on another release or with another OCI runtime, from `kuke init`
# to a machine as it was before. `also` is called in the middle.
. ./check.sh
. ./state.sh
. ./limits.sh

settle_host
state > before
check 'init' succeeds_and_prints default "$kuke" init
check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
(
  levels '' '' "$(memory 64Mi)"
  killer
  eater whole sp st "$(memory 24Mi)"
  eater stacked sp st
  loader load
  loader rival
) > cells.yaml
check 'apply' succeeds_and_prints 'rival created' "$kuke" apply -f cells.yaml
began=$(containers)
check 'they run' same "$(grep -c Running <<< "$began")" 6
for name in kill whole stacked; do eats $name; done
ended=$(containers)
check 'memory: the container’s limit' killed "$ended" kill/eat 1 'its own limit' 24Mi
check 'memory: the cell’s' killed "$ended" whole/eat 1 'cell main/sp/st/whole' 24Mi
check 'memory: the stack’s' killed "$ended" stacked/eat 1 'stack main/sp/st' 64Mi
tight cell $stack/load > tight.yaml
check 'limits of a cell, while it runs' succeeds_and_prints 'load updated' "$kuke" apply -f tight.yaml
check 'hold' holds $stack/load
systemctl daemon-reload
systemctl restart containerd
check 'those beside them are untouched, by a restart of containerd too' untouched "$began" "$(containers)"
also
check 'uninstall' succeeds_and_prints 'has left this host' "$kuke" uninstall --yes
rm -f /var/tmp/data/file
state > after
check 'the machine is as it was before' diff before after
exit $failed
