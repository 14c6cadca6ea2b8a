"""Debian's Prometheus scrapes the real spanmeter; its query API returns the right values."""

import json
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import harness
import loadgen
import otlp_wire

TRACE_ID = bytes.fromhex("000102030405060708090a0b0c0d0e0f")

CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: spanmeter
    honor_labels: true
    static_configs:
      - targets: ["{target}"]
"""


class Prometheus:
    """A running Prometheus that scrapes `server` every second."""

    def __init__(self, server, features):
        self.directory = tempfile.mkdtemp(prefix="spanmeter-prometheus-")
        config = f"{self.directory}/prometheus.yml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(target=server.http_address))
        self._log = f"{self.directory}/log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}",
                 f"--storage.tsdb.path={self.directory}/data",
                 "--web.listen-address=127.0.0.1:0", f"--enable-feature={','.join(features)}"],
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

    def _log_text(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus has ended:\n{self._log_text()}")
        match = re.search(r'msg="Listening on" address=(\S+)', self._log_text())
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

    def value(self, query):
        """The only value of an instant query, None when there is none."""
        result = self.api("query", query=query)["result"]
        if len(result) > 1:
            raise AssertionError(f"{query} has {len(result)} results")
        return float(result[0]["value"][1]) if result else None

    def target(self):
        targets = self.api("targets")["activeTargets"]
        return targets[0]


class PrometheusTest(unittest.TestCase):

    def check(self, features, scrape_format):
        with harness.Spanmeter() as server, Prometheus(server, features) as prometheus:
            # Half of the spans in (0.002, 0.004], half in (0.064, 0.128].
            now = time.time_ns()
            spans = [otlp_wire.encode_span("op", now, seconds, TRACE_ID)
                     for seconds in [0.003] * 50 + [0.1] * 50]
            code, message, _ = server.export(
                otlp_wire.encode_request({"service.name": "known"}, spans))
            self.assertEqual((code.name, message), ("OK", ""))
            with loadgen.Loadgen(server, "--scenario", "shop", "--rate", "2000",
                                 "--spans", "5000") as load:
                summary = load.summary()
            self.assertEqual(summary["refused"], {})

            series = server.series()
            harness.wait_until(
                lambda: prometheus.value("sum(traces_spanmetrics_calls_total)")
                == 100 + summary["acknowledged"], "Prometheus to have scraped everything")
            self.assertEqual(prometheus.target()["lastError"], "")
            self.assertEqual(prometheus.value('up{job="spanmeter"}'), 1)

            self.check_values(prometheus, series)
            self.check_exemplars(prometheus)
            self.assertEqual(self.formats_of_scrapes(server), {scrape_format})

    @staticmethod
    def formats_of_scrapes(server):
        """The formats in which Prometheus has scraped /metrics; our own scrapes are of others."""
        return {dict(labels)["format"] for (name, labels), value
                in server.series("/metrics/self").items()
                if name == "spanmeter_scrapes_total" and ("path", "/metrics") in labels and value}

    def check_values(self, prometheus, series):
        known = '{service="known",span_name="op",span_kind="SPAN_KIND_SERVER"}'
        self.assertEqual(prometheus.value(f"traces_spanmetrics_calls_total{known}"), 100)
        self.assertEqual(prometheus.value(f"traces_spanmetrics_latency_count{known}"), 100)
        self.assertAlmostEqual(prometheus.value(f"traces_spanmetrics_latency_sum{known}"), 5.15)
        for quantile, expected in ((0.25, 0.003), (0.5, 0.004), (0.75, 0.096)):
            self.assertAlmostEqual(
                prometheus.value(f"histogram_quantile({quantile}, "
                                 f"traces_spanmetrics_latency_bucket{known})"), expected)
        # Nothing is being sent: every series has the value of our own scrape.
        shop = [(name, dict(labels), value) for (name, labels), value in series.items()
                if ("service", "checkout") in labels]
        self.assertTrue(shop)
        for name, labels, value in shop:
            if "le" not in labels:
                selector = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
                self.assertAlmostEqual(prometheus.value(f"{name}{{{selector}}}"), value)
        bucket = "traces_spanmetrics_latency_bucket"
        self.assertEqual(prometheus.value(f'sum({bucket}{{service="checkout"}})'),
                         harness.sum_of(series, bucket, service="checkout"))

    def check_exemplars(self, prometheus):
        found = prometheus.api("query_exemplars",
                               query='traces_spanmetrics_latency_bucket{service="known"}',
                               start=time.time() - 600, end=time.time() + 60)
        exemplars = {(round(float(exemplar["value"]), 6), exemplar["labels"]["traceID"])
                     for result in found for exemplar in result["exemplars"]}
        self.assertEqual(exemplars, {(0.003, TRACE_ID.hex()), (0.1, TRACE_ID.hex())})

    def test_openmetrics_scrapes_give_the_right_answers(self):
        self.check(["exemplar-storage"], "openmetrics")

    def test_protobuf_scrapes_give_the_right_answers(self):
        self.check(["exemplar-storage", "native-histograms"], "protobuf")


if __name__ == "__main__":
    unittest.main()
