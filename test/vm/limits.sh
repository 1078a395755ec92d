# Sourced by jobs: cells in which a limit at any level can be made to bite, and checks that measure whether it does.
#
#   realm main (128Mi) > space sp (96Mi) > stack st (64Mi) > cells: kill (its container eat: 24Mi), whole (24Mi), stacked, load, rival
#                                        > stack default > cell spaced
#                      > space default > stack default > cell realmed
# Each of kill/eat, whole, stacked, spaced and realmed eats until somebody's limit stops it; load and rival are beside them all the time.
. ./manifests.sh

kuke=$PWD/kuke
tree=/sys/fs/cgroup/kukeon
stack=main/sp/st
disk=$(cat /sys/block/vda/dev)

# What the containers do, when told by a line in /run/go/NAME. A read of a pipe that is open for writing too waits without spinning.
mkdir -p /run/go /var/tmp/data
cat > /run/go/eat.sh << 'SH'
trap 'exit 0' TERM
exec 3<> /go/$KUKEON_CELL_NAME
read go <&3
exec busybox tail -c 512m /dev/zero
SH
cat > /run/go/wait.sh << 'SH'
trap 'exit 0' TERM
exec 4<> /go/hold
read never <&4
SH
cat > /run/go/load.sh << 'SH'
trap 'exit 0' TERM
exec 3<> /go/$KUKEON_CELL_NAME 4<> /go/hold
while read seconds what <&3; do
  busybox timeout $seconds sh -c 'while :; do :; done' &
  if [ "$what" = all ]; then
    busybox timeout $seconds busybox dd if=/dev/zero of=/data/file bs=64k count=160 oflag=direct conv=notrunc 2> /dev/null &
    # Only when those two have all of their processes.
    ( read -t 2 hold <&4; i=0; while [ $i -lt 40 ]; do ( read -t $seconds hold <&4 ) & i=$((i + 1)); done; echo "forked $i"; wait )
  fi
  wait
done
SH
for name in kill whole stacked spaced realmed load rival hold; do mkfifo /run/go/$name; done

memory() { echo "resources: { memory: { limit: $1 } }"; }
container() { # ID SCRIPT MORE
  echo "    - { id: $1, image: kuke-hello, command: [sh, /go/$2.sh], volumes: [{ kind: bind, source: /run/go, target: /go }, { kind: bind, source: /var/tmp/data, target: /data }]${3:+, $3} }"
}
levels() { # the realm, space and stack with a spec each
  document Realm main && echo "spec: { $1 }"
  document Space sp && echo "spec: { realmId: main, defaults: { container: { resources: { cpu: { weight: 150 } } } }, $2 }"
  document Stack st && echo "spec: { realmId: main, spaceId: sp, $3 }"
}
killer() { cell kill sp st && container quiet wait 'root: true, hostNetwork: true' && container eat eat "$(memory 24Mi)"; }
eater() { cell "$1" "$2" "$3" "$4" && container eat eat 'root: true, hostNetwork: true'; }
loader() { cell "$1" sp st "$2" && container load load "root: true, hostNetwork: true${3:+, $3}"; }

manifests() {
  levels "$(memory 128Mi)" "$(memory 96Mi)" "$(memory 64Mi)"
  document Stack default && echo 'spec: { realmId: main, spaceId: sp }'
  killer
  eater whole sp st "$(memory 24Mi)"
  eater stacked sp st
  eater spaced sp default
  eater realmed default default
  loader load
  loader rival
}

