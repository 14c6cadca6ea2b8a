#!/bin/sh
# Puts a Prometheus of the 3.x series into a folder; its program is then FOLDER/usr/bin/prometheus.
#
# usage: packaging/fetch-prometheus3.sh FOLDER
#
# Debian 12 has Prometheus 2.42, which knows neither exemplars of native histograms nor created
# times. The package of Debian's suite unstable holds statically linked programs, which run here as
# well. It comes from wherever this machine gets its packages: those of the configured apt sources
# that name this release are copied into a private apt configuration, with the other suite. apt
# checks the signatures and the checksums as it always does. The package is unpacked and none of
# its scripts run; nothing else of that suite is fetched, and the machine's own apt state is neither
# used nor changed, so neither root nor a lock is needed.
#
# Does nothing when FOLDER holds the program already. Several runs at a time wait for each other.
set -eu

suite=unstable

# shellcheck source=packaging/fetch-common.sh
. "$(dirname "$0")/fetch-common.sh"

name_folder "Prometheus" "$@"
is_complete() { [ -x "$folder/usr/bin/prometheus" ]; }

is_complete && exit 0
need_tools "apt, dpkg and util-linux" apt-get apt-config dpkg-deb flock
start_work

# Other vendors' sources have suites of other names, and so have updates and security.
release=$(sed -n 's/^VERSION_CODENAME="\{0,1\}\([a-z]*\).*/\1/p' /etc/os-release)
[ -n "$release" ] || fail "cannot find VERSION_CODENAME in /etc/os-release: this is not a release of Debian"

find_apt_sources
for file in "$list" "$parts"/*.list; do
  [ -f "$file" ] || continue
  # deb [options] URI suite component...
  sed -n -E -e '/cdrom:/d' \
    -e "s/^[[:space:]]*deb[[:space:]]+((\\[[^]]*\\][[:space:]]+)?[^[:space:]]+)[[:space:]]+${release}[[:space:]].*/deb \\1 $suite main/p" \
    "$file" >> "$work/found.list"
done
for file in "$parts"/*.sources; do
  [ -f "$file" ] || continue
  # Of each paragraph that names this release: its fields, with the other suite.
  awk -v release="$release" -v suite="$suite" '
    function flush() {
      if (ours && !off) printf "%s\n", paragraph
      paragraph = ""; ours = 0; off = 0
    }
    /^#/ { next }
    /^[[:space:]]*$/ { flush(); next }
    {
      name = tolower($1)
      if (name == "suites:") {
        for (i = 2; i <= NF; i++) if ($i == release) ours = 1
        $0 = "Suites: " suite
      }
      if (name == "types:") $0 = "Types: deb"
      if (name == "components:") $0 = "Components: main"
      if (name == "enabled:" && tolower($2) == "no") off = 1
      paragraph = paragraph $0 "\n"
    }
    END { flush() }' "$file" >> "$work/found.sources"
done
[ ! -s "$work/found.list" ] || sort -u "$work/found.list" > "$work/sources/found.list"
[ ! -s "$work/found.sources" ] || mv "$work/found.sources" "$work/sources/found.sources"
[ -n "$(ls "$work/sources")" ] ||
  fail "cannot find an apt source for $release in $list or $parts: configure a Debian mirror"

# One unreachable source among several is no obstacle; whether Prometheus was found shows below.
private_apt update > "$work/log" 2>&1 || true
if ! (cd "$work/download" && private_apt download prometheus) >> "$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "cannot get the package prometheus of $suite: see apt's messages above; the mirror must carry that suite"
fi
mkdir "$work/unpacked"
if ! dpkg-deb --extract "$work"/download/prometheus_*.deb "$work/unpacked" >> "$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "cannot unpack the package prometheus: see the messages above"
fi
rm -rf "$folder"
mv "$work/unpacked" "$folder"
is_complete || fail "cannot find usr/bin/prometheus in the package prometheus: this version is laid out differently"
echo "fetch-prometheus3.sh: $(basename "$work"/download/prometheus_*.deb .deb) is in $folder"
