# Sourced by the scripts of this folder: installs what a fresh Debian lacks. What is there already, from wherever it came, is left alone.

bun_version=1.4.5
# A login without a root shell's PATH would not find nft or ip.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() {
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# What a command prints is shown only if it fails, and then ends the script.
quietly() {
  local output
  output=$("$@" 2>&1) || die "$* failed:"$'\n'"$output"
}

# need PROGRAM=PACKAGE...: installs the Debian package of each program (a name on PATH, or a file) that is missing, in one go.
need() {
  local pair program packages=()
  for pair in "$@"; do
    program=${pair%=*}
    command -v "$program" > /dev/null || [ -e "$program" ] || packages+=("${pair#*=}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "${packages[*]} missing: run me with sudo"
  say "Installing ${packages[*]}"
  quietly apt-get -q update
  DEBIAN_FRONTEND=noninteractive quietly apt-get -q install -y --no-install-recommends "${packages[@]}"
}

# Bun in the version that kuke is built with, through npm, and the packages that bun.lock names.
need_bun() {
  if [ "$(bun --version 2> /dev/null)" != $bun_version ]; then
    need npm=npm
    say "Installing Bun $bun_version"
    quietly npm install --global --allow-scripts=bun bun@$bun_version
    hash -r
    [ "$(bun --version)" = $bun_version ] || die "$(command -v bun) is Bun $(bun --version), but npm installed $bun_version: take the other one off PATH"
  fi
  bun install --frozen-lockfile --silent
}
