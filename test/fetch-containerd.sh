#!/bin/bash
# fetch-containerd.sh 1.6|1.7|2: puts containerd, its shim and ctr of that version under the cache and prints the folder of the programs.
#
# They come as Debian packages, signature checked by apt, from the suite that has that version, through the mirror that this machine's apt
# is set up for. Nothing is installed, and apt's own state is not touched. Takes 3 s and 60–110 MB, once; refresh by removing the folder.
set -euo pipefail

case ${1-} in
  1.6) suite=bookworm ;;
  1.7) suite=trixie ;;
  2) suite=sid ;;
  *) echo 'usage: fetch-containerd.sh 1.6|1.7|2' >&2; exit 2 ;;
esac

folder=${XDG_CACHE_HOME:-$HOME/.cache}/kuke-test/containerd-$1
programs=$folder/usr/bin
[ ! -x "$programs/containerd" ] || { echo "$programs"; exit; }

# Security updates live in an archive of their own, which has no sid.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "main" && $3 !~ /security/ {print $1; exit}')
[ -n "$mirror" ] || { echo 'fetch-containerd.sh: no Debian mirror in /etc/apt/sources.list*' >&2; exit 1; }

mkdir -p "${folder%/*}"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
touch "$work/state/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
apt() {
  apt-get -qq -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache" \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root "$@" >&2
}
cd "$work"
apt update
apt download containerd
dpkg-deb -x containerd_*.deb "$work/root"

# A renamed folder is whole; where another run was faster, its folder is as good.
mv -T "$work/root" "$folder" 2> /dev/null || [ -x "$programs/containerd" ]
echo "$programs"
