# Every limit bites at every level where it can be set, changed while the cells run, inherited, lifted, and set by hand. What each file does
# is measured at one level, and at all five for one of a kind: memory.max, cpu.max, cpuset.cpus, the writes of io.max, pids.max.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/limits.sh test/vm/manifests.sh dist/kuke .cache/hello-image.tar
. ./check.sh
. ./limits.sh

systemctl start containerd
check 'init' succeeds_and_prints default "$kuke" init
check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
manifests > cells.yaml
check 'apply' succeeds_and_prints 'rival created' "$kuke" apply -f cells.yaml
before=$(containers)
check 'eight containers run' same "$(grep -c Running <<< "$before")" 8
for name in kill whole stacked spaced realmed; do eats $name; done
after=$(containers)
check 'memory: the container’s limit' killed "$after" kill/eat 1 'its own limit' 24Mi
check 'memory: the cell’s' killed "$after" whole/eat 1 'cell main/sp/st/whole' 24Mi
check 'memory: the stack’s' killed "$after" stacked/eat 1 'stack main/sp/st' 64Mi
check 'memory: the space’s' killed "$after" spaced/eat 1 'space main/sp' 96Mi
check 'memory: the realm’s' killed "$after" realmed/eat 1 'realm main' 128Mi
check 'those beside them are untouched' untouched "$before" "$after"
check 'the cell whose root was killed says so' same \
  "$(jq -r '.items[] | select(.metadata.name == "whole") | .status | "\(.state) \(.reason)"' cells.json)" 'Failed OOMKilled'
check 'start again' succeeds_and_prints 'kill started' "$kuke" start cell kill --space sp --stack st
eats kill

for level in "container $stack/load/load_root" "cell $stack/load" "stack $stack" 'space main/sp' 'realm main'; do
  read -r name group <<< "$level"
  tight $name $group > tight.yaml
  check "limits of the $name, while it runs" succeeds_and_prints '(load|st|sp|main) updated' "$kuke" apply -f tight.yaml
  check "hold" holds $group
done
check 'lifted with a flag' succeeds_and_prints 'main' "$kuke" set resources realm main --cpu none --cpuset none --pids none --device none
check 'nothing holds any more' free $stack/load

load=("$kuke" set resources cell load --space sp --stack st)
check 'rates of a disk, each by itself' succeeds_and_prints '"readIops":20' "${load[@]}" --device /dev/vda:readBps=256Ki,readIops=20,writeIops=20
check 'readBps' rate rbytes 262144 if=/var/tmp/data/file of=/dev/null bs=64k iflag=direct
check 'readIops' rate rios 20 if=/var/tmp/data/file of=/dev/null bs=4k iflag=direct
check 'writeIops' rate wios 20 if=/dev/zero of=/var/tmp/data/file bs=4k count=2000 oflag=direct conv=notrunc
mkdir /run/huge && mount -t hugetlbfs none /run/huge && echo 8 > /proc/sys/vm/nr_hugepages
check 'huge pages and memory.high' succeeds_and_prints 'hugepages.2Mi: added 4Mi' "${load[@]}" --device none --hugepages 2Mi=4Mi --memory-high 16Mi
check 'huge pages: two are to be had, a third is not' huge 2
check 'memory.high: page cache is given back' caches 12 20
check 'lifted' succeeds_and_prints 'removed \(was 16Mi\)' "${load[@]}" --hugepages none --memory-high none
check 'three are to be had' huge 3
check 'and the page cache stays' caches 40 64

echo 300 > $tree/$stack/rival/cpu.weight
(loader load 'resources: { cpu: { weight: 800, cpuset: 1 } }'; loader rival 'resources: { cpu: { cpuset: 1 } }') > weights.yaml
check 'weights' succeeds_and_prints 'load updated' "$kuke" apply -f weights.yaml
after=$(containers)
check 'the count of kills goes on' killed "$after" kill/eat 2 'its own limit' 24Mi
check 'those beside them are untouched to the end' untouched "$before" "$after"
limits_of() { jq -r ".items[] | select(.metadata.name == \"$1\") | $2 | .resources // [] | map(\"\(.field)=\(.value) from \(.from)\") | sort | join(\", \")" cells.json; }
check 'what was written by hand stays, and says so' same "$(limits_of rival .status)" 'cpu.cpuset=1 from spec, cpu.weight=300 from manual'
check 'what comes from the space says so' same "$(limits_of rival '.status.containers[0]')" 'cpu.weight=150 from space main/sp'
check 'the manifest’s word is stronger when it changes' succeeds_and_prints 300 "$kuke" set resources cell rival --space sp --stack st --cpu-weight 100
check 'cpu.weight: the share follows it' shares

# What is too little to start in is named, by the start and by the status.
low() { # KIND LIMIT FLAG VALUE: of the container load, or of its cell
  local load='container load --cell load --space sp --stack st' what='cell load --space sp --stack st'
  [ $1 = cell ] || what=$load
  timeout 100 "$kuke" set resources $load --pids none --memory none > /dev/null
  timeout 100 "$kuke" set resources $what $3 $4 > /dev/null
  fails_and_prints "$2( of cell main/sp/st/load)? \\($4\\) is too low to start it" "$kuke" start cell load --space sp --stack st
}
check 'stop' succeeds_and_prints 'load stopped' "$kuke" stop cell load --space sp --stack st
check 'too few processes to start in' low container 'spec.containers.load..resources.pids.limit' --pids 2
check 'too little memory to start in' low cell 'spec.resources.memory.limit' --memory 256Ki
(cell tiny sp st && container tiny wait 'root: true, hostNetwork: true, resources: { pids: { limit: 2 } }') > tiny.yaml
check 'also at its first start' fails_and_prints 'spec.containers.tiny..resources.pids.limit \(2\) is too low to start it' "$kuke" apply -f tiny.yaml
check 'which leaves no group' same "$(find $tree -name 'tiny*')" ''
containers > /dev/null
check 'the status says so' same "$(jq -r '.items[] | select(.metadata.name == "load") | .status | "\(.state) \(.reason)"' cells.json)" 'Failed LimitTooLow'
exit $failed
