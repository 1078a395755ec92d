# The cgroup backend where every controller is: the suite that a box runs with one of them, and what only such a host can show.
# prepare: mkdir -p .cache/vm && bun build --target=bun --external=bun:test --outfile=.cache/vm/cgroup-limits.test.js test/vm/cgroup-limits.ts > /dev/null && cp "$(readlink -f "$(command -v bun)")" .cache/vm/bun
# files: .cache/vm/cgroup-limits.test.js .cache/vm/bun
export KUKE_BOX=1
./bun test --timeout 60000 ./cgroup-limits.test.js 2>&1
