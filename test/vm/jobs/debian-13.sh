# The next Debian: containerd 1.7, and a newer kernel, systemd and nftables.
# release: trixie
# prepare: mkdir -p .cache && examples/hello-image .cache/hello-image.tar
# files: test/vm/check.sh test/vm/state.sh test/vm/limits.sh test/vm/short.sh dist/kuke .cache/hello-image.tar
also() {
  check 'it is Debian 13' grep -x VERSION_CODENAME=trixie /etc/os-release
  check 'with containerd 1.7' succeeds_and_prints 'containerd 1\.7' "$kuke" doctor
}
. ./short.sh
