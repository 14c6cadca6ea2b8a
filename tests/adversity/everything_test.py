"""Everything that spanmeter does, at the same time: spans of several tenants, scrapes in all
formats, questions of the page, pushes and backends that succeed and fail, queues on disk, limits,
expiry, and reloads that change labels and buckets. For ThreadSanitizer above all, whose findings end the
process with a status of its own; without it for what is refused or lost."""

import http.client
import threading
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import otlp_wire
import pushing
import write_receiver

SECONDS = 12
CONNECTIONS = 6
TENANTS = ["a", "b", "c"]
FORMATS = [harness.TEXT, harness.OPENMETRICS, "application/vnd.google.protobuf"]
QUESTIONS = ["overview", "tenants", "remote-write", "config"] + [
    f"tenants/{tenant}/{what}" for tenant in TENANTS
    for what in ("options", "metrics", "labels", "top", "series", "overflow", "span-names", "cost",
                 "service-graph")]
# Each reload takes the next of these.
GENERATORS = [
    {"max_active_series": 300},
    {"max_active_series": 300, "dimensions": ["color"]},
    {"limiter_type": "entity", "max_active_entities": 30, "buckets": [0.001, 0.1, 5.0]},
    {"max_cardinality_per_label": 5, "span_name_sanitization": "enabled",
     "native": "both"},
]


def tables_of(number, receiver, storage, backend):
    """The configuration after so many reloads."""
    change = dict(GENERATORS[number % len(GENERATORS)])
    span_metrics = {}
    for key, option in (("dimensions", "dimensions"), ("buckets", "histogram_buckets")):
        if key in change:
            span_metrics[option] = change.pop(key)
    if "native" in change:
        change["generate_native_histograms"] = change.pop("native")
    return {
        "tenancy": {"enabled": True},
        "storage": {"path": str(storage)},
        "http": {"enable_lifecycle": True},
        "generator": {"processors": ["span-metrics", "service-graphs", "host-info"],
                      "stale_duration": "1s", "collection_interval": "1s", **change},
        "generator.span_metrics": span_metrics,
        "generator.service_graphs": {"wait": "1s", "max_items": 50},
        "tenants.b": {"max_active_series": 100},
        "forward": [{"name": "backend", "endpoint": f"http://{backend}",
                     "max_concurrent_requests": 1 + number % 3},
                    {"name": "away", "endpoint": "http://127.0.0.1:9", "protocol": "http",
                     "queue_config": {"spill": True}}],
        "remote_write": [pushing.remote(receiver, "it"),
                         {"name": "gone", "url": "http://127.0.0.1:9/"}],
    }


class EverythingTest(unittest.TestCase):

    def start_threads(self, *functions):
        """Calls each function again and again, in a thread of its own, until the end."""
        self.stop = threading.Event()
        self.rounds = dict.fromkeys(functions, 0)
        self.problems = []

        def run(function):
            try:
                while not self.stop.is_set():
                    function(self.rounds[function])
                    self.rounds[function] += 1
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.problems.append((function, error))

        threads = [threading.Thread(target=run, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        return threads

    def request(self, index, number):
        """Spans with names that come and go, and an edge; the other half of some never comes."""
        now = time.time_ns()
        trace = ((index << 64) + number + 1).to_bytes(16, "big")
        client = otlp_wire.encode_span(f"call {number % 40}", now, 0.25, trace, b"\1" * 8, 3)
        server = otlp_wire.encode_span(f"serve {number % 7} {number // 200}", now, 0.2, trace,
                                       b"\2" * 8, 2) + b"\x22\x08" + b"\1" * 8
        spans = [client] if number % 3 == 0 else [client, server]
        resource = {"service.name": f"shop {index}", "host.id": f"host {number % 3}",
                    "color": f"color {number % 11}"}
        return otlp_wire.encode_request(resource, spans), len(spans)

    def post(self, server, request, tenant):
        """Sends by HTTP, over a connection of its own."""
        connection = http.client.HTTPConnection(server.otlp_http_address,
                                                timeout=harness.DEADLINE_SECONDS)
        try:
            connection.request("POST", "/v1/traces", request, dict(
                [tenant, ("Content-Type", "application/x-protobuf")]))
            self.assertEqual(connection.getresponse().status, 200)
        finally:
            connection.close()

    def test_everything_at_once(self):
        receiver = write_receiver.Receiver()
        self.addCleanup(receiver.close)
        receiver.__enter__()
        backend = harness.Spanmeter({"generator": {"processors": []}})
        self.addCleanup(backend.close)
        backend.start()
        server = harness.Spanmeter()
        self.addCleanup(server.close)
        storage = server.directory / "storage"
        server.configure(tables_of(0, receiver, storage, backend.grpc_address))
        server.start()
        sent = [0] * CONNECTIONS
        answers = {}
        connections = self.enterContext(adversity.Connections(server, CONNECTIONS))

        def sender(index):
            def send(number):
                request, spans = self.request(index, number)
                tenant = ("x-scope-orgid", TENANTS[index % len(TENANTS)])
                if index % 2 == 0:
                    self.assertIsNone(connections.export(index, request, [tenant]))
                else:
                    self.post(server, request, tenant)
                sent[index] += spans
            return send

        def scrape(number):
            path = "/metrics" if number % 4 else f"/metrics?tenant={TENANTS[number % 3]}"
            status, _, body = server.get(path, Accept=FORMATS[number % 3], Accept_Encoding=(
                "gzip" if number % 2 else "identity"))
            self.assertIn(status, (200, 404))  # of a tenant that has not come yet
            self.assertTrue(body)

        def ask(number):
            status, _, body = server.get(f"/api/v1/{QUESTIONS[number % len(QUESTIONS)]}")
            # A tenant has not come yet, or another question about it is being answered.
            self.assertIn(status, (200, 404, 503), body)
            answers[status] = answers.get(status, 0) + 1

        def reload(number):
            server.configure(tables_of(number + 1, receiver, storage, backend.grpc_address))
            status, _, body = server.post("/-/reload", X_Requested_With="test")
            self.assertEqual(status, 200, body)
            time.sleep(0.3)

        threads = self.start_threads(*map(sender, range(CONNECTIONS)), scrape,
                                     lambda number: scrape(number + 1), ask, reload)
        ended = self.stop.wait(SECONDS)
        self.assertFalse(ended)
        self.stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.problems, [], server.log())
        self.assertGreater(min(self.rounds.values()), 10, self.rounds)
        self.assertEqual(adversity.self_value(server, "spanmeter_spans_received_total"), sum(sent))
        self.assertGreater(
            adversity.self_value(server, "spanmeter_registry_series_expired_total"), 0)
        self.assertGreater(len(receiver.series()), 100)
        harness.wait_until(
            lambda: adversity.self_value(backend, "spanmeter_spans_received_total") >= sum(sent),
            "everything to be passed on")
        self.assertGreater(answers[200], len(QUESTIONS), answers)
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        # The next process takes up what this one has left.
        server.disconnect()
        server.start()
        self.assertGreater(len(server.series("/metrics")), 0)
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())


if __name__ == "__main__":
    unittest.main()
