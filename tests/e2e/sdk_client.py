"""Runs sdk/client.js, which sends with the OpenTelemetry SDK for JavaScript."""

import json
import pathlib
import subprocess

SDK = pathlib.Path(__file__).resolve().parent / "sdk"


def install():
    """Installs exactly what package-lock.json names, if it is not there."""
    if (SDK / "node_modules" / ".package-lock.json").exists():
        return
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=SDK,
                   check=True, timeout=300)


def send(server, compression, *scenario, protocol="grpc"):
    """Sends a scenario, see sdk/client.js; returns the ids of its traces."""
    url = (f"http://{server.grpc_address}" if protocol == "grpc"
           else f"http://{server.otlp_http_address}/v1/traces")
    result = subprocess.run(
        ["node", "client.js", protocol, url, compression, *map(str, scenario)], cwd=SDK, stdout=subprocess.PIPE, check=True, timeout=120)
    return json.loads(result.stdout)["traceIds"]
