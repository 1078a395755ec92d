# The next Debian: containerd 1.7, and a newer kernel, systemd and nftables; and crun instead of runc, for all containers that say nothing else.
# release: trixie
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/state.sh test/vm/limits.sh test/vm/short.sh dist/kuke .cache/hello-image.tar
mkdir -p /etc/kukeon
echo 'plugins: { containerd-shim: { runtime: crun } }' > /etc/kukeon/kuke.yaml

# Whose container it is: each runtime keeps a file of its own name.
runtimes() {
  cd /run/containerd/runc/kukeon-main
  for file in */{status,state.json}; do
    case $file in '*'*) ;; */status) echo "crun ${file%/*}" ;; *) echo "runc ${file%/*}" ;; esac
  done | sort | awk '{count[$1]++; names[$1] = names[$1] " " $2} END {for (name in count) printf "%s:%s; ", name, names[name]}'
}
also() {
  check 'it is Debian 13' grep -x VERSION_CODENAME=trixie /etc/os-release
  # That the restart of containerd made it forget those that were killed is a fault to doctor.
  check 'with containerd 1.7' succeeds_and_prints 'containerd 1\.7' sh -c '"$0" doctor; [ $? -le 1 ]' "$kuke"
  check 'crun runs them' same "$(runtimes | grep -oE '(crun|runc):')" crun:
  runtime=runc loader rival > rival.yaml
  check 'a cell that says runc gets new containers' succeeds_and_prints 'spec.runtime: added runc' "$kuke" apply -f rival.yaml
  check 'by runc' same "$(runtimes | grep -o 'runc:[^;]*')" 'runc: sp_st_rival_root'
  mv /usr/bin/crun /usr/bin/crun.away
  check 'without crun the reason is named' fails_and_prints 'no OCI runtime crun' "$kuke" start cell whole --space sp --stack st
  mv /usr/bin/crun.away /usr/bin/crun
  check 'with it the cell starts again' succeeds_and_prints 'whole started' "$kuke" start cell whole --space sp --stack st
}
. ./short.sh
