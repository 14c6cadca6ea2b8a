"""What changes or bounds labels, set up by a real configuration file: relabelling, a limit of the
values of each label, and the grouping of span names."""

import time
import unittest

import harness
import otlp_wire

CALLS = "traces_spanmetrics_calls_total"


class RelabelTest(unittest.TestCase):

    def start(self, tables):
        self.server = harness.Spanmeter(tables)
        self.addCleanup(self.server.close)
        self.server.start()

    def send(self, *spans):
        """Sends spans, each as (name, attributes), in one request."""
        now = time.time_ns()
        code, message, _ = self.server.export(otlp_wire.encode_request(
            {"service.name": "shop"},
            [otlp_wire.encode_span(name, now, seconds=0.5, attributes=attributes)
             for name, attributes in spans]))
        self.assertEqual((code.name, message), ("OK", ""))

    def calls_by(self, label):
        """{value of the label: calls}; two series with one value are a mistake."""
        found = {}
        for (name, labels), value in self.server.series().items():
            if name == CALLS:
                text = dict(labels).get(label, "")
                self.assertNotIn(text, found)
                found[text] = value
        return found

    def own(self, name, **labels):
        return harness.sum_of(self.server.series("/metrics/self"), name, **labels)

    def test_labeldrop_adds_series_up(self):
        self.start({
            "generator.relabel": [{"action": "labeldrop", "regex": "pod|span_kind"}],
            "generator.span_metrics": {"dimensions": ["pod", "zone"]},
        })
        self.assertIn("[[generator.relabel]]", self.server.config.read_text())
        self.send(("a", {"pod": "p1", "zone": "z"}), ("a", {"pod": "p2", "zone": "z"}))
        self.send(("a", {"pod": "p3", "zone": "z"}))
        series = self.server.series()
        labels = {"service": "shop", "span_name": "a", "status_code": "STATUS_CODE_UNSET",
                  "zone": "z"}
        self.assertEqual({key for key in series if key[0] == CALLS},
                         {harness.key_of(CALLS, **labels)})
        self.assertEqual(series[harness.key_of(CALLS, **labels)], 3)
        latency = "traces_spanmetrics_latency"
        self.assertEqual(series[harness.key_of(f"{latency}_bucket", le="0.512", **labels)], 3)
        self.assertEqual(series[harness.key_of(f"{latency}_bucket", le="0.256", **labels)], 0)
        self.assertEqual(series[harness.key_of(f"{latency}_sum", **labels)], 1.5)
        self.assertEqual(self.own("spanmeter_registry_active_entities"), 1)

    def test_what_drop_drops_is_counted(self):
        self.start({"generator.relabel": [
            {"action": "drop", "source_labels": ["span_name"], "regex": "GET /(health|ready)"}]})
        self.send(("GET /health", {}), ("GET /ready", {}), ("GET /healthy", {}), ("a", {}))
        self.assertEqual(self.calls_by("span_name"), {"GET /healthy": 1, "a": 1})
        self.assertEqual(self.own("spanmeter_spans_discarded_total", reason="relabeled"), 2)
        self.assertEqual(self.own("spanmeter_spans_discarded_total", reason="relabeled",
                                  processor="span-metrics"), 2)
        self.assertEqual(self.own("spanmeter_spans_received_total"), 4)

    def test_replace_folds_span_names(self):
        self.start({"generator.relabel": [
            {"source_labels": ["span_name"], "regex": "(GET|POST) /users/.*",
             "target_label": "span_name", "replacement": "$1 $${1} /users"},
            {"action": "lowercase", "source_labels": ["span_name"],
             "target_label": "span_name"}]})
        self.send(("GET /users/1", {}), ("GET /users/2", {}), ("POST /users/1", {}),
                  ("GET /carts/1", {}))
        self.assertEqual(self.calls_by("span_name"), {
            "get get /users": 2, "post post /users": 1, "get /carts/1": 1})

    def test_a_label_has_no_more_values_than_its_limit(self):
        self.start({
            "generator": {"max_cardinality_per_label": 3},
            "generator.span_metrics": {"dimensions": ["user", "zone"]},
        })
        for user in range(20):
            self.send(("a", {"user": f"u{user}", "zone": f"z{user % 2}"}))
        self.send(("a", {"user": "u1", "zone": "z1"}))
        series = self.server.series()
        by_labels = {(dict(labels)["user"], dict(labels)["zone"]): value
                     for (name, labels), value in series.items() if name == CALLS}
        self.assertEqual(by_labels, {
            ("u0", "z0"): 1, ("u1", "z1"): 2, ("u2", "z0"): 1,
            ("__cardinality_overflow__", "z0"): 8, ("__cardinality_overflow__", "z1"): 9})
        self.assertEqual(self.own("spanmeter_registry_max_label_values"), 3)
        self.assertEqual(self.own("spanmeter_registry_label_values", label="user"), 3)
        self.assertEqual(self.own("spanmeter_registry_label_values", label="zone"), 2)
        self.assertEqual(self.own("spanmeter_registry_label_values_limited_total", label="user"),
                         17)
        self.assertEqual(self.own("spanmeter_registry_label_values_limited_total", label="zone"),
                         0)
        # Of so few values the estimate misses those whose hashes fall together, now and then one.
        self.assertAlmostEqual(
            self.own("spanmeter_registry_label_values_demand_estimate", label="user"), 20, delta=4)

    def test_span_names_that_differ_in_data_become_one(self):
        self.start({"generator": {"span_name_sanitization": "enabled"}})
        for user in range(1, 101):
            self.send((f"GET /users/{user}/cart", {}), ("GET /health/check", {}))
        # The first name keeps its series.
        self.assertEqual(self.calls_by("span_name"), {
            "GET /users/1/cart": 1, "GET /users/<_>/cart": 99, "GET /health/check": 100})
        self.assertEqual(self.own("spanmeter_span_names_sanitized_total"), 99)
        self.assertEqual(self.own("spanmeter_span_name_templates"), 1)
        self.assertEqual(self.own("spanmeter_span_name_patterns_detected_total"), 2)
        self.assertEqual(self.own("spanmeter_registry_active_entities"), 3)


if __name__ == "__main__":
    unittest.main()
