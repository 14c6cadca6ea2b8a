"""naming = "otel": what the Collector's connectors give through its Prometheus exporter.

The expositions were written by hand, from what the connectors and the exporter document: names
with their unit and _total, attributes with underscores for dots, the values of kinds and statuses,
default buckets, `default` of a dimension.
"""

import contextlib
import json
import time
import unittest

import harness
import otlp_wire
import pushing
import write_receiver

SERVER, CLIENT = 2, 3
ERROR = 2
COUNTER, HISTOGRAM = 1, 3  # in metadata
TRACE_ID = bytes.fromhex("000102030405060708090a0b0c0d0e0f")

SPANS = """\
# TYPE traces_span_metrics_duration_milliseconds histogram
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="2"} 1
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="4"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="6"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="8"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="10"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="50"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="100"} 2
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="200"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="400"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="800"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="1000"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="1400"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="2000"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="5000"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="10000"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="15000"} 3
traces_span_metrics_duration_milliseconds_bucket{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET",le="+Inf"} 4
traces_span_metrics_duration_milliseconds_sum{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET"} 20155.5
traces_span_metrics_duration_milliseconds_count{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET"} 4
# TYPE traces_span_metrics_calls_total counter
traces_span_metrics_calls_total{http_method="GET",service_name="shipping",span_kind="SPAN_KIND_SERVER",span_name="/Address",status_code="STATUS_CODE_UNSET"} 4
traces_span_metrics_calls_total{http_method="PUT",http_status_code="503",service_name="shipping",span_kind="SPAN_KIND_CLIENT",span_name="pay",status_code="STATUS_CODE_ERROR"} 1
"""

EDGES = """\
# TYPE traces_service_graph_request_total counter
traces_service_graph_request_total{client="shop",client_zone="a",failed="false",server="shipping",server_zone="b"} 1
traces_service_graph_request_total{client="shop",client_zone="a",failed="true",server="shipping",server_zone="b"} 1
# TYPE traces_service_graph_request_failed_total counter
traces_service_graph_request_failed_total{client="shop",client_zone="a",failed="true",server="shipping",server_zone="b"} 1
"""

SECONDS = [0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1.4, 2, 5, 10, 15]

OTEL = {
    "generator": {
        "naming": "otel",
        "processors": ["span-metrics-count", "span-metrics-latency", "service-graphs"],
    },
    "generator.span_metrics": {
        "dimensions": [{"name": "http.method", "default": "GET"}, "http.status_code"],
    },
    "generator.service_graphs": {"dimensions": ["zone"]},
}


def send(server, service, spans, **resource):
    """Sends encoded spans of one service, which must be acknowledged."""
    code, message, _ = server.export(
        otlp_wire.encode_request({"service.name": service, **resource}, spans))
    if code.name != "OK":
        raise AssertionError(f"spans are refused: {code} {message}")


def send_addresses(server):
    """What SPANS is about."""
    now = time.time_ns()
    send(server, "shipping",
         # With a parent, or they were requests from outside.
         [otlp_wire.encode_span("/Address", now, seconds, TRACE_ID, parent_id=b"\7" * 8)
          for seconds in (0.002, 0.0035, 0.15, 20)]
         + [otlp_wire.encode_span("pay", now, 0.12, TRACE_ID, kind=CLIENT, status=ERROR, attributes={
             "http.method": "PUT", "http.status_code": "503"})])


def send_requests(server):
    """Two requests between services, of which one fails: what EDGES is about."""
    now = time.time_ns()
    for number in (3, 4):
        span_id, other_id = bytes([number]) * 8, bytes([number + 8]) * 8
        send(server, "shop", [otlp_wire.encode_span(
            "call", now, 0.3, TRACE_ID, span_id, CLIENT)], zone="a")
        send(server, "shipping", [otlp_wire.encode_span(
            "serve", now, 0.2, TRACE_ID, other_id, SERVER, status=ERROR if number == 4 else 0,
            parent_id=span_id)], zone="b")


def lines_of(text, *beginnings):
    """The lines of an exposition, without HELP, that begin like this or are the type of such."""
    return sorted(line for line in text.splitlines()
                  if line.removeprefix("# TYPE ").startswith(beginnings))


