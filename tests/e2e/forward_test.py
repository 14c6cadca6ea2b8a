"""Requests go on to trace backends: real gRPC and HTTP servers in processes of their own."""

import gzip
import itertools
import struct
import time
import unittest

import harness
import loadgen
import otlp_wire
import span_sink

CALLS = "traces_spanmetrics_calls_total"
FORWARD = "spanmeter_forward_"
# Failures are tried again soon.
FAST = {"min_backoff": "20ms", "max_backoff": "200ms"}


def forward(sink, name="sink", queue=None, **options):
    """A [[forward]] table."""
    return {"endpoint": sink.endpoint, "name": name, "protocol": sink.protocol, "timeout": "2s",
            "queue_config": {**FAST, **(queue or {})}, **options}


class Senders:
    """Sends requests whose spans have ids of their own, and remembers those acknowledged."""

    def __init__(self, server):
        self.server = server
        self.acknowledged = set()
        self.requests = []
        self._ids = itertools.count(1)

    def encode(self, spans=3, name="work", attributes=None, padding=0):
        """A request and the ids of its spans."""
        ids = [struct.pack(">Q", next(self._ids)) for _ in range(spans)]
        now = time.time_ns()
        extra = {"padding": "x" * padding} if padding else {}
        encoded = [otlp_wire.encode_span(name, now, span_id=span_id,
                                         attributes={**extra, **(attributes or {})})
                   for span_id in ids]
        return otlp_wire.encode_request({"service.name": "shop"}, encoded), ids

    def send(self, metadata=(), **shape):
        """Sends a request; returns the code's name. What is acknowledged must arrive."""
        request, ids = self.encode(**shape)
        code, _, _ = self.server.export(request, metadata)
        if code.name == "OK":
            self.acknowledged.update(ids)
            self.requests.append(request)
        return code.name

    def send_all(self, count, **shape):
        for _ in range(count):
            code = self.send(**shape)
            if code != "OK":
                raise AssertionError(f"a request was refused: {code}")


def arrived(sink):
    """The ids of all spans that a sink has taken, with repetitions."""
    return [span.span_id for request in sink.requests()
            for span in otlp_wire.spans(request.message)]


class ForwardCase(unittest.TestCase):
    maxDiff = None

    def self_metric(self, server, name, **labels):
        return harness.sum_of(server.series("/metrics/self"), FORWARD + name, **labels)

    def await_metric(self, server, name, condition, **labels):
        harness.wait_until(lambda: condition(self.self_metric(server, name, **labels)),
                           f"{name} {labels}")

    def assert_all_arrive(self, sink, senders):
        harness.wait_until(lambda: senders.acknowledged <= set(arrived(sink)),
                           "every acknowledged span at the sink")
        self.assertEqual(set(arrived(sink)), senders.acknowledged)

    def assert_counted(self, server, senders):
        self.assertEqual(harness.sum_of(server.series(), CALLS), len(senders.acknowledged))


