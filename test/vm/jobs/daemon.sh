# kukeond as systemd has it: set up by init, started anew, killed, with a clock that is moved by hours, and back after a reboot and after a hard
# reset with the cells that were to run, in their order, and without those that were stopped, their limits as they were at every level; what is
# its own goes with an uninstall.
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/state.sh dist/kuke .cache/hello-image.tar
export KUKE_NO_DAEMON=0
. ./check.sh
. ./state.sh

kuke=/usr/local/bin/kuke
unit=kukeond.service
socket=/run/kukeon/kukeond.sock
tree=/sys/fs/cgroup/kukeon

# One line a cell: `web Ready PID`.
cells() {
  timeout 120 $kuke get cells -A -o json |
    jq -r '(.items // [.])[] | [.metadata.name, .status.state, (.status.containers[0].pid // "-")] | join(" ")' | sort
}
states() { cells | cut -d' ' -f 1,2 | xargs; }
come_to() { # STATES: without anything being asked for but that
  local now
  timeout 240 $kuke wait web once --for Ready --timeout 3m
  now=$(states)
  [ "$now" = "$1" ] && { echo "$now"; return; }
  echo "$now, and not $1"
  journalctl -u $unit -o cat --no-pager | tail -n 20
  return 1
}
page() { timeout 60 sh -c 'until busybox wget -qO- http://127.0.0.1:8080/; do sleep 1; done 2> /dev/null' | grep 'Hello from a cell'; }
main_pid() { systemctl show --property=MainPID --value $unit; }
active() { systemctl is-active $unit && systemctl is-enabled $unit; }
reloads() { # and stays the process that it was, pid $1
  systemctl reload $unit && systemctl is-active $unit && [ "$(main_pid)" = "$1" ] &&
    timeout 60 sh -c "until journalctl -u $unit -o cat --no-pager | grep -o '\"message\":\"reloaded\"'; do sleep 0.2; done"
}
comes_back() { # after its end as pid $1, by systemd alone
  for _ in {1..60}; do
    [ "$(systemctl is-active $unit)" = active ] && [ "$(main_pid)" != "$1" ] && { main_pid; return; }
    sleep 1
  done
  systemctl status --no-pager $unit
  return 1
}
started_at() { timeout 120 $kuke get cell "$1" -o json | jq -r '.status.containers[0].startedAt'; }
in_order() {
  echo "once $(started_at once) web $(started_at web)"
  [[ $(started_at once) < $(started_at web) ]]
}
starts_again() { # web, that somebody kills; its group is looked at, since a command takes an emulated machine seconds
  local group=$tree/main/default/default/web/page before now
  [ -d $group ] || group=$tree/main/default/default/web/web_root
  before=$(head -n 1 $group/cgroup.procs)
  kill -KILL "$before" || return
  for _ in {1..120}; do
    now=$(head -n 1 $group/cgroup.procs 2> /dev/null)
    [ -n "$now" ] && [ "$now" != "$before" ] && timeout 120 $kuke wait web --for Ready --timeout 90s && return
    sleep 0.5
  done
  journalctl -u $unit -o cat --no-pager | tail -n 20
  return 1
}
# groupadd's own backups.
own_state() { state | grep -vE ' ?/etc/(group|gshadow)-$'; }

settle_host
case $boot in
  0)
    install -m 755 kuke $kuke
    groupadd --system scaffold && groupdel scaffold
    own_state > $kept/before
    check 'init' succeeds_and_prints "kukeond started: $unit" $kuke init
    check 'systemd has it, also for the next boot' active
    check 'it is of the type that tells systemd when it is ready, and is watched' \
      same "$(systemctl show --property=Type,NotifyAccess,KillMode,Restart --value $unit | xargs)" 'notify on-failure main process'
    check 'systemctl reload has it read its configuration anew' reloads "$(main_pid)"
    check 'the socket is root'"'"'s and the group'"'"'s' same "$(stat -c '%a %U:%G' $socket)" '660 root:kukeon'
    check 'image load' succeeds_and_prints kuke-hello $kuke image load -i hello-image.tar
    for cell in web once idle; do
      # The one that is never started again comes back after a boot, too: it has not ended by itself.
      case $cell in web) own='dependsOn: [{ id: once, condition: started }],' more='restartPolicy: always, ports: ["8080:80"], resources: { pids: { limit: 40 }, cpu: { cpuset: 1 } }' ;; *) own= more='restartPolicy: never' ;; esac
      printf '%s\n' --- 'apiVersion: v1beta1' 'kind: Cell' "metadata: { name: $cell }" \
        "spec: { id: $cell, realmId: main, spaceId: default, stackId: default, $own containers: [{ id: page, image: kuke-hello, root: true, $more }] }"
    done > cells.yaml
    # Limits at each level.
    cat >> cells.yaml << 'YAML'