class NamingTest(unittest.TestCase):

    maxDiff = None

    def test_span_metrics_are_exposed_as_the_collector_exposes_them(self):
        with harness.Spanmeter(OTEL) as server:
            send_addresses(server)
            # Of the histogram, one label set is enough.
            self.assertEqual(
                [line for line in lines_of(server.scrape(), "traces_span")
                 if "duration" not in line or "pay" not in line],
                sorted(SPANS.splitlines()))

    def test_edges_are_exposed_as_the_collector_exposes_them(self):
        with harness.Spanmeter(OTEL) as server:
            send_requests(server)
            text = server.scrape()
            self.assertEqual(lines_of(text, "traces_service_graph_request_total",
                                      "traces_service_graph_request_failed_total"),
                             sorted(EDGES.splitlines()))
            series = server.series()
            labels = {"client": "shop", "client_zone": "a", "failed": "false",
                      "server": "shipping", "server_zone": "b"}
            for side, seconds in (("client", 0.3), ("server", 0.2)):
                name = f"traces_service_graph_request_{side}_seconds"
                self.assertAlmostEqual(series[harness.key_of(f"{name}_sum", **labels)], seconds)
                buckets = {float(dict(key[1])["le"]): value for key, value in series.items()
                           if key[0] == f"{name}_bucket" and ("failed", "false") in key[1]}
                self.assertEqual(buckets, {bound: float(seconds <= bound)
                                           for bound in [*SECONDS, float("inf")]})

    def test_every_format_has_the_same_series(self):
        with harness.Spanmeter(OTEL) as server:
            send_addresses(server)
            send_requests(server)
            self.assertEqual(server.series(accept=harness.OPENMETRICS), server.series())

    def test_exemplars_are_in_milliseconds_and_named_as_the_exporter_names_them(self):
        with harness.Spanmeter(OTEL) as server:
            send_addresses(server)
            exemplars = {(sample.labels["le"], *sample.exemplar)
                         for sample in self.exemplars_of(server)}
            self.assertEqual({(float(le), labels, value) for le, labels, value in exemplars},
                             {(2.0, (("trace_id", TRACE_ID.hex()),), 2.0),
                              (4.0, (("trace_id", TRACE_ID.hex()),), 3.5),
                              (200.0, (("trace_id", TRACE_ID.hex()),), 150.0),
                              (float("inf"), (("trace_id", TRACE_ID.hex()),), 20000.0)})

    @staticmethod
    def exemplars_of(server):
        for sample in harness.parse_samples(server.scrape(accept=harness.OPENMETRICS)):
            if sample.exemplar and sample.labels["span_name"] == "/Address":
                sample.exemplar = (tuple(sample.exemplar[0].items()), sample.exemplar[1])
                yield sample

    def test_remote_write_pushes_what_a_scrape_shows(self):
        for protocol in ("prometheus.WriteRequest", "io.prometheus.write.v2.Request"):
            with self.subTest(protocol), write_receiver.Receiver() as receiver:
                tables = {**OTEL, "remote_write": [pushing.remote(
                    receiver, "one", protobuf_message=protocol)]}
                tables["generator"] = {**OTEL["generator"], "collection_interval": "1s"}
                with harness.Spanmeter(tables) as server:
                    send_addresses(server)
                    expected = server.series()
                    self.assertTrue(expected)
                    harness.wait_until(lambda: set(expected) <= set(receiver.series()),
                                       "everything to be pushed")
                    pushed = receiver.series()
                    self.assertEqual({key: pushed[key][-1].value for key in expected}, expected)
                    self.assertEqual(set(pushed), set(expected))
                    self.check_metadata(receiver)

    def check_metadata(self, receiver):
        expected = {
            "traces_span_metrics_calls_total": (COUNTER, "Number of spans."),
            "traces_span_metrics_duration_milliseconds":
                (HISTOGRAM, "Duration of spans from start to end, in milliseconds."),
        }
        harness.wait_until(lambda: set(expected) <= set(self.metadata_of(receiver)),
                           "the metadata to arrive")
        self.assertEqual(self.metadata_of(receiver), expected)

    @staticmethod
    def metadata_of(receiver):
        """{metric: (type, help)} of both protocols."""
        found = {}
        for request in receiver.requests():
            found.update({name: (kind, text) for name, kind, text in request.metadata})
            for series in request.series:
                if series.metadata is not None:
                    name = series.key[0]
                    for ending in ("_bucket", "_sum", "_count"):
                        name = name.removesuffix(ending)
                    found[name] = series.metadata
        return found

    def test_a_reload_ends_what_has_other_names_and_begins_anew(self):
        with harness.Spanmeter(OTEL) as server:
            send_addresses(server)
            self.assertEqual(harness.sum_of(server.series(), "traces_span_metrics_calls_total"), 5)
            server.configure()
            server.hang_up()
            harness.wait_until(lambda: not lines_of(server.scrape(), "traces_"), "the reload")
            send_addresses(server)
            self.assertEqual(harness.sum_of(server.series(), "traces_spanmetrics_calls_total"), 5)
            self.assertEqual(lines_of(server.scrape(), "traces_span_metrics"), [])

    def test_counters_go_on_across_a_restart(self):
        with contextlib.ExitStack() as stack:
            server = harness.Spanmeter()
            stack.callback(server.close)
            server.configure({**OTEL, "storage": {"path": str(server.directory / "storage")}})
            for number in (1, 2):
                server.start()
                send_addresses(server)
                self.assertEqual(
                    harness.sum_of(server.series(), "traces_span_metrics_calls_total"), 5 * number)
                self.assertEqual(
                    harness.sum_of(server.series(),
                                   "traces_span_metrics_duration_milliseconds_sum",
                                   span_name="/Address"), 20155.5 * number)
                server.terminate()
                self.assertEqual(server.wait(), 0, server.log())
                server.disconnect()

    def test_the_page_finds_services_and_what_they_cost(self):
        with harness.Spanmeter(OTEL) as server:
            send_addresses(server)
            send_requests(server)
            def about(what):
                return json.loads(server.get(f"/api/v1/tenants/single-tenant/{what}")[2])

            top = about("top")
            self.assertEqual(top["service_label"], "service_name")
            self.assertEqual({entry["service"]: entry["label_sets"] for entry in top["entries"]},
                             {"shipping": 4, "shop": 1})
            # 17 buckets, sum, count and calls.
            self.assertEqual(about("cost")["current"], {"label_sets": 5, "series": 100})
            graph = about("service-graph")
            # The two label sets of the edge are one edge of the graph.
            self.assertEqual(
                [(edge["client"], edge["server"], edge["requests"], edge["failed"])
                 for edge in graph["edges"]], [("shop", "shipping", 2, 1)])


if __name__ == "__main__":
    unittest.main()
