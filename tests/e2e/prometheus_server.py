"""Runs a real Prometheus for tests, which scrapes a real spanmeter or is written to by it."""

import json
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

import harness

CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: spanmeter
    honor_labels: true
{extra}
    static_configs:
      - targets: ["{target}"]
"""


class Prometheus:
    """A running Prometheus that scrapes `server` every second, or nothing when that is None.

    `program` is "prometheus" (Debian 12's, 2.42) or "prometheus3"; `scrape_options` are further
    lines of the scrape configuration, `flags` further flags.
    """

    def __init__(self, server, features, program="prometheus", scrape_options=(), flags=()):
        self.directory = tempfile.mkdtemp(prefix="spanmeter-prometheus-")
        config = f"{self.directory}/prometheus.yml"
        extra = "\n".join(f"    {option}" for option in scrape_options)
        with open(config, "w", encoding="utf-8") as file:
            if server is not None:
                file.write(CONFIG.format(target=server.http_address, extra=extra))
        self._log = f"{self.directory}/log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={config}",
                 f"--storage.tsdb.path={self.directory}/data",
                 "--web.listen-address=127.0.0.1:0", f"--enable-feature={','.join(features)}",
                 *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.address = None

    def __enter__(self):
        self.address = harness.wait_until(self._listening, "Prometheus to listen")
        harness.wait_until(self._ready, "Prometheus to be ready")
        return self

    def __exit__(self, exception_type, exception, traceback):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus has ended:\n{self.log()}")
        match = re.search(r'msg="Listening on" .*?\baddress=(\S+)', self.log())
        return match and match.group(1)

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=10) as response:
                return response.status == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def _result(self, query):
        result = self.api("query", query=query)["result"]
        if len(result) > 1:
            raise AssertionError(f"{query} has {len(result)} results")
        return result[0] if result else None

    def value(self, query):
        """The only value of an instant query, None when there is none."""
        result = self._result(query)
        return float(result["value"][1]) if result else None

    def histogram(self, query):
        """The only native histogram of an instant query, None when there is none."""
        result = self._result(query)
        return result["histogram"][1] if result and "histogram" in result else None

    def target(self):
        targets = self.api("targets")["activeTargets"]
        return targets[0]
