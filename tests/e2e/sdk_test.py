"""A real OpenTelemetry SDK (JavaScript) sends to the real spanmeter."""

import json
import pathlib
import subprocess
import unittest

import harness

SDK = pathlib.Path(__file__).resolve().parent / "sdk"


def install_sdk():
    """Installs exactly what package-lock.json names, if it is not there."""
    if (SDK / "node_modules" / ".package-lock.json").exists():
        return
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=SDK,
                   check=True, timeout=300)


class SdkTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        install_sdk()

    def send(self, server, compression, service, count):
        result = subprocess.run(
            ["node", "client.js", f"http://{server.grpc_address}", compression, service,
             str(count)], cwd=SDK, stdout=subprocess.PIPE, check=True, timeout=120)
        return json.loads(result.stdout)["traceIds"]

    def check(self, compression):
        service, count = f"sdk-{compression}", 150
        with harness.Spanmeter({"generator.span_metrics": {
                "dimensions": ["http.request.method", "deployment.environment"]}}) as server:
            trace_ids = self.send(server, compression, service, count)
            samples = harness.parse_samples(server.scrape(accept=harness.OPENMETRICS))
        series = harness.series_of(samples)
        common = {"service": service, "deployment_environment": "test"}
        get = dict(common, span_name="GET /users/{id}", span_kind="SPAN_KIND_SERVER",
                   http_request_method="GET")
        ok = dict(get, status_code="STATUS_CODE_UNSET")
        failed = dict(get, status_code="STATUS_CODE_ERROR")
        load = dict(common, span_name="load user", span_kind="SPAN_KIND_INTERNAL",
                    status_code="STATUS_CODE_UNSET")
        for labels, expected in ((ok, count - 1), (failed, 1), (load, count)):
            self.assertEqual(
                series[harness.key_of("traces_spanmetrics_calls_total", **labels)], expected)
            self.assertEqual(
                series[harness.key_of("traces_spanmetrics_latency_count", **labels)], expected)
        self.assertEqual(harness.sum_of(series, "traces_spanmetrics_calls_total"), 2 * count)
        for le, expected in (("0.064", 0), ("0.128", count - 1), ("+Inf", count - 1)):
            self.assertEqual(
                series[harness.key_of("traces_spanmetrics_latency_bucket", le=le, **ok)], expected)
        self.assertAlmostEqual(
            series[harness.key_of("traces_spanmetrics_latency_sum", **load)], 0.03 * count)
        exemplars = [sample.exemplar for sample in samples
                     if sample.exemplar and sample.labels.get("status_code") == "STATUS_CODE_ERROR"]
        self.assertEqual(exemplars, [({"traceID": trace_ids[-1]}, 0.1)])

    def test_plain_requests_of_an_sdk_are_counted(self):
        self.check("none")

    def test_gzip_requests_of_an_sdk_are_counted(self):
        self.check("gzip")


if __name__ == "__main__":
    unittest.main()
