"""Real receivers of remote write show what a scrape shows: Prometheus in both versions of the
protocol, and VictoriaMetrics."""

import math
import time
import unittest

import harness
import loadgen
import native
import otlp_wire
from prometheus_server import Prometheus
from victoria_metrics import VictoriaMetrics

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
EVERYTHING = {
    "processors": ["span-metrics", "service-graphs", "host-info"],
    "generate_native_histograms": "both",
    "collection_interval": "1s",
    "external_labels": {"instance_id": "meter-0"},
}
STALE_SECONDS = 8


def remote(url, **options):
    return {"url": url, "queue_config": {"batch_send_deadline": "0s"}, **options}


def is_stale(value):
    """Whether a value that VictoriaMetrics exports is a stale marker."""
    return value is None or math.isnan(value)


def stored(prometheus):
    """({key: value}, {key: histogram}) of an instant query for everything."""
    samples, histograms = {}, {}
    for entry in prometheus.api("query", query='{__name__=~"traces_.+"}')["result"]:
        labels = entry["metric"]
        name = labels.pop("__name__")
        key = harness.key_of(name, **labels)
        if "value" in entry:
            samples[key] = float(entry["value"][1])
        if "histogram" in entry:
            histograms[key] = entry["histogram"][1]
    return samples, histograms


