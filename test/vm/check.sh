# Sourced by jobs: `check NAME COMMAND...` runs a command or function and prints whether it succeeded and what it said; the job ends with
# `exit $failed`. A check that fails does not keep the next from being run.
failed=0
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok   $name: $(tail -n 3 <<< "$output" | tr '\n' ' ')"
  else
    printf 'FAIL %s\n%s\n' "$name" "$(sed 's/^/       /' <<< "$output")"
    failed=1
  fi
}