---
apiVersion: v1beta1
kind: Realm
metadata: { name: main }
spec: { id: main, resources: { memory: { limit: 512Mi, reservation: 32Mi } } }
---
apiVersion: v1beta1
kind: Space
metadata: { name: default }
spec: { id: default, realmId: main, resources: { cpu: { weight: 300 } }, defaults: { container: { resources: { memory: { high: 96Mi } } } } }
---
apiVersion: v1beta1
kind: Stack
metadata: { name: default }
spec: { id: default, realmId: main, spaceId: default, resources: { pids: { limit: 400 } } }
YAML
    check 'apply' succeeds_and_prints 'web created' $kuke apply -f cells.yaml
    check 'a member of the group stops one, by the daemon' succeeds_and_prints 'idle stopped' \
      setpriv --reuid=65534 --regid="$(getent group kukeon | cut -d: -f3)" --clear-groups $kuke stop cell idle
    check 'and is audited' grep -E '"uid":65534.*"command":"kuke stop cell idle".*"result":"done"' /var/log/kukeon/audit.jsonl
    check 'the audit log is root'"'"'s and the group'"'"'s' same "$(stat -c '%a %U:%G' /var/log/kukeon/audit.jsonl)" '640 root:kukeon'
    check 'a limit by the daemon' succeeds_and_prints 'added 1.5' $kuke set resources cell web --cpu 1.5 --memory 128Mi
    limits | grep -v /idle > $kept/limits
    check 'limits in force' sh -c 'cat "$0"; [ $(wc -l < "$0") -ge 9 ]' $kept/limits
    check 'two run' come_to 'idle Stopped once Ready web Ready'
    cells > ran
    before=$(main_pid)
    check 'systemctl reload' systemctl reload $unit
    check 'it goes on' same "$(main_pid)" "$before"
    check 'systemctl restart' systemctl restart $unit
    check 'containers go on' same "$(cells)" "$(cat ran)"
    before=$(main_pid)
    kill -KILL "$before"
    check 'killed, it comes back' comes_back "$before"
    check 'containers go on' same "$(cells)" "$(cat ran)"
    check 'kuke daemon restart' succeeds_and_prints 'kukeond restarted' $kuke daemon restart
    check 'kuke daemon status' succeeds_and_prints "$unit" $kuke daemon status
    check 'kuke daemon logs' succeeds_and_prints '"message":"kukeond is ready"' $kuke daemon logs
    date -s '+5 hours' > /dev/null
    check 'the clock put forward, what dies is started again' starts_again
    date -s '-10 hours' > /dev/null
    check 'the clock put back, too, after its pause' starts_again
    check 'both are told' same "$(timeout 120 $kuke events --since 5m | grep -c ' restarted .*/web ')" 2
    check 'nothing has begun in the time to come' \
      sh -c 'echo "$0"; [ "$0" \< "$1" ]' "$(started_at once)" "$(date -u -d '10 seconds' +%FT%TZ)"
    date -s '+5 hours' > /dev/null
    remains | cut -d, -f 1-4 > $kept/remains # a cell that is stopped keeps its cgroups, and has none after a boot
    # What `systemctl reboot` does; which without logind, that the image does without, complains before.
    boot_again systemctl start --no-block reboot.target
    ;;
  1)
    check 'after a reboot it runs' active
    check 'and with it what was to run, and nothing else' come_to 'idle Stopped once Ready web Ready'
    check 'in order' in_order
    check 'nothing old beside them' same "$(remains | cut -d, -f 1-4)" "$(cat $kept/remains)"
    boot_again tee /proc/sysrq-trigger <<< b
    ;;
  2)
    check 'after a hard reset it runs' active
    check 'and with it what was to run, and nothing else' come_to 'idle Stopped once Ready web Ready'
    check 'the page, by the published port' page
    limits | grep -v /idle > limits.after
    check 'limits are in force as before' alike $kept/limits limits.after
    check 'uninstall' succeeds_and_prints 'has left this host' $kuke uninstall --yes
    own_state > $kept/after
    check 'the machine is as it was before' alike $kept/before $kept/after
    exit $failed
    ;;
esac
