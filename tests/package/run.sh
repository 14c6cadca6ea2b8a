#!/usr/bin/env bash
#
# Checks the packages in build/packages with the tools that look for mistakes in packages, then
# installs, upgrades and removes them in Debian 12 systems: tests/package/README.md.
#
#   tests/package/run.sh                         everything
#   tests/package/run.sh deb_test.BootedTest     these tests only, as for python3 -m unittest
#
# Needs root, and what `packaging/install-deps.sh lint` installs.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly packages="${PWD}/build/packages" next="${PWD}/build/packages-next"

fail() {
  printf 'tests/package/run.sh: %s\n' "$*" >&2
  exit 1
}

check_deb() {
  lintian --allow-root --display-info --pedantic --fail-on error,warning,info,pedantic \
    "${packages}"/*.deb
}

# rpmlint fails on errors only.
check_rpm() {
  local output
  output="$(rpmlint --config packaging/rpm/rpmlint.toml "${packages}"/*.rpm)" || true
  printf '%s\n' "${output}"
  [[ "${output}" == *' 0 errors, 0 warnings, '* ]] || fail 'rpmlint has findings'
}

# The same package, but newer: cpack needs no other build for it.
make_next_rpm() {
  rm -rf "${next}"
  cpack --config build/release/CPackConfig.cmake -G RPM -R 9.9.9 -B "${next}" >/dev/null
  rm -rf "${next}/_CPack_Packages"
}

# Whether this machine lets root do what the tests of installed packages need. Containers that are
# not privileged do not.
can_boot_machines() {
  unshare --mount --pid --net --uts --ipc --fork sh -c '
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/a /mnt/b /mnt/c /mnt/d &&
      mount -t overlay overlay -o lowerdir=/mnt/a,upperdir=/mnt/b,workdir=/mnt/c /mnt/d' 2>/dev/null
}

main() {
  local -a tests=(deb_test unit_in_use_test rpm_test)
  [[ "${EUID}" -eq 0 ]] || fail 'only root may mount file systems and start containers'
  compgen -G "${packages}/*.deb" >/dev/null || fail "there are no packages in ${packages}: make package builds them"
  make_next_rpm
  if [[ "$#" -gt 0 ]]; then
    tests=("$@")
  else
    check_deb
    check_rpm
  fi
  if ! can_boot_machines; then
    printf '%s\n' 'tests/package/run.sh: SKIPPED: installing, upgrading and removing the packages.' \
      'This machine does not let root mount overlay file systems in namespaces of its own.' >&2
    return
  fi
  PATH="${PWD}/build/tools/bin:${PATH}" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/package \
    SPANMETER_PACKAGES="${packages}" SPANMETER_NEXT_PACKAGES="${next}" \
    SPANMETER_LOADGEN="${PWD}/build/release/bin/spanmeter-loadgen" \
    /usr/bin/python3 -m unittest --verbose "${tests[@]}"
}

main "$@"