# One line a container: `kill/eat Exited - OOMKilled 1 message`.
containers() {
  timeout 120 "$kuke" get cells -A -o json > cells.json &&
    jq -r '.items[] | .metadata.name as $cell | .status.containers[] |
      [$cell + "/" + .id, .state, .pid // "-", .reason // "-", .oomKills // 0, .message // ""] | join(" ")' cells.json
}

# eats CELL: tells it to eat, and waits until its process is gone.
eats() {
  local group pid
  group=$(find $tree -type d \( -path "*/$1/eat" -o -path "*/$1/$1_root" \) | grep -v 'kill_root')
  pid=$(head -n 1 "$group/cgroup.procs")
  echo go > "/run/go/$1"
  timeout 60 sh -c "while kill -0 $pid 2> /dev/null; do sleep 0.2; done" || echo "$1 is not killed"
}

killed() { # LINES CONTAINER COUNT WHOSE LIMIT
  grep "^$2 " <<< "$1"
  grep -qE "^$2 Exited - OOMKilled $3 .*$4\W.*\b$5\b" <<< "$1"
}
untouched() { # LINES-BEFORE LINES-AFTER
  grep -E '^(load|rival|kill/quiet)' <<< "$2"
  [ "$(grep -cE '^(load/load|rival/load|kill/quiet) Running [0-9]+ - 0 $' <<< "$2")" = 3 ] &&
    diff <(grep -E '^(load|rival|kill/quiet)' <<< "$1") <(grep -E '^(load|rival|kill/quiet)' <<< "$2")
}

# What the group of a level has used, and what was refused below it: `usec throttled written`.
used() {
  echo "$(cut -d' ' -f 1 /proc/uptime) $(awk '/^usage_usec/ {print $2}' $1/cpu.stat) $(awk '/^nr_throttled/ {print $2}' $1/cpu.stat)" \
    "$(sed -n "s/^$disk .*wbytes=\([0-9]*\).*/\1/p" $1/io.stat | grep . || echo 0)"
}

# stop_load CELL: ends all but its container's first process, which goes on to wait for the next line.
stop_load() {
  local leaf=$tree/$stack/$1/load_root
  kill -KILL $(grep -LE '^NSpid:.*[^0-9]1$' $(sed 's,.*,/proc/&/status,' $leaf/cgroup.procs) 2> /dev/null | cut -d/ -f 3) 2> /dev/null
}

# burst GROUP ENOUGH: lets the cell load burn, write and fork, and measures until the condition holds, for 3 to 30 s: sets share (of one
# CPU, in percent), throttled (periods), written (KiB) and rate (KiB a second), cpus (on which its processes were seen), wide (on which they
# may be) and forks (`forked 40`, or what refused).
burst() {
  local group=$tree/$1 leaf=$tree/$stack/load/load_root log=/var/log/kukeon/$stack/load/load.log before after lines
  lines=$(wc -l < $log)
  before=$(used $group)
  echo '60 all' > /run/go/load
  for _ in {1..10}; do
    sleep 3
    after=$(used $group)
    read -r share throttled written rate <<< "$(echo "$before $after" |
      awk '{t = $5 - $1; kib = ($8 - $4) / 1024; printf "%d %d %d %d", ($6 - $2) / t / 10000, $7 - $3, kib, kib / t}')"
    eval "$2" && break
  done
  cpus=$(awk '{print $39}' $(sed 's,.*,/proc/&/stat,' $leaf/cgroup.procs) 2> /dev/null | sort -u | xargs)
  wide=$(cat $leaf/cpuset.cpus.effective)
  forks=$(timeout 20 tail -F -n +$((lines + 1)) $log 2> /dev/null | grep -m 1 -oE "forked 40|can't fork")
  stop_load load
  echo "$share % of a CPU, $throttled periods throttled, $rate KiB/s written, on CPU $cpus of $wide, $forks"
}
TIGHT='resources: { cpu: { limit: 0.3, cpuset: 1 }, io: { devices: [{ path: /dev/vda, writeBps: 256Ki }] }, pids: { limit: PIDS } }'
tight() { # LEVEL GROUP: the same cells with these limits at one level alone
  local limits=${TIGHT/PIDS/$(($(cat $tree/$2/pids.current) + 12))}
  case $1 in realm) levels "$limits" '' '' ;; space) levels '' "$limits" '' ;; stack) levels '' '' "$limits" ;; *) levels '' '' '' ;; esac
  case $1 in cell) loader load "$limits" ;; container) loader load '' "$limits" ;; *) loader load ;; esac
}
holds() {
  burst "$1" '[ $throttled -ge 10 ] && [ $written -gt 0 ]'
  [ "$share" -le 45 ] && [ "$throttled" -ge 10 ] && [ "$written" -gt 0 ] && [ "$rate" -le 400 ] &&
    [ "$wide" = 1 ] && [ "$cpus" = 1 ] && [ "$forks" = "can't fork" ]
}
free() {
  burst "$1" '[ $share -ge 60 ] && [ $written -ge 10000 ]'
  [ "$share" -ge 60 ] && [ "$throttled" = 0 ] && [ "$rate" -ge 600 ] && [ "$wide" = 0-1 ] && [ "$forks" = 'forked 40' ]
}

