# Memory that is reserved: every level above has as much, as cells come, change and go; and a cell that reserves keeps its page cache beside
# a hog, one that does not loses it.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/manifests.sh dist/kuke .cache/hello-image.tar
. ./check.sh
. ./manifests.sh

kuke=$PWD/kuke
tree=/sys/fs/cgroup/kukeon
stack=$tree/main/default/default
mkdir -p /run/go /run/hog /var/tmp/data
mount -t tmpfs -o size=100% none /run/hog
mkfifo /run/go/kept /run/go/bare

reader() { # NAME RESERVATION: its container reads its file whenever it is told to
  cell "$1" default default
  cat << YAML
    - id: reader
      image: kuke-hello
      root: true
      hostNetwork: true
      command: [sh, -c, "trap 'exit 0' TERM; exec 3<> /go/$1; while read go <&3; do busybox dd if=/data/$1 of=/dev/null bs=1M; done"]
      volumes: [{ kind: bind, source: /run/go, target: /go }, { kind: bind, source: /var/tmp/data, target: /data }]
      $2
YAML
}
reserving() { echo "resources: { memory: { reservation: $1 } }"; }
lows() { # MiB of kuke's tree, realm, space, stack, and of the cells that there are
  local group
  for group in $tree $tree/main $tree/main/default $stack $stack/{kept,bare}; do
    [ ! -d $group ] || echo $(($(cat $group/memory.low) >> 20))
  done | xargs
}
cached() { awk '/^file / {print int($2 / 2 ^ 20)}' $stack/$1/memory.stat; }
reads() { # both, their files of 64 MiB
  local name
  for name in kept bare; do
    echo go > /run/go/$name
    timeout 60 sh -c "until [ \$(awk '/^file / {print int(\$2 / 2 ^ 20)}' $stack/$name/memory.stat) -ge 60 ]; do sleep 0.2; done" ||
      echo "$name has not read its file"
  done
  echo "$(cached kept) MiB and $(cached bare) MiB of page cache"
  [ $(cached kept) -ge 60 ] && [ $(cached bare) -ge 60 ]
}
# A file of the host's in a tmpfs takes what is available, the page cache of both cells too, but for so much. It is not written, only had: an
# emulated machine writes a gigabyte in half a minute.
hog() { # MIB-LEFT MIN-KEPT MAX-KEPT MAX-BARE
  local size=$(($(awk '/^MemAvailable/ {print $2}' /proc/meminfo) / 1024 - $1)) status
  timeout 100 fallocate -l ${size}M /run/hog/file
  status=$?
  rm -f /run/hog/file
  [ $status = 0 ] || return 1
  echo "a hog of $size MiB left $(cached kept) MiB of the one and $(cached bare) MiB of the other"
  [ $(cached kept) -ge $2 ] && [ $(cached kept) -le $3 ] && [ $(cached bare) -le $4 ]
}
said() { timeout 60 "$kuke" get cell kept -o json | jq -r '.status.containers[0].resources[] | "\(.field)=\(.value) \(.from) \(.notEnforced // "enforced")"'; }

systemctl start containerd
check 'init' succeeds_and_prints default "$kuke" init
check 'image load' succeeds_and_prints kuke-hello "$kuke" image load -i hello-image.tar
for name in kept bare; do dd if=/dev/zero of=/var/tmp/data/$name bs=1M count=64 2> /dev/null; done
sync
echo 3 > /proc/sys/vm/drop_caches
(reader kept "$(reserving 96Mi)"; reader bare) > cells.yaml
check 'apply, and nothing is missing for it' succeeds_and_prints 'bare created' "$kuke" apply --strict -f cells.yaml
check 'each level has as much' same "$(lows)" '96 96 96 96 96 0'
check 'the status says that it is enforced' same "$(said)" 'memory.reservation=96Mi spec enforced'
check 'both read' reads
check 'the one that reserves keeps it, the other loses it' hog 85 60 65 48
echo 0 > $tree/memory.low
check 'without it at one level, by hand, it counts for nothing' same "$(said)" \
  'memory.reservation=96Mi spec it counts only as far as all above reserve as much; less: all that kuke runs (memory.reservation 0)'
reader bare "$(reserving 16Mi)" > bare.yaml
check 'another that comes to reserve' succeeds_and_prints 'bare updated' "$kuke" apply -f bare.yaml
check 'is added at each level, save where somebody wrote by hand' same "$(lows)" '0 112 112 112 96 16'
check 'changed' succeeds_and_prints 'kept updated' "$kuke" set resources container reader --cell kept --memory-reservation 32Mi
check 'at each level' same "$(lows)" '0 48 48 48 32 16'
check 'deleted' succeeds_and_prints 'kept deleted' "$kuke" delete cell kept --cascade
check 'what is left is reserved' same "$(lows)" '0 16 16 16 16'
exit $failed
