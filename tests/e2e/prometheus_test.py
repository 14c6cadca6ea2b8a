"""Debian's Prometheus scrapes the real spanmeter; its query API returns the right values."""

import json
import time
import unittest

import harness
import loadgen
import otlp_wire
from prometheus_server import Prometheus

TRACE_ID = bytes.fromhex("000102030405060708090a0b0c0d0e0f")

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
