"""Prometheus scrapes native histograms and created times; its queries give the right answers."""

import math
import random
import time
import unittest

import harness
import otlp_wire
from prometheus_server import Prometheus

METRIC = "traces_spanmetrics_latency"
# Adjacent bounds of schema 3, which is that of the default bucket factor 1.1.
BUCKET_RATIO = 2 ** (1 / 8)
QUANTILES = (0.1, 0.5, 0.9, 0.99)


def trace_id(number):
    return number.to_bytes(16, "big")


def weighted_quantile(observations, quantile):
    """The value that `quantile` of the weight is not above; observations are (value, weight)."""
    rank = quantile * sum(weight for _, weight in observations)
    below = 0
    for value, weight in sorted(observations):
        below += weight
        if below >= rank:
            return value
    return math.nan


class NativeHistogramTest(unittest.TestCase):

    def send(self, server, service, spans):
        code, message, _ = server.export(
            otlp_wire.encode_request({"service.name": service}, spans))
        self.assertEqual((code.name, message), ("OK", ""))

    def observe(self, server, prometheus, ratios):
        """Sends spans with latencies of a real service's shape, sampled with each of the ratios in
        turn, and waits until Prometheus has them. Returns (latency, weight) of each."""
        rng = random.Random(20260131)
        now = time.time_ns()
        observations, spans = [], []
        for i in range(2000):
            # As it will be: nanoseconds, and now and then nothing at all.
            seconds = 0.0 if i % 100 == 0 else round(rng.lognormvariate(-3, 1.2), 9)
            ratio = ratios[i % len(ratios)]
            observations.append((seconds, 1 / ratio))
            spans.append(otlp_wire.encode_span("op", now, seconds, trace_id(i + 1),
                                               attributes={"ratio": ratio}))
        self.send(server, "shop", spans)
        total = sum(weight for _, weight in observations)
        harness.wait_until(
            lambda: math.isclose(prometheus.value(f"histogram_count({METRIC})") or 0, total),
            "Prometheus to have scraped the histogram")
        self.assertEqual(prometheus.target()["lastError"], "")
        return observations

    def check_quantiles(self, prometheus, observations):
        self.assertAlmostEqual(prometheus.value(f"histogram_sum({METRIC})"),
                               sum(value * weight for value, weight in observations), places=6)
        for quantile in QUANTILES:
            exact = weighted_quantile(observations, quantile)
            found = prometheus.value(f"histogram_quantile({quantile}, {METRIC})")
            self.assertLessEqual(max(exact / found, found / exact), BUCKET_RATIO * (1 + 1e-9),
                                 f"quantile {quantile}: {found} instead of {exact}")
        below = sum(weight for value, weight in observations if value <= 0.125)
        total = sum(weight for _, weight in observations)
        self.assertAlmostEqual(prometheus.value(f"histogram_fraction(0, 0.125, {METRIC})"),
                               below / total, places=6)

    def check(self, kind, ratios, program="prometheus"):
        tables = {"generator": {"generate_native_histograms": kind},
                  "generator.span_metrics": {"span_multiplier_key": "ratio"}}
        with harness.Spanmeter(tables) as server, \
                Prometheus(server, ["native-histograms"], program) as prometheus:
            observations = self.observe(server, prometheus, ratios)
            self.check_quantiles(prometheus, observations)
            self.assertAlmostEqual(prometheus.value("traces_spanmetrics_calls_total"),
                                   prometheus.value(f"histogram_count({METRIC})"), places=6)
            histogram = prometheus.histogram(METRIC)
            self.assertEqual(float(histogram["buckets"][0][1]), -2.938735877055719e-39)
            self.assertAlmostEqual(float(histogram["buckets"][0][3]),
                                   sum(weight for value, weight in observations if value == 0))
            for _, low, high, _ in histogram["buckets"][1:]:
                self.assertAlmostEqual(float(high) / float(low), BUCKET_RATIO)

    def test_quantiles_are_right_within_the_bucket_factor(self):
        self.check("native", [1.0])

    def test_quantiles_of_sampled_spans_are_those_of_all(self):
        self.check("native", [0.4, 1.0, 0.3])

    def test_both_kinds_are_scraped_as_native(self):
        self.check("both", [0.4, 1.0])

    def test_prometheus_3_reads_native_histograms(self):
        self.check("native", [0.4, 1.0], program="prometheus3")

    def test_a_histogram_of_nothing_but_zeros_is_native(self):
        tables = {"generator": {"generate_native_histograms": "native"}}
        with harness.Spanmeter(tables) as server, \
                Prometheus(server, ["native-histograms"]) as prometheus:
            self.send(server, "shop", [otlp_wire.encode_span("op", time.time_ns(), 0)] * 3)
            harness.wait_until(lambda: prometheus.value(f"histogram_count({METRIC})") == 3,
                               "Prometheus to have scraped the histogram")
            self.assertEqual(prometheus.value(f"histogram_quantile(0.5, {METRIC})"), 0)

    def test_exemplars_of_native_histograms_are_found(self):
        tables = {"generator": {"generate_native_histograms": "native"}}
        with harness.Spanmeter(tables) as server, \
                Prometheus(server, ["native-histograms", "exemplar-storage"],
                           "prometheus3") as prometheus:
            now = time.time_ns()
            self.send(server, "shop", [otlp_wire.encode_span("op", now, seconds, trace_id(i + 1))
                                       for i, seconds in enumerate((0.002, 0.03, 0.4))])

            def exemplars():
                found = prometheus.api("query_exemplars", query=METRIC, start=time.time() - 600,
                                       end=time.time() + 60)
                return {(round(float(exemplar["value"]), 9), exemplar["labels"]["traceID"])
                        for result in found for exemplar in result["exemplars"]}

            expected = {(seconds, trace_id(i + 1).hex())
                        for i, seconds in enumerate((0.002, 0.03, 0.4))}
            harness.wait_until(lambda: exemplars() == expected,
                               f"the exemplars, instead of {exemplars()}")


