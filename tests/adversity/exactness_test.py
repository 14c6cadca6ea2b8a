"""Whatever goes on at the same time, every counter equals what was acknowledged."""

import threading
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import loadgen
import otlp_wire

CONNECTIONS = 32
SECONDS = 12
LABEL_SETS = 60
# Those of short lives are touched for one period and left alone for the others.
STALE = "3s"
PERIODS = 5
TENANTS = ["a", "b", "c"]


class Reloads:
    """Reloads every second, with other options each time that leave all series alone."""

    def __init__(self, server, tables):
        self._server = server
        self._tables = tables
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, exception_type, exception, traceback):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(1):
            self.count += 1
            generator = dict(self._tables["generator"],
                             max_active_series=1_000_000 + self.count,
                             max_label_value_length=1000 + self.count)
            self._server.configure(dict(self._tables, generator=generator))
            self._server.hang_up()


class ExactnessTest(unittest.TestCase):

    def start(self, tables):
        server = harness.Spanmeter(tables)
        self.addCleanup(server.close)
        server.start()
        return server

    def check_reloads(self, server, reloads):
        self.assertGreater(reloads.count, SECONDS / 2)
        self.assertGreater(
            adversity.self_value(server, "spanmeter_config_reloads_total", result="success"), 2)
        self.assertEqual(
            adversity.self_value(server, "spanmeter_config_reloads_total", result="failure"), 0)

    def test_every_span_of_32_connections_is_counted_once(self):
        tables = {"http": {"openmetrics_created": True},
                  "generator": {"processors": ["span-metrics", "service-graphs"]}}
        server = self.start(tables)
        with adversity.Scrapes(server) as scrapes, Reloads(server, tables) as reloads, \
                loadgen.Loadgen(server, f"--connections={CONNECTIONS}", f"--duration={SECONDS}s",
                                "--batch=100", f"--label-sets={LABEL_SETS}", "--in-flight=2",
                                "--rate=200000") as load, \
                loadgen.Loadgen(server, "--scenario=shop", "--rate=2000",
                                f"--duration={SECONDS}s") as shop:
            acknowledged = load.summary(), shop.summary()
        for summary in acknowledged:
            self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
        scrapes.finish()
        sent = sum(summary["acknowledged"] for summary in acknowledged)
        self.assertGreater(sent, 100_000)
        series = server.series()
        self.assertEqual(harness.sum_of(series, adversity.CALLS), sent)
        self.assertEqual(harness.sum_of(series, adversity.COUNT), sent)
        self.assertEqual(adversity.self_value(server, "spanmeter_spans_received_total"), sent)
        self.assertEqual(adversity.self_value(server, "spanmeter_spans_discarded_total"), 0)
        # All metrics of an edge belong together, too.
        edges = harness.sum_of(series, "traces_service_graph_request_total")
        self.assertGreater(edges, 0)
        for side in ("client", "server"):
            self.assertEqual(
                harness.sum_of(series, f"traces_service_graph_request_{side}_seconds_count"), edges)
        # Nothing expired, so each label set had one life.
        self.assertEqual(scrapes.expired, 0)
        self.assertGreater(scrapes.count, SECONDS)
        self.check_reloads(server, reloads)

    def send(self, connections, index, ledger, problems):
        """What one connection sends: spans of long and of short lives, of one tenant."""
        tenant = TENANTS[index % len(TENANTS)]
        metadata = [("x-scope-orgid", tenant)]
        began = time.monotonic()
        number = 0
        while time.monotonic() < began + SECONDS:
            period = int(time.monotonic() - began) % PERIODS
            names = [f"{tenant} short {period} {number % 4}"] * 3 + [
                f"{tenant} long {number % 7}"] * 5
            number += 1
            request, _ = adversity.request_of(names)
            error = connections.export(index, request, metadata)
            if error is not None:
                problems.append(error)
                return
            for name in names:
                ledger[name] = ledger.get(name, 0) + 1

    def test_nothing_is_lost_or_doubled_where_series_expire_and_come_back(self):
        tables = {"http": {"openmetrics_created": True},
                  "tenancy": {"enabled": True},
                  "generator": {"processors": ["span-metrics"], "stale_duration": STALE},
                  "tenants.b": {"span_metrics.histogram_buckets": [0.001, 0.1, 5.0]}}
        server = self.start(tables)
        ledgers = [{} for _ in range(CONNECTIONS)]
        problems = []
        with adversity.Connections(server, CONNECTIONS) as connections, \
                adversity.Scrapes(server) as scrapes, Reloads(server, tables) as reloads:
            threads = [threading.Thread(target=self.send,
                                        args=(connections, index, ledgers[index], problems))
                       for index in range(CONNECTIONS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(problems, [])
            # A last look at everything before it expires.
            scrapes.finish()
            self.check_reloads(server, reloads)
        expected = {}
        for ledger in ledgers:
            for name, spans in ledger.items():
                expected[name] = expected.get(name, 0) + spans
        self.assertEqual(scrapes.totals("traces_spanmetrics_calls", "span_name"), expected)
        self.assertEqual(scrapes.totals("traces_spanmetrics_latency", "span_name"), expected)
        # Spans of one name are equally long.
        now = time.time_ns()
        self.assertEqual(
            scrapes.totals("traces_spanmetrics_size", "span_name"),
            {name: count * len(otlp_wire.encode_span(name, now))
             for name, count in expected.items()})
        # It was a test: what has short lives had several, and what has long ones had one.
        lives = {}
        for name, labels, _ in scrapes.lives:
            if name == "traces_spanmetrics_calls":
                lives[labels] = lives.get(labels, 0) + 1
        for labels, count in lives.items():
            if " short " in labels:
                self.assertGreater(count, 1, labels)
            else:
                self.assertEqual(count, 1, labels)
        self.assertGreater(scrapes.expired, 0)


if __name__ == "__main__":
    unittest.main()
