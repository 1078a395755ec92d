#!/bin/bash
# fetch-podman.sh: puts podman 4.3.1, the last of Debian's that can have CNI as its network backend, under the cache, with what it needs and
# this machine lacks, and prints the folder that holds it all.
#
# They come as Debian packages, signature checked by apt. They are unpacked, not installed: podman's package puts a network of its own into
# /etc/cni/net.d, around which kuke would then have to find its addresses. Takes 7 to 20 s and 40 to 70 MB, once; refresh by removing the folder.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/debian-suite.sh"

folder=${XDG_CACHE_HOME:-$HOME/.cache}/kuke-test/podman-4.3
[ ! -x "$folder/usr/bin/podman" ] || { echo "$folder"; exit; }

mkdir -p "${folder%/*}"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root"
cd "$work"
apt_of bookworm "$work"
# What this machine has need not be fetched.
cp /var/lib/dpkg/status state/status
apt install -y --reinstall --download-only --no-install-recommends -o Debug::NoLocking=1 podman conmon netavark
for package in cache/archives/*.deb; do dpkg-deb -x "$package" root; done

# A renamed folder is whole; where another run was faster, its folder is as good.
mv -T root "$folder" 2> /dev/null || [ -x "$folder/usr/bin/podman" ]
echo "$folder"
