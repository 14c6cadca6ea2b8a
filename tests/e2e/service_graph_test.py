"""Edges between services whose spans a real OpenTelemetry SDK (JavaScript) sends."""

import unittest

import harness
import sdk_client

REQUESTS = "traces_service_graph_request_total"
FAILED = "traces_service_graph_request_failed_total"
COUNT = 20

# What client.js says of its shop. Each edge has the label virtual_node, which tells the side that
# sends no spans.
PLAIN = {"client": "frontend", "server": "cart"}
DATABASE = {"client": "cart", "server": "db.internal", "connection_type": "database"}
MESSAGES = {"client": "frontend", "server": "shipping", "connection_type": "messaging_system"}
CUSTOMERS = {"client": "user", "server": "frontend", "connection_type": "virtual_node",
             "virtual_node": "client"}
BANK = {"client": "frontend", "server": "bank", "connection_type": "virtual_node",
        "virtual_node": "server"}
EDGES = (PLAIN, DATABASE, MESSAGES, CUSTOMERS, BANK)


class ServiceGraphTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        sdk_client.install()
        cls.server = harness.Spanmeter({
            "generator": {"processors": ["span-metrics", "service-graphs",
                                         "service-graphs-connection-info", "host-info"]},
            "generator.service_graphs": {"wait": "2s", "enable_virtual_node_label": True},
        })
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.trace_ids = sdk_client.send(cls.server, "gzip", "shop", COUNT)
        # The bank sends no spans, so its edges come when the clients have waited in vain.
        harness.wait_until(
            lambda: harness.sum_of(cls.server.series(), REQUESTS, server="bank") == COUNT,
            "the edges to the bank")
        cls.samples = harness.parse_samples(cls.server.scrape(accept=harness.OPENMETRICS))
        cls.series = harness.series_of(cls.samples)
        cls.own = cls.server.series("/metrics/self")

    def expect(self, name, edges):
        """The metric has exactly these series, given as pairs of labels and value."""
        self.assertEqual({key: value for key, value in self.series.items() if key[0] == name},
                         {harness.key_of(name, **labels): value for labels, value in edges})

    def test_each_pair_of_services_is_one_edge_with_all_its_requests(self):
        self.expect(REQUESTS, [(edge, COUNT) for edge in EDGES])

    def test_an_edge_has_failed_when_either_side_says_so(self):
        self.expect(FAILED, [(edge, 1) for edge in (PLAIN, BANK)])

    def test_latencies_are_those_of_each_side(self):
        for side, seconds in (
                ("client", {0.08: (PLAIN, DATABASE, MESSAGES, BANK), 0.06: (CUSTOMERS,)}),
                # Whose side was not seen has the other side's.
                ("server", {0.06: (PLAIN, MESSAGES, CUSTOMERS), 0.08: (DATABASE, BANK)})):
            name = f"traces_service_graph_request_{side}_seconds"
            self.expect(f"{name}_count", [(edge, COUNT) for edge in EDGES])
            for latency, edges in seconds.items():
                for edge in edges:
                    self.assertAlmostEqual(self.series[harness.key_of(f"{name}_sum", **edge)],
                                           COUNT * latency, msg=f"{side} of {edge}")
                    self.assertEqual(
                        self.series[harness.key_of(f"{name}_bucket", le="0.1", **edge)], COUNT)

    def test_exemplars_are_of_the_traces_that_were_sent(self):
        found = {sample.exemplar[0]["traceID"] for sample in self.samples
                 if sample.exemplar and sample.name.startswith("traces_service_graph")}
        self.assertTrue(found)
        self.assertLessEqual(found, set(self.trace_ids))

    def test_connection_info_has_one_series_for_each_edge(self):
        self.expect("traces_service_graph_connection_info", [(edge, 1) for edge in EDGES])

    def test_host_info_has_the_hosts_of_the_resources(self):
        self.expect("traces_host_info", [
            ({"grafana_host_id": host, "host_source": "host.id"}, 1)
            for host in ("host-1", "host-2")])

    def test_span_metrics_count_the_same_spans(self):
        self.assertEqual(harness.sum_of(self.series, "traces_spanmetrics_calls_total"), 7 * COUNT)
        self.assertEqual(harness.sum_of(self.own, "spanmeter_spans_received_total"), 7 * COUNT)

    def test_the_own_metrics_account_for_every_span(self):
        edges = {dict(labels)["type"]: value for (name, labels), value in self.own.items()
                 if name == "spanmeter_service_graph_edges_total"}
        self.assertEqual({kind: value for kind, value in edges.items() if value}, {
            "call": COUNT, "database": COUNT, "messaging_system": COUNT,
            "virtual_node": 2 * COUNT})
        for name in ("spanmeter_service_graph_waiting_spans",
                     "spanmeter_service_graph_expired_spans_total",
                     "spanmeter_service_graph_evicted_spans_total"):
            self.assertEqual(harness.sum_of(self.own, name), 0, name)


if __name__ == "__main__":
    unittest.main()
