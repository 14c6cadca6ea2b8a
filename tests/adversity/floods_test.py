"""Floods of what no memory would suffice for: the limit holds, and totals stay exact."""

import random
import string
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import otlp_wire
from adversity import MIB

FLOOD = 150_000
BATCH = 2_000
# Without a limit each label set of the flood would take 444 bytes, as README's section on sizing
# says: 64 MiB for all. What one under test may take beside what its limit allows: buffers and
# updates of the requests (each of 0.2 MiB, at most 4 at a time), and the steps of 1 MiB in which
# the heap of each of malloc's arenas grows.
SLACK_BYTES = 24 * MIB
LABEL_SET_SERIES = 19
BREAKS = " /.:_-,;|&=?()[]{}<>@#"


def wire_id(number, size):
    return (number + 1).to_bytes(size, "big")


class FloodsTest(unittest.TestCase):

    def start(self, **tables):
        server = harness.Spanmeter(tables)
        self.addCleanup(server.close)
        server.start()
        # What everything takes that is there once anything was received.
        request, _ = adversity.request_of(["first"] * BATCH)
        with adversity.Connections(server, 4) as connections:
            self.assertEqual(connections.export_all(
                [request] * 8, lambda _: [("x-scope-orgid", "first")]), [None] * 8)
        server.scrape()
        self.before = adversity.memory_bytes(server, "VmHWM")
        self.first = 8 * BATCH
        return server

    def flood(self, server, span_of, count=FLOOD):
        """Sends `count` spans, four requests at a time; all of them must be acknowledged."""
        now = time.time_ns()
        attributes = {"service.name": "shop"}
        requests = (otlp_wire.encode_request(
            attributes, [span_of(number, now) for number in range(begin, begin + BATCH)])
            for begin in range(0, count, BATCH))
        with adversity.Connections(server, 4) as connections:
            errors = connections.export_all(requests)
        self.assertEqual([error for error in errors if error is not None], [])

    def grown_bytes(self, server):
        return adversity.memory_bytes(server, "VmHWM") - self.before

    def check_total(self, server):
        series = server.series()
        for name in (adversity.CALLS, adversity.COUNT):
            self.assertEqual(harness.sum_of(series, name), self.first + FLOOD)
        self.assertEqual(
            adversity.self_value(server, "spanmeter_spans_received_total"), self.first + FLOOD)
        self.assertEqual(adversity.self_value(server, "spanmeter_spans_discarded_total"), 0)
        return series

    def own(self, server, name, **labels):
        return adversity.self_value(server, "spanmeter_" + name, **labels)

    def test_unique_names_fill_no_more_than_the_limit_of_series(self):
        places = 100
        server = self.start(generator={"max_active_series": places * LABEL_SET_SERIES})
        self.flood(server, lambda number, now: otlp_wire.encode_span(f"unique {number}", now))
        series = self.check_total(server)
        self.assertEqual(self.own(server, "registry_active_series"), places * LABEL_SET_SERIES)
        self.assertEqual(self.own(server, "registry_active_entities"), places)
        limited = FLOOD - (places - 1)
        self.assertEqual(
            harness.sum_of(series, adversity.CALLS, metric_overflow="true"), limited)
        self.assertEqual(self.own(server, "registry_updates_limited_total"), limited)
        # What there would be is known, to some standard errors of 3.25 %.
        self.assertAlmostEqual(self.own(server, "registry_active_entities_demand_estimate"),
                               FLOOD + 1, delta=0.15 * FLOOD)
        self.assertLess(self.grown_bytes(server), SLACK_BYTES)

    def test_unique_names_fill_no_more_than_the_limit_of_entities(self):
        places = 100
        server = self.start(generator={"limiter_type": "entity", "max_active_entities": places})
        self.flood(server, lambda number, now: otlp_wire.encode_span(f"unique {number}", now))
        series = self.check_total(server)
        self.assertEqual(self.own(server, "registry_active_entities"), places)
        limited = FLOOD - (places - 1)
        self.assertEqual(
            harness.sum_of(series, adversity.CALLS, metric_overflow="true"), limited)
        self.assertEqual(self.own(server, "registry_updates_limited_total"), limited)
        self.assertLess(self.grown_bytes(server), SLACK_BYTES)

    def test_unique_values_fill_no_more_than_the_limit_of_a_label(self):
        places = 50
        server = self.start(**{"generator": {
            "max_cardinality_per_label": places, "span_metrics.dimensions": ["user", "order"]}})
        # Every pair is unique, and so is every value of one of the labels.
        self.flood(server, lambda number, now: otlp_wire.encode_span(
            "op", now, attributes={"user": f"u{number}", "order": f"o{number % 5}"}))
        series = self.check_total(server)
        # The values that came first keep their places, and each of the five orders has its own.
        self.assertEqual(self.own(server, "registry_label_values", label="user"), places)
        self.assertEqual(self.own(server, "registry_label_values", label="order"), 5)
        limited = FLOOD - places
        self.assertEqual(self.own(server, "registry_label_values_limited_total", label="user"),
                         limited)
        self.assertEqual(harness.sum_of(series, adversity.CALLS, user="__cardinality_overflow__"),
                         limited)
        self.assertEqual(self.own(server, "registry_active_entities"), 1 + places + 5)
        self.assertLess(self.grown_bytes(server), SLACK_BYTES)

    def test_names_without_anything_in_common_fill_no_more_than_the_templates_bounds(self):
        chance = random.Random(11)
        # Not even what stands between the words agrees.
        names = ["".join("".join(chance.choices(string.ascii_lowercase, k=6)) + chance.choice(BREAKS)
                         for _ in range(5)) for _ in range(FLOOD)]
        places = 100
        server = self.start(generator={"max_active_series": places * LABEL_SET_SERIES,
                                       "span_name_sanitization": "enabled"})
        self.flood(server, lambda number, now: otlp_wire.encode_span(names[number], now))
        self.check_total(server)
        # More than there is room for.
        self.assertGreater(self.own(server, "span_name_patterns_detected_total"), 100_000)
        # Its patterns' 64 MiB and its known names' 32 MiB, as ARCHITECTURE has it.
        self.assertLess(self.grown_bytes(server), SLACK_BYTES + (64 + 32) * MIB)
        self.assertLessEqual(self.own(server, "registry_active_series"), places * LABEL_SET_SERIES)

    def test_half_edges_that_find_nobody_fill_no_more_than_their_places(self):
        places = 1_000
        server = self.start(generator={"processors": ["service-graphs"]}, **{
            "generator.service_graphs": {"max_items": places, "wait": "1h"}})
        before = self.own(server, "service_graph_edges_total")
        self.flood(server, lambda number, now: otlp_wire.encode_span(
            "op", now, trace_id=wire_id(number, 16), span_id=wire_id(number, 8), kind=3))
        self.assertEqual(self.own(server, "service_graph_waiting_spans"), places)
        self.assertEqual(self.own(server, "service_graph_evicted_spans_total"), FLOOD - places)
        self.assertEqual(self.own(server, "service_graph_expired_spans_total"), 0)
        self.assertEqual(self.own(server, "service_graph_edges_total"), before)
        # 150,000 of them would take 175 bytes each, 25 MiB, so the slack has to be smaller.
        self.assertLess(self.grown_bytes(server), 16 * MIB)

    def test_half_edges_that_find_nobody_go_when_their_time_is_over(self):
        server = self.start(generator={"processors": ["service-graphs"]}, **{
            "generator.service_graphs": {"max_items": FLOOD, "wait": "10ms"}})
        self.flood(server, lambda number, now: otlp_wire.encode_span(
            "op", now, trace_id=wire_id(number, 16), span_id=wire_id(number, 8), kind=3))
        harness.wait_until(lambda: self.own(server, "service_graph_waiting_spans") == 0,
                           "the last half edges to expire")
        self.assertEqual(self.own(server, "service_graph_expired_spans_total", kind="SPAN_KIND_CLIENT"),
                         FLOOD)
        self.assertEqual(self.own(server, "service_graph_evicted_spans_total"), 0)

    def test_invented_tenants_fill_no_more_than_the_places_for_tenants(self):
        places, invented = 5, 3_000
        server = self.start(tenancy={"enabled": True, "max_tenants": places})
        request, _ = adversity.request_of(["op"] * 10)
        with adversity.Connections(server, 4) as connections:
            errors = connections.export_all(
                [request] * invented, lambda index: [("x-scope-orgid", f"invented-{index}")])
        refused = [error for error in errors if error is not None]
        # One has a place already.
        self.assertEqual(len(refused), invented - (places - 1))
        for error in refused:
            self.assertEqual(error.code().name, "RESOURCE_EXHAUSTED")
            # Trying again would be in vain.
            self.assertIsNone(adversity.retry_delay_seconds(error))
        self.assertEqual(self.own(server, "tenants"), places)
        self.assertEqual(self.own(server, "tenant_refusals_total", reason="too_many"),
                         len(refused))
        self.assertEqual(harness.sum_of(server.series(), adversity.CALLS),
                         self.first + 10 * (places - 1))
        # With a place and one label set each they would take 22 KiB each, 65 MiB.
        self.assertLess(self.grown_bytes(server), SLACK_BYTES)


if __name__ == "__main__":
    unittest.main()
