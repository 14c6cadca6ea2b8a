#!/bin/sh
# What the fetch-*.sh scripts share: a folder that only one of them fills at a time, and apt with a
# configuration of its own. To be sourced, after which is_complete() is to be defined: whether
# "$folder" holds what is wanted.

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# usage: name_folder WHAT FOLDER. Sets folder, with its whole path.
name_folder() {
  [ $# -eq 2 ] || fail "cannot tell where to put $1: usage: $0 FOLDER"
  case $2 in
    /*) folder=$2 ;;
    *) folder=$PWD/$2 ;;
  esac
}

need_tools() {
  packages=$1
  shift
  for tool in "$@"; do
    command -v "$tool" > /dev/null || fail "cannot find $tool: install the packages $packages"
  done
}

# Waits for other runs, then sets work, a folder that goes at the end. Ends the script when another
# run has done the work meanwhile.
start_work() {
  parent=$(dirname "$folder")
  mkdir -p "$parent"
  exec 9> "$folder.lock"
  flock 9
  if is_complete; then exit 0; fi
  work=$(mktemp -d "$parent/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$work/download"
  : > "$work/status"
}

# Sets list and parts: where this machine's apt sources stand.
find_apt_sources() {
  # shellcheck disable=SC2034 # read by the scripts
  list="" parts=""
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
}

# apt-get with the sources in "$work/sources" only. Nothing of the machine's own apt state is read or
# changed, so neither root nor a lock is needed; signatures and checksums are checked as always.
private_apt() {
  set -- -q \
    -o "Dir::Etc::sourcelist=/dev/null" \
    -o "Dir::Etc::sourceparts=$work/sources" \
    -o "Dir::State=$work" \
    -o "Dir::State::lists=$work/lists" \
    -o "Dir::State::status=$work/status" \
    -o "Dir::Cache=$work/cache" \
    -o "Acquire::Languages=none" \
    "$@"
  # The sandbox user of apt may have no access to the source tree.
  if [ "$(id -u)" -eq 0 ]; then
    set -- -o "APT::Sandbox::User=root" "$@"
  fi
  apt-get "$@"
}