# Two cells on one CPU, with weights of 800 and 100.
shares() {
  local before after
  echo '60 burn' | tee /run/go/load > /run/go/rival
  sleep 3
  before="$(used $tree/$stack/load) $(used $tree/$stack/rival)"
  sleep 4
  after="$(used $tree/$stack/load) $(used $tree/$stack/rival)"
  stop_load load
  stop_load rival
  echo "$before $after" | awk '{load = $10 - $2; rival = $14 - $6; ratio = load / rival
    printf "weights 800 and 100: %d ms and %d ms, ratio %.1f\n", load / 1000, rival / 1000, ratio
    exit !(ratio >= 3 && ratio <= 20)}'
}

# rate COUNTER MOST DD...: a dd of three seconds in the cell load: what it does in a second, by the counter of io.stat.
rate() {
  local counter=$1 most=$2 before after
  shift 2
  before=$(counted $counter)
  ( echo $BASHPID > $tree/$stack/load/load_root/cgroup.procs; exec timeout 3 dd "$@" 2> /dev/null )
  after=$(counted $counter)
  echo "$(((after - before) / 3)) $counter a second, of $most"
  [ $((after - before)) -gt 0 ] && [ $(((after - before) / 3)) -le $((most * 3 / 2)) ]
}
counted() { sed -n "s/^$disk .*\b$1=\([0-9]*\).*/\1/p" $tree/$stack/load/io.stat | grep . || echo 0; }

# huge PAGES: so many of 2 MiB can be had in the cell load; of three that are asked for.
huge() {
  local file had=0
  for file in /run/huge/{1,2,3}; do
    ( echo $BASHPID > $tree/$stack/load/load_root/cgroup.procs; exec fallocate -l 2M $file ) && had=$((had + 1))
  done
  echo "$had pages, $(cat $tree/$stack/load/hugetlb.2MB.current) bytes, limit $(cat $tree/$stack/load/hugetlb.2MB.max)"
  rm -f /run/huge/{1,2,3}
  [ $had = "$1" ]
}

# caches LEAST MOST: what the cell load keeps of a file of 48 MiB that is read in it, in MiB.
caches() {
  local over kept
  [ -e /var/tmp/data/read ] || dd if=/dev/zero of=/var/tmp/data/read bs=1M count=48 2> /dev/null
  sync
  echo 3 > /proc/sys/vm/drop_caches
  over=$(awk '/^high / {print $2}' $tree/$stack/load/memory.events)
  ( echo $BASHPID > $tree/$stack/load/load_root/cgroup.procs; exec dd if=/var/tmp/data/read of=/dev/null bs=1M 2> /dev/null )
  kept=$(awk '/^file / {print int($2 / 2 ^ 20)}' $tree/$stack/load/memory.stat)
  echo "$kept MiB kept of 48, $(($(awk '/^high / {print $2}' $tree/$stack/load/memory.events) - over)) times over $(cat $tree/$stack/load/memory.high)"
  [ $kept -ge $1 ] && [ $kept -le $2 ]
}
