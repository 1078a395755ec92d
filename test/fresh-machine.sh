#!/bin/bash
# fresh-machine.sh [--release NAME] COMMAND [ARG...]: runs COMMAND as root in a fresh clone of HEAD on a minimal Debian where nothing else is
# installed; of this machine's own release, or of the one named, such as trixie.
#
# That shows what a new user's machine lacks: `test/fresh-machine.sh .ci/run`. The root file system is made by mmdebstrap once (20 s) and
# kept under ~/.cache; each run gets a copy of its own, which is gone afterwards. Unlike a box it shares this machine's network and cgroups,
# and what it takes to reach the package mirrors: name servers, apt's and npm's configuration, additional certificates. Boxes nest in it.
set -euo pipefail
host_release=$(. /etc/os-release && echo "$VERSION_CODENAME")
release=$host_release
if [ "${1-}" = --release ]; then release=${2-}; shift 2; fi
[ $# -gt 0 ] || { echo 'usage: fresh-machine.sh [--release NAME] COMMAND [ARG...]' >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo 'fresh-machine.sh: needs root' >&2; exit 1; }

clone=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kuke-test/fresh-$release.tar
if [ ! -e "$cache" ]; then
  mkdir -p "${cache%/*}"
  lists=$(mktemp -d)
  trap 'rm -rf "$lists"' EXIT
  for file in $(grep -lE '^(deb |Types:)' /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2> /dev/null); do
    sed "s/\b$host_release\b/$release/g" "$file" > "$lists/${file##*/}"
  done
  mmdebstrap --quiet --mode=root --format=tar --variant=minbase --include=ca-certificates '' "$cache.new" "$lists"/*
  mv "$cache.new" "$cache"
fi

root=$(mktemp -d /var/tmp/fresh-machine.XXXXXX)
# Never across a mount that was left behind: below it is this machine.
trap 'rm -rf --one-file-system "$root" "${lists:-$root}"' EXIT
tar -C "$root" -xf "$cache"
git clone --quiet --no-hardlinks "$clone" "$root/root/kuke"

share() { [ ! -e "$1" ] || { mkdir -p "$root/$(dirname "$1")"; cp -rL "$1" "$root/$1"; }; }
share /etc/resolv.conf
share /etc/hosts
for file in /etc/apt/apt.conf.d/*; do [ -e "$root$file" ] || share "$file"; done
share "$HOME/.npmrc"
share "${NODE_EXTRA_CA_CERTS:-/nowhere}"
[ "$HOME" = /root ] || [ ! -e "$HOME/.npmrc" ] || cp "$HOME/.npmrc" "$root/root/.npmrc"

enter='
set -e
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
mount --rbind /sys sys
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run
mkdir old
pivot_root . old
umount -l old
rmdir old
cd /root/kuke
"$@"'
env=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}")
for name in NODE_EXTRA_CA_CERTS HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
  [ -z "${!name:-}" ] || env+=("$name=${!name}")
done
env -i "${env[@]}" unshare --mount --propagation private --pid --fork --kill-child=KILL bash -c "$enter" bash "$root" "$@"
