#!/bin/sh
# Puts the source of CivetWeb, as Debian patches and ships it, into a folder.
#
# usage: packaging/fetch-civetweb.sh FOLDER
#
# The HTTP server is built from source because the packaged library has no IPv6 and cannot do TLS
# with OpenSSL 3. The source comes from wherever this machine gets its packages: the configured apt
# sources are copied into a private apt configuration that asks for source packages only. apt checks
# the signatures and the checksums as it always does. Nothing of the machine's own apt state is
# read or changed, so neither root nor a lock is needed.
#
# Does nothing when FOLDER holds the source already. Several runs at a time wait for each other.
set -eu

# shellcheck source=packaging/fetch-common.sh
. "$(dirname "$0")/fetch-common.sh"

name_folder "the source" "$@"
is_complete() { [ -f "$folder/src/civetweb.c" ] && [ -f "$folder/include/civetweb.h" ]; }

is_complete && exit 0
need_tools "apt, dpkg-dev and util-linux" apt-get apt-config dpkg-source flock
start_work

# The machine's sources, binary packages replaced by source packages. CD-ROMs are left out: apt
# would ask for them.
find_apt_sources
count=0
for file in "$list" "$parts"/*.list; do
  [ -f "$file" ] || continue
  count=$((count + 1))
  sed -n -e '/cdrom:/d' -e 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /p' "$file" |
    sort -u > "$work/sources/$count.list"
done
for file in "$parts"/*.sources; do
  [ -f "$file" ] || continue
  count=$((count + 1))
  sed -e 's/^[Tt]ypes:.*/Types: deb-src/' "$file" > "$work/sources/$count.sources"
done
[ "$count" -gt 0 ] || fail "cannot find any apt source in $list or $parts: configure a Debian mirror"

# One unreachable source among several is no obstacle; whether CivetWeb was found shows below.
private_apt update > "$work/log" 2>&1 || true
if ! (cd "$work/download" && private_apt --download-only source civetweb) >> "$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "cannot get the source package civetweb: see apt's messages above; the mirror must carry source packages"
fi
# apt has compared the files with the signed index, which is more than the signature of the .dsc
# would tell.
if ! dpkg-source --no-check -x "$work"/download/civetweb_*.dsc "$work/source" >> "$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "cannot unpack the source package civetweb: see the messages above"
fi
rm -rf "$folder"
mv "$work/source" "$folder"
is_complete || fail "cannot find src/civetweb.c in the source package civetweb: this version is laid out differently"
echo "fetch-civetweb.sh: $(basename "$work"/download/civetweb_*.dsc .dsc) is in $folder"
