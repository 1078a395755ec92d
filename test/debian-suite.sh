# Sourced by the scripts that fetch Debian packages for tests. apt_of SUITE FOLDER defines `apt`: apt-get on that suite, from the mirror that
# this machine's apt is set up for, its signature checked, with all of its state in FOLDER: nothing is installed, and apt's own is untouched.

apt_of() {
  local suite=$1 work=$2 mirror
  # Security updates live in an archive of their own, which has no sid.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "main" && $3 !~ /security/ {print $1; exit}')
  [ -n "$mirror" ] || { echo "$(basename "$0"): no Debian mirror in /etc/apt/sources.list*" >&2; exit 1; }
  mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
  touch "$work/state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
  apt_options=(
    -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache"
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root
  )
  apt update
}
apt() { apt-get -qq "${apt_options[@]}" "$@" >&2; }
