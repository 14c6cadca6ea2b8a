"""A real OpenTelemetry SDK (JavaScript) sends to the real spanmeter."""

import unittest

import harness
import sdk_client


class SdkTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        sdk_client.install()

    def check(self, compression, protocol="grpc"):
        service, count = f"sdk-{compression}", 150
        with harness.Spanmeter({"generator.span_metrics": {
                "dimensions": ["http.request.method", "deployment.environment"]}}) as server:
            trace_ids = sdk_client.send(server, compression, "users", service, count,
                                        protocol=protocol)
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

    def test_requests_of_an_sdk_by_http_in_protobuf_are_counted(self):
        for compression in ("none", "gzip"):
            with self.subTest(compression=compression):
                self.check(compression, "http/protobuf")

    def test_requests_of_an_sdk_by_http_in_json_are_counted(self):
        for compression in ("none", "gzip"):
            with self.subTest(compression=compression):
                self.check(compression, "http/json")


if __name__ == "__main__":
    unittest.main()