class CreatedTimeTest(unittest.TestCase):
    """A series that is there for the first time has grown from zero when it was created."""

    CALLS = 'traces_spanmetrics_calls_total{service="new"}'

    def increase(self, features, tables=None, scrape_options=()):
        """What Prometheus sees of the 5 spans that a series begins with."""
        with harness.Spanmeter(tables) as server, \
                Prometheus(server, features, "prometheus3", scrape_options) as prometheus:
            harness.wait_until(lambda: prometheus.value("up") == 1, "the first scrape")
            spans = [otlp_wire.encode_span("op", time.time_ns(), 0.01)] * 5
            code, _, _ = server.export(otlp_wire.encode_request({"service.name": "new"}, spans))
            self.assertEqual(code.name, "OK")
            harness.wait_until(
                lambda: (prometheus.value(f"count_over_time({self.CALLS}[5m])") or 0) >= 4,
                "four samples of the new series")
            self.assertEqual(prometheus.target()["lastError"], "")
            return prometheus.value(f"increase({self.CALLS}[5m])")

    def test_without_created_times_the_first_increment_is_not_seen(self):
        self.assertEqual(self.increase(["native-histograms"]), 0)

    def test_protobuf_scrapes_show_the_first_increment(self):
        increase = self.increase(["created-timestamp-zero-ingestion"])
        # Prometheus extrapolates by up to half an interval at the end.
        self.assertGreaterEqual(increase, 5)
        self.assertLess(increase, 7.5)

    def test_openmetrics_scrapes_with_created_samples_show_the_first_increment(self):
        increase = self.increase(["created-timestamp-zero-ingestion"],
                                 {"http": {"openmetrics_created": True}},
                                 ["scrape_protocols: [OpenMetricsText1.0.0]"])
        self.assertGreaterEqual(increase, 5)
        self.assertLess(increase, 7.5)


if __name__ == "__main__":
    unittest.main()
