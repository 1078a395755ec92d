#!/bin/bash
# run.sh [CNI_PATH] [FILTER...]: tries the CNI plugins in a folder (the reference plugins, /usr/lib/cni, where none is given), each test
# file in a throwaway private host (test/box.sh). A filter picks the test files whose path contains it. `kuke` as folder: the binary in dist.
# Needs root, Bun, nftables, iptables, iproute2, busybox. Exit status: 0 if all is as expected.
set -euo pipefail
top=$(dirname "$(readlink -f "$0")")/../../..
path=${1:-reference}
[ -d "$path" ] && path=$(readlink -f "$path")
shift || true
cd "$top"

status=0
for file in $(find test/conformance/cni -name '*.test.ts' | sort); do
  if [ $# -gt 0 ]; then
    wanted=no
    for filter in "$@"; do [[ $file = *$filter* ]] && wanted=yes; done
    [ $wanted = yes ] || continue
  fi
  KUKE_TEST_CNI=$path test/box.sh bun test --only-failures --timeout 60000 "./$file" || status=1
done
exit $status