class ForwardTest(ForwardCase):
    def test_requests_go_on_byte_for_byte_by_both_protocols(self):
        with span_sink.Sink("grpc") as grpc_sink, span_sink.Sink("http") as http_sink:
            tables = {"forward": [forward(grpc_sink, "grpc"), forward(http_sink, "http")]}
            with harness.Spanmeter(tables) as server:
                senders = Senders(server)
                senders.send_all(20)
                for sink in (grpc_sink, http_sink):
                    self.assert_all_arrive(sink, senders)
                    self.assertEqual(sorted(request.message for request in sink.requests()),
                                     sorted(senders.requests))
                self.assertEqual({request.path for request in http_sink.requests()},
                                 {"/v1/traces"})
                self.assert_counted(server, senders)
                for name in ("grpc", "http"):
                    self.await_metric(server, "spans_total", lambda value: value == 60,
                                      receiver=name)
                    self.assertEqual(self.self_metric(server, "requests_total", receiver=name), 20)
                    self.assertEqual(self.self_metric(server, "bytes_total", receiver=name),
                                     sum(map(len, senders.requests)))
                    self.assertEqual(self.self_metric(server, "queue_bytes", receiver=name), 0)

    def test_compressed_requests_go_on_as_they_came(self):
        with span_sink.Sink("http") as sink:
            tables = {"forward": [forward(sink, "as_received"),
                                  forward(sink, "none", compression="none"),
                                  forward(sink, "gzip", compression="gzip")]}
            with harness.Spanmeter(tables) as next_hop:
                to_next = {"endpoint": f"http://{next_hop.grpc_address}", "name": "next"}
                with harness.Spanmeter({"forward": [to_next]}) as server:
                    senders = Senders(server)
                    request, ids = senders.encode(spans=50)
                    compressed = gzip.compress(request)
                    self.assertEqual(server.export(compressed)[0].name, "OK")
                    self.await_metric(server, "spans_total", lambda value: value == 50)
                    self.assertEqual(self.self_metric(server, "bytes_total"), len(compressed))
                    # By gRPC, too, what came compressed goes on without having been touched.
                    self.assertEqual(
                        harness.sum_of(next_hop.series("/metrics/self"),
                                       "spanmeter_otlp_request_size_bytes_sum"), len(compressed))
                    harness.wait_until(lambda: len(sink.requests()) == 3, "three requests")
                    self.assertEqual([one.message for one in sink.requests()], [request] * 3)
                    self.assertEqual(
                        sorted(one.headers.get("content-encoding", "") for one in sink.requests()),
                        ["", "gzip", "gzip"])
                    self.assertEqual(set(ids), set(arrived(sink)))
                    self.assertEqual(
                        self.self_metric(next_hop, "bytes_total", receiver="none"), len(request))

    def test_plain_requests_are_compressed_where_that_is_wanted(self):
        with span_sink.Sink("grpc") as sink, span_sink.Sink("http") as http_sink:
            tables = {"forward": [forward(sink, "grpc", compression="gzip"),
                                  forward(http_sink, "http", compression="gzip")]}
            with harness.Spanmeter(tables) as server:
                senders = Senders(server)
                senders.send_all(1, spans=50)
                for one in (sink, http_sink):
                    self.assert_all_arrive(one, senders)
                    self.assertEqual(one.requests()[0].message, senders.requests[0])
                for name in ("grpc", "http"):
                    self.await_metric(server, "bytes_total",
                                      lambda value: 0 < value < len(senders.requests[0]) / 2,
                                      receiver=name)

    def test_headers_and_tenants_go_along(self):
        with span_sink.Sink("grpc") as grpc_sink, span_sink.Sink("http") as http_sink:
            with harness.Spanmeter() as server:
                secret = server.directory / "secret"
                secret.write_text("Bearer from-a-file\n", encoding="ascii")
                headers = {"Authorization": {"file": str(secret)}, "X-Text": "text"}
                server.configure({"forward": [
                    forward(grpc_sink, "grpc", headers=headers),
                    forward(http_sink, "http", headers=headers, add_org_id_header=False)]})
                server.hang_up()
                harness.wait_until(lambda: "configuration reloaded" in server.log(), "the reload")
                senders = Senders(server)
                senders.send(metadata=[("x-scope-orgid", "team-a")])
                for sink in (grpc_sink, http_sink):
                    self.assert_all_arrive(sink, senders)
                    headers = sink.requests()[0].headers
                    self.assertEqual(headers["authorization"], "Bearer from-a-file")
                    self.assertEqual(headers["x-text"], "text")
                    self.assertIn("spanmeter/", headers["user-agent"])
                self.assertEqual(grpc_sink.requests()[0].headers[span_sink.TENANT], "team-a")
                self.assertNotIn(span_sink.TENANT, http_sink.requests()[0].headers)
                self.assertNotIn("from-a-file", server.log())

    def test_requests_that_are_not_to_be_counted_go_on_all_the_same(self):
        with span_sink.Sink("grpc") as sink:
            with harness.Spanmeter({"forward": [forward(sink)]}) as server:
                senders = Senders(server)
                senders.send(metadata=[("no-generate-metrics", "true")])
                self.assert_all_arrive(sink, senders)
                self.assertEqual(harness.sum_of(server.series(), CALLS), 0)
                self.assertEqual(server.export(b"\x7f")[0].name, "INVALID_ARGUMENT")
                senders.send()
                self.assert_all_arrive(sink, senders)
                self.assertEqual(len(sink.requests()), 2)

    def test_filter_decides_about_spans_or_requests(self):
        errors = [{"include": {"match_type": "strict",
                               "attributes": [{"key": "span.keep", "value": "yes"}]}}]
        with span_sink.Sink("grpc") as spans_sink, span_sink.Sink("http") as requests_sink:
            tables = {"forward": [
                forward(spans_sink, "spans", filter_policies=errors),
                forward(requests_sink, "requests", filter_policies=errors,
                        filter_effect="requests")]}
            with harness.Spanmeter(tables) as server:
                senders = Senders(server)
                now = time.time_ns()

                def span(number, keep):
                    return otlp_wire.encode_span("work", now, span_id=struct.pack(">Q", number),
                                                 attributes={"keep": keep})
                mixed = otlp_wire.encode_request({"service.name": "a"},
                                                 [span(1, "yes"), span(2, "no"), span(3, "yes")])
                none = otlp_wire.encode_request({"service.name": "a"}, [span(4, "no")])
                for request in (mixed, none):
                    self.assertEqual(server.export(request)[0].name, "OK")
                harness.wait_until(lambda: spans_sink.requests() and requests_sink.requests(),
                                   "the requests")
                expected = otlp_wire.encode_request({"service.name": "a"},
                                                    [span(1, "yes"), span(3, "yes")])
                self.assertEqual([one.message for one in spans_sink.requests()], [expected])
                self.assertEqual([one.message for one in requests_sink.requests()], [mixed])
                self.assertEqual(harness.sum_of(server.series(), CALLS), 4)
                self.assertEqual(
                    self.self_metric(server, "spans_filtered_total", receiver="spans"), 2)
                self.assertEqual(
                    self.self_metric(server, "spans_filtered_total", receiver="requests"), 1)
                self.assertEqual(senders.acknowledged, set())

    def test_outages_and_restarts_of_the_backend_lose_nothing(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol), span_sink.Sink(protocol) as sink:
                with harness.Spanmeter({"forward": [forward(sink)]}) as server:
                    senders = Senders(server)
                    senders.send_all(10)
                    sink.stop()
                    senders.send_all(30)
                    self.await_metric(server, "requests_retried_total", lambda value: value > 1)
                    self.assertEqual(self.self_metric(server, "up"), 0)
                    self.assert_counted(server, senders)
                    sink.start()
                    senders.send_all(10)
                    self.assert_all_arrive(sink, senders)
                    self.await_metric(server, "queue_requests", lambda value: value == 0)
                    self.assertEqual(self.self_metric(server, "up"), 1)
                    self.assertEqual(self.self_metric(server, "spans_dropped_total"), 0)
                    self.assert_counted(server, senders)

    def test_failures_that_pass_are_tried_again_when_the_backend_says(self):
        for protocol, status in (("grpc", "RESOURCE_EXHAUSTED"), ("http", "429")):
            with self.subTest(protocol):
                with span_sink.Sink(protocol, status=status, retry_seconds=2) as sink:
                    with harness.Spanmeter({"forward": [forward(sink)]}) as server:
                        senders = Senders(server)
                        senders.send_all(1)
                        begin = time.time()
                        self.await_metric(server, "requests_retried_total",
                                          lambda value: value == 1)
                        sink.stop()
                        sink.start(delay_seconds=0)
                        self.assert_all_arrive(sink, senders)
                        self.assertGreater(sink.requests()[0].seconds, begin + 1)

    def test_what_the_backend_refuses_is_dropped_and_counted(self):
        for protocol, status in (("grpc", "INVALID_ARGUMENT"), ("grpc", "RESOURCE_EXHAUSTED"),
                                 ("http", "400")):
            with self.subTest(status), span_sink.Sink(protocol, status=status) as sink:
                with harness.Spanmeter({"forward": [forward(sink)]}) as server:
                    senders = Senders(server)
                    senders.send_all(2, spans=5)
                    self.await_metric(server, "spans_dropped_total", lambda value: value == 10,
                                      reason="rejected")
                    self.assertEqual(
                        self.self_metric(server, "requests_dropped_total", reason="rejected"), 2)
                    self.assertEqual(self.self_metric(server, "queue_requests"), 0)
                    self.assertIn("a receiver refuses spans", server.log())
                    self.assert_counted(server, senders)

    def test_partial_success_is_counted(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol), span_sink.Sink(protocol, rejected_spans=2) as sink:
                with harness.Spanmeter({"forward": [forward(sink)]}) as server:
                    Senders(server).send_all(1, spans=5)
                    self.await_metric(server, "spans_rejected_total", lambda value: value == 2)
                    self.assertEqual(self.self_metric(server, "spans_total"), 3)

    def test_dead_and_slow_backends_harm_nobody_else(self):
        with span_sink.Sink("grpc", delay_seconds=0.5) as slow, span_sink.Sink("grpc") as stopped:
            with span_sink.Sink("grpc") as good:
                small = {"max_memory": "1MiB"}
                tables = {"forward": [forward(slow, "slow", small),
                                      forward(stopped, "stopped", small),
                                      forward(good, "good")]}
                with harness.Spanmeter(tables) as server:
                    stopped.pause()
                    flags = ("--spans", "60000", "--batch", "200", "--connections", "2")
                    with loadgen.Loadgen(server, *flags) as load:
                        summary = load.summary()
                    stopped.resume()
                    self.assertEqual(summary["acknowledged"], 60000, summary)
                    self.assertEqual(harness.sum_of(server.series(), CALLS), 60000)
                    self.await_metric(server, "spans_total", lambda value: value == 60000,
                                      receiver="good")
                    for name in ("slow", "stopped"):
                        self.assertGreater(
                            self.self_metric(server, "spans_dropped_total", receiver=name,
                                             reason="queue_full"), 0)
                        self.assertLessEqual(
                            self.self_metric(server, "queue_memory_bytes", receiver=name), 1 << 20)

                    def adds_up(name):
                        total = sum(self.self_metric(server, metric, receiver=name)
                                    for metric in ("spans_total", "spans_dropped_total",
                                                   "queue_spans"))
                        return total == self.self_metric(server, "spans_in_total",
                                                         receiver=name) == 60000
                    for name in ("slow", "stopped"):
                        harness.wait_until(lambda name=name: adds_up(name), f"{name} adds up")

    def test_required_receiver_refuses_what_it_has_no_room_for_and_recovers(self):
        with span_sink.Sink("grpc") as sink:
            tables = {"otlp.grpc": {"max_message_size": "1MiB"},
                      "otlp.http": {"max_message_size": "1MiB"},
                      "forward": [forward(sink, required=True, queue={"max_memory": "1MiB"})]}
            with harness.Spanmeter(tables) as server:
                senders = Senders(server)
                senders.send_all(1)
                sink.stop()
                codes = [senders.send(spans=10, padding=10000) for _ in range(20)]
                self.assertEqual(set(codes), {"OK", "RESOURCE_EXHAUSTED"})
                refused = codes.count("RESOURCE_EXHAUSTED")
                self.assertEqual(self.self_metric(server, "refused_requests_total"), refused)
                # What was refused is counted nowhere: the senders come again.
                self.assert_counted(server, senders)
                sink.start()
                harness.wait_until(
                    lambda: senders.send(spans=10, padding=10000) == "OK", "room again")
                self.assert_all_arrive(sink, senders)
                self.assert_counted(server, senders)
                self.assertEqual(self.self_metric(server, "spans_dropped_total"), 0)

    def test_reload_adds_changes_and_removes_receivers(self):
        with span_sink.Sink("grpc") as first, span_sink.Sink("http") as second:
            first.stop()
            with harness.Spanmeter({"forward": [forward(first, "one")]}) as server:
                senders = Senders(server)
                senders.send_all(5)

                def reload(*receivers):
                    before = server.log().count("configuration reloaded")
                    server.configure({"forward": list(receivers)})
                    server.hang_up()
                    harness.wait_until(
                        lambda: server.log().count("configuration reloaded") > before, "a reload")
                # What waits for a name goes to its new address.
                reload(forward(second, "one"))
                self.assert_all_arrive(second, senders)
                reload()
                senders.send_all(1)
                self.assertNotIn("spanmeter_forward_up", server.scrape("/metrics/self"))
                reload(forward(second, "one"))
                late = Senders(server)
                late._ids = itertools.count(1000)
                late.send_all(1)
                harness.wait_until(lambda: late.acknowledged <= set(arrived(second)),
                                   "spans after the last reload")

    def test_reloads_under_load_lose_nothing(self):
        with span_sink.Sink("grpc") as one, span_sink.Sink("http") as other:
            def tables(number):
                # The first receiver changes with each reload, the second stays, a third comes and
                # goes.
                first = forward((one, other)[number % 2], "first")
                return {"forward": [first, forward(one, "second")]
                        + [forward(other, "third")] * (number % 3 == 0)}
            with harness.Spanmeter(tables(0)) as server:
                flags = ("--duration", "6s", "--rate", "20000", "--batch", "100")
                with loadgen.Loadgen(server, *flags) as load:
                    number = 0
                    while load.process.poll() is None:
                        number += 1
                        server.configure(tables(number))
                        server.hang_up()
                        harness.wait_until(
                            lambda: server.log().count("configuration reloaded") >= number
                            or load.process.poll() is not None, "a reload")
                    acknowledged = load.summary()["acknowledged"]
                self.assertGreater(number, 10)
                self.assertEqual(harness.sum_of(server.series(), CALLS), acknowledged)
                for name in ("first", "second"):
                    self.await_metric(server, "spans_total",
                                      lambda value: value >= acknowledged, receiver=name)
                    self.assertEqual(self.self_metric(server, "spans_in_total", receiver=name),
                                     acknowledged)
                    self.assertEqual(
                        self.self_metric(server, "spans_dropped_total", receiver=name), 0)

    def test_stop_sends_what_waits(self):
        with span_sink.Sink("grpc", delay_seconds=0.3) as sink:
            tables = {"forward": [forward(sink, max_concurrent_requests=2)]}
            with harness.Spanmeter(tables) as server:
                senders = Senders(server)
                senders.send_all(8)
                server.terminate()
                self.assertEqual(server.wait(), 0)
                self.assertEqual(set(arrived(sink)), senders.acknowledged)

    def test_stop_drops_what_cannot_be_sent_and_says_so(self):
        with span_sink.Sink("grpc") as sink:
            sink.stop()
            with harness.Spanmeter({"forward": [forward(sink, queue={"max_backoff": "30s",
                                                                     "min_backoff": "30s"})]}
                                   ) as server:
                Senders(server).send_all(2)
                self.await_metric(server, "requests_retried_total", lambda value: value > 0)
                server.terminate()
                self.assertEqual(server.wait(), 0)
                self.assertRegex(server.log(), r"dropped spans that waited.*reason=shutdown")


