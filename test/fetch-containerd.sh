#!/bin/bash
# fetch-containerd.sh 1.6|1.7|2: puts containerd, its shim and ctr of that version under the cache and prints the folder of the programs.
#
# They come as Debian packages, signature checked by apt, from the suite that has that version. Nothing is installed. Takes 3 s and 60–110 MB,
# once; refresh by removing the folder.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/debian-suite.sh"

case ${1-} in
  1.6) suite=bookworm ;;
  1.7) suite=trixie ;;
  2) suite=sid ;;
  *) echo 'usage: fetch-containerd.sh 1.6|1.7|2' >&2; exit 2 ;;
esac

folder=${XDG_CACHE_HOME:-$HOME/.cache}/kuke-test/containerd-$1
programs=$folder/usr/bin
[ ! -x "$programs/containerd" ] || { echo "$programs"; exit; }

mkdir -p "${folder%/*}"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root"
cd "$work"
apt_of $suite "$work"
apt download containerd
dpkg-deb -x containerd_*.deb "$work/root"

# A renamed folder is whole; where another run was faster, its folder is as good.
mv -T "$work/root" "$folder" 2> /dev/null || [ -x "$programs/containerd" ]
echo "$programs"
