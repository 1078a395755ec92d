# Sourced by jobs: `check NAME COMMAND...` runs a command or function and prints whether it succeeded and what it said; the job ends with
# `exit $failed`. A check that fails does not keep the next from being run.
#
# A job that reboots is run again from its beginning: `boot` counts from 0, what lies in $kept lasts, and so does a failure.
# kukeond has a job of its own; in the others a host has nothing running that they have not started.
export KUKE_NO_DAEMON=${KUKE_NO_DAEMON-1}
kept=/root/kept
mkdir -p $kept
boot=$(cat $kept/boot 2> /dev/null || echo 0)
failed=$(cat $kept/failed 2> /dev/null || echo 0)
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

# boot_again COMMAND...: the command takes the machine down.
boot_again() {
  echo $((boot + 1)) > $kept/boot
  echo $failed > $kept/failed
  sync $kept/*
  "$@"
  sleep infinity
}

# Prints what the command prints; fails if it does, takes over two minutes, or prints nothing that the pattern matches.
succeeds_and_prints() { # PATTERN COMMAND...
  local pattern=$1 output
  shift
  output=$(timeout 120 "$@" 2>&1) || { echo "$output"; return 1; }
  echo "$output"
  grep -qE -- "$pattern" <<< "$output"
}

fails_and_prints() { # PATTERN COMMAND...
  local pattern=$1 output
  shift
  if output=$(timeout 120 "$@" 2>&1); then echo "$output"; echo 'it should have failed'; return 1; fi
  echo "$output"
  grep -qE -- "$pattern" <<< "$output"
}

alike() { # FILE-BEFORE FILE-AFTER
  diff "$1" "$2" && [ -s "$2" ] && echo "$(wc -l < "$2") lines compared, and none differs"
}

same() { # WHAT-IT-IS WHAT-IT-SHOULD-BE
  echo "$1"
  [ "$1" = "$2" ] || { echo "should be: $2"; return 1; }
}