class SpillTest(ForwardCase):
    """With `spill`, what waits survives the process."""

    def tables(self, sink, directory, **queue):
        return {"storage": {"path": str(directory / "storage")},
                "forward": [forward(sink, queue={"spill": True, **queue})]}

    def test_what_waits_survives_stops_and_kills(self):
        with span_sink.Sink("grpc") as sink, harness.Spanmeter() as server:
            sink.stop()
            server.terminate()
            server.wait()
            server.configure(self.tables(sink, server.directory))
            every = Senders(server)
            for kill in (False, True, True):
                server.disconnect()
                server.start()
                every.send_all(10)
                self.assertEqual(self.self_metric(server, "storage_up"), 1)
                if kill:
                    # After a second nothing is in memory only.
                    self.await_metric(server, "queue_memory_bytes", lambda value: value == 0)
                    server.process.kill()
                else:
                    server.terminate()
                server.wait()
            server.disconnect()
            server.start()
            self.assertEqual(self.self_metric(server, "queue_requests"), 30)
            sink.start()
            self.assert_all_arrive(sink, every)
            self.await_metric(server, "queue_requests", lambda value: value == 0)

    def test_killed_backend_and_process_under_load_lose_nothing_that_was_on_disk(self):
        with span_sink.Sink("grpc") as sink, harness.Spanmeter() as server:
            server.terminate()
            server.wait()
            server.configure(self.tables(sink, server.directory))
            senders = Senders(server)
            for _ in range(3):
                server.disconnect()
                server.start()
                senders.send_all(20)
                sink.stop()
                senders.send_all(20)
                self.await_metric(server, "queue_memory_bytes", lambda value: value == 0)
                server.process.kill()
                server.wait()
                sink.start()
            server.disconnect()
            server.start()
            self.assert_all_arrive(sink, senders)

    def test_more_than_memory_holds_waits_on_disk_within_its_bound(self):
        with span_sink.Sink("grpc") as sink, harness.Spanmeter() as server:
            sink.stop()
            server.terminate()
            server.wait()
            server.configure(self.tables(sink, server.directory, max_memory="1MiB",
                                         max_size="3MiB"))
            server.disconnect()
            server.start()
            senders = Senders(server)
            for _ in range(50):
                senders.send_all(1, spans=10, padding=10000)
                self.await_metric(server, "queue_memory_bytes", lambda value: value < 800000)
            self.assertLessEqual(self.self_metric(server, "queue_bytes"), 3 << 20)
            self.assertGreater(self.self_metric(server, "queue_bytes"), 2 << 20)
            dropped = self.self_metric(server, "spans_dropped_total", reason="queue_full")
            self.assertGreater(dropped, 0)
            sink.start()
            harness.wait_until(
                lambda: len(set(arrived(sink))) == len(senders.acknowledged) - dropped,
                "all but what was dropped")
            self.assert_counted(server, senders)


if __name__ == "__main__":
    unittest.main()
