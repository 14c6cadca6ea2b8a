#!/usr/bin/env bash
#
# Starts spanmeter and sends it the traffic of a small shop until Ctrl-C, which stops both.
#
#   packaging/demo.sh BIN_DIR CONFIG DATA_DIR
#
# Sends to 127.0.0.1:4317, so CONFIG must listen there, as etc/spanmeter.toml does.

set -euo pipefail
# Both programs get process groups of their own, so that Ctrl-C reaches this script alone.
set -m

readonly bin_dir="$1"
readonly config="$2"
readonly data_dir="$3"
readonly host=127.0.0.1
readonly port=4317

port_is_open() {
  (exec 3<>"/dev/tcp/${host}/${port}") 2>/dev/null
}

if port_is_open; then
  printf 'demo: cannot use port %s: something listens there already; stop it first\n' "${port}" >&2
  exit 1
fi

"${bin_dir}/spanmeter" --config.file="${config}" --storage.path="${data_dir}" &
readonly server="$!"
loadgen=''

# However this ends, the traffic stops first and the server has the last word.
stop() {
  trap - EXIT INT TERM
  if [[ -n "${loadgen}" ]]; then
    kill -TERM "${loadgen}" 2>/dev/null || true
    wait "${loadgen}" 2>/dev/null || true
  fi
  kill -TERM "${server}" 2>/dev/null || true
  wait "${server}" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 0' INT TERM

until port_is_open; do
  if ! kill -0 "${server}" 2>/dev/null; then
    wait "${server}"
    exit 1
  fi
  sleep 0.1
done

"${bin_dir}/spanmeter-loadgen" --target="${host}:${port}" --scenario=shop &
loadgen="$!"

printf '\ndemo: the shop is open. Look at http://%s:9797/metrics/generated; Ctrl-C closes it.\n\n' "${host}"

# Ends when either program ends or a signal arrives.
wait -n "${server}" "${loadgen}"
