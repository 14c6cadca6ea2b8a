"""Runs the README's queries in a real Prometheus, and compares its tables of generated metrics.

One spanmeter with everything switched on counts the traffic of a shop; Prometheus scrapes it.
"""

import re
import struct
import sys
import time
import unittest

import readme

sys.path.insert(0, str(readme.TREE / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import loadgen  # noqa: E402  pylint: disable=wrong-import-position
import prometheus_server  # noqa: E402  pylint: disable=wrong-import-position

CONFIGURATION = {
    "generator": {
        "processors": ["span-metrics", "service-graphs", "service-graphs-connection-info", "host-info"],
        "max_active_series": 10_000,
        # Fewer than the shop has names of spans, so that the limit shows.
        "max_cardinality_per_label": 5,
    },
    "generator.span_metrics": {"enable_target_info": True},
    "generator.service_graphs": {"enable_messaging_system_latency_histogram": True},
    "generator.host_info": {"host_identifiers": ["host.name", "service.name"]},
    # Nobody is there, which is counted as well.
    "remote_write": [{"url": "http://127.0.0.1:1/api/v1/write"}],
}


PRODUCER, CONSUMER = 4, 5


def message(number, *parts):
    """A field of a protobuf message that is shorter than 16 KiB, with what is in it."""
    content = b"".join(parts)
    return bytes([number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7]) + content


def span_of(service, kind, span_id, parent_id, start, end):
    """The ResourceSpans of one span. Times are seconds."""
    times = b"".join(bytes([number << 3 | 1]) + struct.pack("<Q", int(seconds * 1e9))
                     for number, seconds in ((7, start), (8, end)))
    attribute = message(1, message(1, b"service.name"), message(2, message(1, service)))
    return message(1, message(1, attribute), message(2, message(
        2, message(1, b"t" * 16), message(2, span_id), message(4, parent_id), message(5, b"orders"),
        bytes([6 << 3, kind]), times)))


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spanmeter = cls.enter(harness.Spanmeter(CONFIGURATION))
        cls.enter(loadgen.Loadgen(cls.spanmeter, "--scenario=shop", "--rate=500"))
        cls.prometheus = cls.enter(prometheus_server.Prometheus(cls.spanmeter, ["exemplar-storage"]))

    @classmethod
    def enter(cls, context):
        result = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        return result

    def test_each_query_has_a_result(self):
        queries = readme.queries()
        self.assertGreater(len(queries), 8)
        for block, query in queries:
            with self.subTest(block=block, query=query):
                harness.wait_until(lambda q=query: self.prometheus.api("query", query=q)["result"],
                                   f"a result of {query}")

    def test_generated_metrics_are_those_of_the_tables(self):
        documented = {name: kind for name, (kind, _) in readme.metric_rows().items()
                      if name.startswith("traces_")}
        self.assertGreater(len(documented), 8)

        def exposed():
            lines = self.spanmeter.scrape("/metrics/generated").splitlines()
            return dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))

        # The shop's messages are taken before they are sent for good; this one takes a second.
        now = time.time()
        status, details, _ = self.spanmeter.export(
            span_of(b"checkout", PRODUCER, b"producer", b"", now - 3, now - 2)
            + span_of(b"shipping", CONSUMER, b"consumer", b"producer", now - 1, now))
        self.assertEqual((status.name, details), ("OK", ""))
        # Failures take their time to happen.
        for name in documented:
            harness.wait_until(lambda n=name: n in exposed(), name)
        self.assertEqual(exposed(), documented)

    def test_labels_of_generated_metrics_are_those_of_the_tables(self):
        text = readme.section("Generated metrics")

        def documented_of(name):
            return [label for label in labels_of(name) if f"`{label}`" not in text]

        def labels_of(name):
            samples = harness.parse_samples(self.spanmeter.scrape("/metrics/generated"))
            found = {label for sample in samples if sample.name == name for label in sample.labels}
            return found

        for name in ("traces_spanmetrics_calls_total", "traces_service_graph_request_total", "traces_host_info"):
            with self.subTest(name=name):
                harness.wait_until(lambda n=name: labels_of(n), f"labels of {name}")
                self.assertEqual(documented_of(name), [])


class ConnectorsNamesTest(unittest.TestCase):
    SECTION = "Dashboards made for the Collector's connectors, and Jaeger's Monitor tab"

    def test_metrics_that_the_section_names_are_there(self):
        documented = set(re.findall(r"^\| `((?:traces|target)_\w+)`", readme.section(self.SECTION), re.MULTILINE))
        self.assertGreaterEqual(len(documented), 5)
        configuration = {
            "generator": {"naming": "otel", "processors": ["span-metrics", "service-graphs"]},
            "generator.span_metrics": {"enable_target_info": True},
        }
        with harness.Spanmeter(configuration) as server, \
                loadgen.Loadgen(server, "--scenario=shop", "--rate=500"):
            for name in documented:
                harness.wait_until(lambda n=name: f"# TYPE {n} " in server.scrape("/metrics/generated"), name)


if __name__ == "__main__":
    unittest.main()
