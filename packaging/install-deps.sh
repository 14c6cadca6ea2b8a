#!/usr/bin/env bash
#
# Installs the Debian 12 packages that a group of tasks needs, and only those that are missing. When
# nothing is missing, apt is not called at all.
#
#   packaging/install-deps.sh GROUP...         run, package, test or lint
#   packaging/install-deps.sh --list GROUP...  only print the packages, one a line
#
# Needs root, or sudo. Everything that is no package of the system goes to build/tools.

set -euo pipefail

source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly tools_dir="${source_dir}/build/tools"

# What it takes to build and start spanmeter. dpkg-dev unpacks the source package of CivetWeb.
readonly build_packages=(
  ca-certificates
  ccache
  cmake
  dpkg-dev
  g++
  libabsl-dev
  libboost1.81-dev
  libcrypt-dev
  libcurl4-openssl-dev
  libdeflate-dev
  libgrpc++-dev
  libisal-dev
  libprotobuf-dev
  libre2-dev
  libsnappy-dev
  libsqlite3-dev
  libssl-dev
  libsystemd-dev
  libtomlplusplus-dev
  libxxhash-dev
  libyaml-cpp-dev
  ninja-build
  nlohmann-json3-dev
  node-dagre-layout
  pkg-config
  prometheus-cpp-dev
  protobuf-compiler
  protobuf-compiler-grpc
  rapidjson-dev
  zlib1g-dev
)

# What it takes to make packages of it on top: rpmbuild. Those of Debian need dpkg-dev, see above.
readonly package_packages=(
  rpm
)

# What the tests and the benchmarks need on top.
readonly test_packages=(
  curl
  libbenchmark-dev
  libfaketime
  libgmock-dev
  libgtest-dev
  mandoc
  openssl
  python3
  python3-grpcio
  python3-jsonschema
  python3-prometheus-client
  python3-protobuf
  python3-snappy
  python3-yaml
  systemd
)

# What the longer checks of .ci/run need on top.
readonly lint_packages=(
  chromium
  clang
  clang-format
  clang-tidy
  cpio
  libclang-rt-14-dev
  libjemalloc-dev
  libjemalloc2
  lintian
  mmdebstrap
  rpmlint
  shellcheck
  systemd-container
)

fail() {
  printf 'install-deps: %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# Prints the packages of the groups given.
packages_of() {
  local group
  for group in "$@"; do
    case "${group}" in
      run) printf '%s\n' "${build_packages[@]}" ;;
      package) printf '%s\n' "${build_packages[@]}" "${package_packages[@]}" ;;
      test)
        printf '%s\n' "${build_packages[@]}" "${test_packages[@]}"
        # Any Node.js will do, also one that did not come from Debian.
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        ;;
      lint)
        packages_of package test
        printf '%s\n' "${lint_packages[@]}"
        ;;
      *) fail "cannot install the group \"${group}\": there are run, package, test and lint" ;;
    esac
  done | sort -u
}

is_installed() {
  local status
  status="$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" || return 1
  [[ "${status}" == installed ]]
}

# Runs a command as root.
as_root() {
  if [[ "${EUID}" -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet \
    --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

apt_update() {
  as_root apt-get update --quiet -o DPkg::Lock::Timeout=300
}

# Says whether apt's lists know all of the packages; on a fresh machine there are no lists.
apt_knows() {
  local package
  for package in "$@"; do
    apt-cache show --no-all-versions "${package}" >/dev/null 2>&1 || return 1
  done
}

install_packages() {
  local -a missing=()
  local package
  for package in "$@"; do
    is_installed "${package}" || missing+=("${package}")
  done
  if [[ "${#missing[@]}" -eq 0 ]]; then
    return
  fi
  if [[ "${EUID}" -ne 0 ]] && ! command -v sudo >/dev/null; then
    fail "cannot install ${missing[*]}: neither root nor sudo. Let an administrator run:
  apt-get install --no-install-recommends ${missing[*]}"
  fi
  printf 'install-deps: installing %s\n' "${missing[*]}"

  local updated=no
  if ! apt_knows "${missing[@]}"; then
    apt_update
    updated=yes
  fi
  # Old lists may name versions that the mirror no longer has; fresh lists help then.
  if ! apt_install "${missing[@]}"; then
    [[ "${updated}" == no ]] || fail "cannot install ${missing[*]}: see the messages of apt-get above"
    apt_update
    apt_install "${missing[@]}"
  fi
}

# Puts programs of a Debian package into build/tools/bin, unless the machine has them:
#
#   unpack_package PACKAGE PROGRAM...
#
# Installing the package of a server would also start it, now and at every boot (a policy-rc.d only
# prevents the former). The tests only need the programs, so the package is unpacked and none of its
# scripts run: no user, no service, nothing to clean up.
unpack_package() {
  local package="$1" program is_complete=yes
  shift
  for program in "$@"; do
    command -v "${program}" >/dev/null || [[ -x "${tools_dir}/bin/${program}" ]] || is_complete=no
  done
  [[ "${is_complete}" == no ]] || return 0
  apt_knows "${package}" || apt_update
  printf 'install-deps: unpacking %s into build/tools\n' "${package}"
  rm -rf "${tools_dir:?}/${package}"
  mkdir -p "${tools_dir}/${package}" "${tools_dir}/bin"
  (
    cd "${tools_dir}/${package}"
    # The unprivileged user that apt downloads as could not write here.
    if ! apt-get download --quiet -o APT::Sandbox::User=root "${package}"; then
      apt_update
      apt-get download --quiet -o APT::Sandbox::User=root "${package}"
    fi
    dpkg-deb --extract "${package}"_*.deb .
    rm "${package}"_*.deb
  )
  for program in "$@"; do
    local place=bin
    [[ -e "${tools_dir}/${package}/usr/bin/${program}" ]] || place=sbin
    ln -sfn "../${package}/usr/${place}/${program}" "${tools_dir}/bin/${program}"
  done
}

# Puts prometheus3, a Prometheus that is newer than Debian 12's, into build/tools/bin: tests compare
# with it what that one does not know.
unpack_prometheus3() {
  "${source_dir}/packaging/fetch-prometheus3.sh" "${tools_dir}/prometheus3"
  mkdir -p "${tools_dir}/bin"
  ln -sfn ../prometheus3/usr/bin/prometheus "${tools_dir}/bin/prometheus3"
}

main() {
  local list=no
  if [[ "${1:-}" == --list ]]; then
    list=yes
    shift
  fi
  [[ "$#" -gt 0 ]] || usage
  local packages
  packages="$(packages_of "$@")"
  if [[ "${list}" == yes ]]; then
    printf '%s\n' "${packages}"
    return
  fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "cannot install packages: this is not Debian or a relative. Needed (by their names in Debian 12):
${packages}"
  fi
  local -a names
  mapfile -t names <<<"${packages}"
  install_packages "${names[@]}"
  local group
  for group in "$@"; do
    if [[ "${group}" == test || "${group}" == lint ]]; then
      unpack_package prometheus prometheus promtool
      unpack_package victoria-metrics victoria-metrics
      unpack_package nginx nginx
      unpack_prometheus3
      break
    fi
  done
}

main "$@"