class RemoteWriteTest(unittest.TestCase):

    def traffic(self, server, count=300):
        with loadgen.Loadgen(server, "--spans", str(count), "--batch", "50") as generator:
            summary = generator.summary()
        self.assertEqual(summary["acknowledged"], summary["spans"])

    def settle(self, server, received):
        """Waits until what `received()` returns is what a scrape shows; returns that."""
        shown = server.series()
        self.assertGreater(len(shown), 20)
        last = [None]

        def same():
            last[0] = received()
            return last[0] == shown
        try:
            harness.wait_until(same, "the receiver to have everything")
        except AssertionError:
            for key in sorted(shown.keys() | last[0].keys(), key=str):
                if shown.get(key) != last[0].get(key):
                    print(harness.format_key(key), shown.get(key), last[0].get(key))
            raise
        return shown

    def check_prometheus(self, program, message, features):
        with Prometheus(None, ["native-histograms", "exemplar-storage", *features], program,
                        flags=["--web.enable-remote-write-receiver"]) as prometheus:
            tables = {"generator": EVERYTHING,
                      "generator.service_graphs": {"wait": "1s"},
                      "remote_write": [remote(f"http://{prometheus.address}/api/v1/write",
                                              protobuf_message=message)]}
            with harness.Spanmeter(tables) as server:
                began = time.time()
                self.traffic(server)
                time.sleep(2)  # edges without another side
                shown = self.settle(server, lambda: stored(prometheus)[0])
                self.check_rates(prometheus, shown, began)
                self.check_native(server, prometheus)
                if "created-timestamp-zero-ingestion" in features:
                    self.check_created(server, prometheus)
                self.check_exemplars(server, prometheus)
                self.check_self_metrics(server, shown)
                return server.log()

    def check_rates(self, prometheus, shown, began):
        """The zeros let increase() see the first increments, too."""
        total = harness.sum_of(shown, "traces_spanmetrics_calls_total")
        window = math.ceil(time.time() - began) + 120
        seen = prometheus.value(f"sum(max_over_time(traces_spanmetrics_calls_total[{window}s]) - "
                                f"min_over_time(traces_spanmetrics_calls_total[{window}s]))")
        self.assertEqual(seen, total)

    def check_created(self, server, prometheus):
        """Prometheus knows when sums, which begin without a zero, began: it adds one then."""
        created = {harness.key_of(name + "_sum", **labels): seconds
                   for name, labels, seconds in native.created(
                       server.get("/metrics/generated", Accept=native.PROTOBUF)[2])}
        query = prometheus.api("query", query="traces_spanmetrics_latency_sum[10m]")["result"]
        self.assertTrue(query)
        for entry in query:
            labels = entry["metric"]
            key = harness.key_of(labels.pop("__name__"), **labels)
            zeros = [round(float(at), 3) for at, value in entry["values"] if float(value) == 0]
            self.assertEqual(zeros, [round(created[key], 3)], harness.format_key(key))

    def check_native(self, server, prometheus):
        histograms = native.scraped(
            server.get("/metrics/generated", Accept=native.PROTOBUF)[2])[0]
        self.assertTrue(histograms)
        found = stored(prometheus)[1]
        self.assertEqual({key: (float(h["count"]), float(h["sum"])) for key, h in found.items()},
                         {key: (h.count, h.sum) for key, h in histograms.items()})

    def check_exemplars(self, server, prometheus):
        shown = {sample.exemplar[0]["traceID"] for sample in
                 harness.parse_samples(server.scrape(accept=harness.OPENMETRICS)) if sample.exemplar}
        self.assertTrue(shown)
        now = time.time()
        found = {exemplar["labels"]["traceID"]
                 for series in prometheus.api("query_exemplars", start=now - 600, end=now + 60,
                                              query='{__name__=~"traces_.+"}')
                 for exemplar in series["exemplars"]}
        self.assertEqual(shown - found, set())

    def check_self_metrics(self, server, shown):
        metrics = server.series("/metrics")
        self.assertGreaterEqual(
            harness.sum_of(metrics, "spanmeter_remote_storage_samples_total"), len(shown))
        for name in ("samples", "histograms", "exemplars"):
            self.assertEqual(
                harness.sum_of(metrics, f"spanmeter_remote_storage_{name}_failed_total"), 0)
            self.assertEqual(
                harness.sum_of(metrics, f"spanmeter_remote_storage_{name}_dropped_total"), 0)

    def test_prometheus_of_debian_12_in_version_1(self):
        self.check_prometheus("prometheus", V1, [])

    def test_auto_falls_back_to_version_1_and_loses_nothing(self):
        log = self.check_prometheus("prometheus", "auto", [])
        self.assertIn("1.0", log)

    def test_prometheus_3_in_version_2(self):
        self.check_prometheus("prometheus3", V2, [])

    def test_prometheus_3_with_created_times(self):
        self.check_prometheus("prometheus3", "auto", ["created-timestamp-zero-ingestion"])

    @staticmethod
    def has_values(victoria, shown):
        """{key: [value]} without stale markers, as soon as there are some for every series."""
        values = {key: [value for _, value in points if not is_stale(value)]
                  for key, points in victoria.export().items()}
        return values if values.keys() == shown.keys() and all(values.values()) else None

    def test_victoria_metrics(self):
        with VictoriaMetrics() as victoria:
            generator = dict(EVERYTHING, generate_native_histograms="classic",
                             stale_duration=f"{STALE_SECONDS}s")
            tables = {"generator": generator,
                      "generator.service_graphs": {"wait": "1s"},
                      "remote_write": [remote(f"http://{victoria.address}/api/v1/write")]}
            with harness.Spanmeter(tables) as server:
                now = time.time_ns()
                span = otlp_wire.encode_span("op", now, 0.25, b"0123456789abcdef")
                request = otlp_wire.encode_request({"service.name": "shop"}, [span] * 7)
                self.assertEqual(server.export(request)[0].name, "OK")
                shown = server.series()
                stored_all = harness.wait_until(
                    lambda: self.has_values(victoria, shown), "VictoriaMetrics to have everything")
                for key, values in stored_all.items():
                    self.assertEqual(values[-1], shown[key], harness.format_key(key))
                    if not key[0].endswith(("_sum", "_info")):
                        self.assertEqual(values[0], 0, harness.format_key(key))
                # Series that end are told to: the last value is the marker, shown as null.
                harness.wait_until(
                    lambda: all(is_stale(points[-1][1]) for points in victoria.export().values()),
                    "stale markers")


if __name__ == "__main__":
    unittest.main()
