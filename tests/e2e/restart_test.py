"""Counters go on across clean restarts, and never after a crash."""

import contextlib
import re
import time
import unittest

import harness
import loadgen
import otlp_wire
import pushing
import write_receiver
from prometheus_server import Prometheus

CALLS = "traces_spanmetrics_calls_total"
RESTARTS = 3
# Both make a client try again.
NOT_COUNTED = {"UNAVAILABLE", "CANCELLED"}


def counted(server):
    return harness.sum_of(server.series(), CALLS)


def restores(server):
    """{result: starts} of this process, without zeros."""
    return {dict(labels)["result"]: value
            for (name, labels), value in server.series("/metrics/self").items()
            if name == "spanmeter_state_restores_total" and value}


def send(server, *names, **attributes):
    """Sends a span of each name, which must be acknowledged."""
    now = time.time_ns()
    request = otlp_wire.encode_request({"service.name": "shop", **attributes},
                                       [otlp_wire.encode_span(name, now) for name in names])
    code, message, _ = server.export(request)
    if code.name != "OK":
        raise AssertionError(f"spans are refused: {code} {message}")


class RestartTest(unittest.TestCase):

    def server(self, **tables):
        """A process with a storage, not started yet."""
        server = harness.Spanmeter()
        self.addCleanup(server.close)
        self.storage = server.directory / "storage"
        self.tables = {"storage": {"path": str(self.storage)}, **tables}
        server.configure(self.tables)
        return server

    @property
    def state(self):
        return self.storage / "state"

    def states(self):
        return sorted(path.name for path in self.storage.glob("state*"))

    def keep_ports(self, server):
        """The next process listens where this one does."""
        self.tables["otlp.grpc"] = {"listen": server.grpc_address}
        self.tables["otlp.http"] = {"listen": server.otlp_http_address}
        self.tables["http"] = {**self.tables.get("http", {}), "listen": server.http_address}
        server.configure(self.tables)

    def stop(self, server):
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        server.disconnect()

    def restart(self, server, result="restored"):
        self.stop(server)
        server.start()
        self.assertEqual(restores(server), {result: 1}, server.log())

    def test_a_scrape_after_the_restart_says_what_the_one_before_it_said(self):
        server = self.server(http={"openmetrics_created": True}, generator={
            "processors": ["span-metrics", "service-graphs", "host-info"],
            "span_metrics.enable_target_info": True, "service_graphs.wait": "1h",
            "generate_native_histograms": "both", "max_active_series": 300})
        server.start()
        self.assertEqual(restores(server), {"none": 1})
        with loadgen.Loadgen(server, "--scenario=shop", "--rate=0", "--spans=20000") as load:
            load.summary()
        before = server.scrape(accept=harness.OPENMETRICS)
        self.assertIn('metric_overflow="true"', before)
        self.assertIn("_created{", before)
        self.assertIn("traceID=", before)
        self.restart(server)
        self.assertEqual(sorted(server.scrape(accept=harness.OPENMETRICS).split("\n")),
                         sorted(before.split("\n")))
        # It was valid for this start only.
        self.assertEqual(self.states(), ["state.lock"])

    def test_a_request_whose_sides_come_before_and_after_the_restart_is_found(self):
        server = self.server(generator={"processors": ["service-graphs"]})
        server.start()
        now = time.time_ns()

        def side(service, kind, span_id, parent=b""):
            span = otlp_wire.encode_span("op", now, 0.25, b"\7" * 16, span_id, kind) + parent
            server.export(otlp_wire.encode_request({"service.name": service}, [span]))
        side("app", 3, b"\1" * 8)
        self.restart(server)
        side("api", 2, b"\2" * 8, b"\x22\x08" + b"\1" * 8)
        key = harness.key_of("traces_service_graph_request_total", client="app", server="api")
        self.assertEqual(server.series().get(key), 1, server.scrape())

    def test_span_names_have_their_templates_at_once(self):
        server = self.server(generator={"span_name_sanitization": "enabled"})
        server.start()
        send(server, "GET /users/1", "GET /users/2")
        self.restart(server)
        send(server, "GET /users/3")
        self.assertEqual(
            harness.sum_of(server.series(), CALLS, span_name="GET /users/<_>"), 2)

    def load_with_restarts(self, server, prometheus):
        """Sends while the process is restarted; returns how many spans were acknowledged."""

        def let_go_on():
            """Waits until Prometheus has seen twice that something was counted."""
            for _ in range(2):
                before = counted(server)
                harness.wait_until(
                    lambda: (prometheus.value(f"sum({CALLS})") or 0) > before, "spans to arrive")
        with loadgen.Loadgen(server, "--rate=5000", "--batch=50", "--connections=4",
                             "--label-sets=50") as load:
            for _ in range(RESTARTS):
                let_go_on()
                self.restart(server)
            let_go_on()
            summary = load.stop()
        self.assertLessEqual(set(summary["refused"]), NOT_COUNTED)
        self.assertEqual(counted(server), summary["acknowledged"])
        return summary["acknowledged"]

    def check_no_seam(self, prometheus, acknowledged):
        """What Prometheus has is one counter for each label set, without a reset."""
        harness.wait_until(lambda: prometheus.value(f"sum({CALLS})") == acknowledged,
                           "Prometheus to have everything")
        self.assertEqual(prometheus.value(f"sum(resets({CALLS}[1h]))"), 0)
        self.assertEqual(
            prometheus.value("sum(resets(traces_spanmetrics_latency_bucket[1h]))"), 0)
        total = first_values = 0
        series = prometheus.api("query", query=f"{CALLS}[1h]")["result"]
        for one in series:
            values = [float(value) for _, value in one["values"]]
            # As increase() does it, but without extrapolation.
            total += sum(after - before if after >= before else after
                         for before, after in zip(values, values[1:]))
            first_values += values[0]
        self.assertEqual(len(series), 50)
        self.assertEqual(total + first_values, acknowledged)
        return series

    def test_increase_in_a_prometheus_that_scrapes_is_what_was_sent(self):
        server = self.server()
        server.start()
        self.keep_ports(server)
        with Prometheus(server, ["native-histograms"]) as prometheus:
            acknowledged = self.load_with_restarts(server, prometheus)
            series = self.check_no_seam(prometheus, acknowledged)
            # increase() itself, which extrapolates to the ends of its range: less than a second.
            times = [stamp for one in series for stamp, _ in one["values"]]
            begin, end = min(times), max(times)
            first = sum(float(one["values"][0][1]) for one in series
                        if one["values"][0][0] == begin)
            increase = prometheus.api(
                "query", time=end,
                query=f"sum(increase({CALLS}[{int((end - begin + 0.5) * 1000)}ms]))")["result"]
            self.assertAlmostEqual(float(increase[0]["value"][1]), acknowledged - first,
                                   delta=acknowledged * 0.1)

    def check_pushing(self, program, message):
        with Prometheus(None, ["native-histograms"], program,
                        flags=["--web.enable-remote-write-receiver"]) as prometheus:
            server = self.server(generator=pushing.GENERATOR, remote_write=[{
                "name": "it", "url": f"http://{prometheus.address}/api/v1/write",
                "protobuf_message": message, "queue_config": {"batch_send_deadline": "0s"}}])
            server.start()
            self.keep_ports(server)
            acknowledged = self.load_with_restarts(server, prometheus)
            series = self.check_no_seam(prometheus, acknowledged)
            for one in series:
                values = [float(value) for _, value in one["values"]]
                # It began with a zero, and never did again.
                self.assertEqual(values[0], 0, one)
                self.assertEqual(values.count(0), 1, one)
            self.assertEqual(pushing.Counters(server).dropped("it"), {})

    def test_increase_in_a_prometheus_that_is_written_to_by_1_0_is_what_was_sent(self):
        self.check_pushing("prometheus", "prometheus.WriteRequest")

    def test_increase_in_a_prometheus_that_is_written_to_by_2_0_is_what_was_sent(self):
        self.check_pushing("prometheus3", "io.prometheus.write.v2.Request")

    def test_receivers_see_neither_ends_nor_beginnings(self):
        with write_receiver.Receiver() as receiver:
            server = self.server(generator=pushing.GENERATOR,
                                 remote_write=[pushing.remote(receiver, "it")])
            server.start()
            names = ["one", "two"]
            for _ in range(RESTARTS + 1):
                before = len(pushing.stamps(receiver))
                pushing.spans(server, names)
                harness.wait_until(lambda: len(pushing.stamps(receiver)) >= before + 2,
                                   "collections")
                self.restart(server)
            self.stop(server)
            series = receiver.series()
            self.assertEqual(len(series), len(names) * pushing.SERIES_PER_NAME)
            self.assertEqual(pushing.order_problems(series), [])
            self.assertEqual(pushing.gap_problems(series), [])
            for key, points in series.items():
                self.assertFalse(any(point.stale for point in points), points)
                # Protocol 2.0 tells when each began. A zero has a beginning of its own.
                self.assertEqual(len({point.start_ms for point in points[1:]}), 1, points)
                if key[0] == CALLS:
                    self.assertEqual([point.value for point in points].count(0), 1, points)
                    self.assertEqual(points[-1].value, RESTARTS + 1)

    def test_what_got_stale_between_the_processes_is_marked(self):
        with write_receiver.Receiver() as receiver:
            server = self.server(generator={**pushing.GENERATOR, "stale_duration": "2s"},
                                 remote_write=[pushing.remote(receiver, "it")])
            server.start()
            pushing.spans(server, ["one"])
            harness.wait_until(lambda: pushing.stamps(receiver), "a collection")
            self.stop(server)
            self.assertFalse(any(point.stale for points in receiver.series().values()
                                 for point in points))
            stopped = time.monotonic()
            harness.wait_until(lambda: time.monotonic() > stopped + 2, "two seconds to pass")
            server.start()
            self.assertEqual(counted(server), 0)
            harness.wait_until(
                lambda: all(points[-1].stale for points in receiver.series().values()), "the marks")
            self.assertEqual(len(receiver.series()), pushing.SERIES_PER_NAME)

    def test_nothing_goes_on_after_a_crash(self):
        server = self.server()
        server.start()
        send(server, "op")
        self.restart(server)
        send(server, "op")
        self.assertEqual(counted(server), 2)
        server.process.kill()
        server.process.wait()
        server.disconnect()
        self.assertEqual(self.states(), ["state.lock"])
        server.start()
        self.assertEqual(restores(server), {"none": 1})
        self.assertEqual(counted(server), 0)

    def test_a_process_that_died_while_it_started_has_used_the_state_up(self):
        server = self.server()
        server.start()
        send(server, "op")
        self.stop(server)
        self.state.rename(self.storage / "state.taken")
        server.start()
        self.assertEqual(restores(server), {"none": 1})
        self.assertEqual(counted(server), 0)
        self.assertIn("did not end well", server.log())
        self.assertEqual(self.states(), ["state.lock"])

    def test_a_start_that_fails_leaves_the_state_to_the_next_one(self):
        server = self.server()
        server.start()
        self.keep_ports(server)
        send(server, "op")
        self.stop(server)
        for port in ("http", "otlp.grpc", "otlp.http"):
            with harness.Spanmeter({port: self.tables[port]}):
                server.launch()
                self.assertEqual(server.wait(), 1)
            self.assertEqual(self.states(), ["state", "state.lock"])
        server.start()
        self.assertEqual(restores(server), {"restored": 1})
        self.assertEqual(counted(server), 1)

    def test_a_damaged_state_is_not_used(self):
        server = self.server()
        server.start()

        def flip(content):
            return content[:100] + bytes([content[100] ^ 1]) + content[101:]
        for damage, said in ((flip, "damaged"), (lambda content: content[:-1], "incomplete"),
                             (lambda content: content + b"x", "behind its end"),
                             (lambda content: b"", "no state file"),
                             (lambda content: content[:8] + b"\xff" + content[9:], "version")):
            send(server, "op")
            self.stop(server)
            self.state.write_bytes(damage(self.state.read_bytes()))
            server.start()
            self.assertEqual(restores(server), {"unusable": 1})
            self.assertEqual(counted(server), 0)
            warnings = [line for line in server.log().splitlines() if "level=warn" in line]
            self.assertEqual(len(warnings), 1, warnings)
            self.assertIn("cannot use the state", warnings[0])
            self.assertIn(said, warnings[0])
            self.assertEqual(self.states(), ["state.lock"])

    def test_a_process_that_starts_too_early_begins_anew_and_hands_its_own_state_on(self):
        first = self.server()
        first.start()
        send(first, "op")
        second = harness.Spanmeter(self.tables)
        self.addCleanup(second.close)
        second.start()
        send(second, "op", "op")
        self.stop(first)
        self.assertEqual(self.states(), ["state.lock", "state.void"])
        self.restart(second)
        self.assertEqual(counted(second), 2)

    def test_a_process_that_shares_the_directory_gets_and_leaves_nothing(self):
        first = self.server()
        first.start()
        send(first, "op")
        second = harness.Spanmeter(self.tables)
        self.addCleanup(second.close)
        second.start()
        self.assertEqual(restores(second), {"unusable": 1})
        self.assertIn("another process uses it", second.log())
        self.stop(second)
        self.assertEqual(self.states(), ["state.lock"])
        self.restart(first)
        self.assertEqual(counted(first), 1)

    def test_metrics_with_other_buckets_begin_anew_and_others_go_on(self):
        server = self.server(generator={"processors": ["span-metrics", "service-graphs"]})
        server.start()
        now = time.time_ns()
        span = otlp_wire.encode_span("op", now, 0.25, kind=2)
        server.export(otlp_wire.encode_request({"service.name": "api"}, [span]))
        edges = "traces_service_graph_request_total"
        self.assertEqual((counted(server), harness.sum_of(server.series(), edges)), (1, 1))
        self.tables["generator.span_metrics"] = {"histogram_buckets": [1.0]}
        server.configure(self.tables)
        self.restart(server)
        self.assertEqual((counted(server), harness.sum_of(server.series(), edges)), (0, 1))
        self.assertIn(f"single-tenant/{CALLS}", server.log())

    def test_every_tenant_goes_on(self):
        server = self.server(tenancy={"enabled": True, "max_tenants": 3})
        server.start()
        now = time.time_ns()

        def tenant(name):
            request = otlp_wire.encode_request({"service.name": "shop"},
                                               [otlp_wire.encode_span("op", now)])
            return server.export(request, [("x-scope-orgid", name)])[0].name

        def calls():
            return {dict(labels)["tenant"]: value for (name, labels), value
                    in server.series().items() if name == CALLS}
        for name in ("a", "b", "b", "c"):
            self.assertEqual(tenant(name), "OK")
        self.restart(server)
        self.assertEqual(calls(), {"a": 1, "b": 2, "c": 1})
        # Those that are there stay, as at a reload.
        self.tables["tenancy"]["max_tenants"] = 2
        self.tables["tenants.a"] = {"external_labels": {"cluster": "eu"}}
        server.configure(self.tables)
        self.restart(server)
        self.assertEqual(calls(), {"b": 2, "c": 1})
        self.assertEqual(tenant("a"), "OK")
        self.assertNotEqual(tenant("d"), "OK")
        self.assertEqual(calls(), {"a": 1, "b": 2, "c": 1})
        # One tenant is none of several.
        self.tables["tenancy"] = {"enabled": False}
        del self.tables["tenants.a"]
        server.configure(self.tables)
        self.restart(server, "unusable")
        self.assertIn("tenancy.enabled", server.log())
        self.assertEqual(counted(server), 0)

    def test_without_a_storage_nothing_is_kept(self):
        with harness.Spanmeter() as server:
            send(server, "op")
            server.terminate()
            self.assertEqual(server.wait(), 0)
            server.disconnect()
            self.assertFalse(re.search("state", server.log()))
            server.start()
            self.assertEqual(restores(server), {"none": 1})
            self.assertEqual(counted(server), 0)

    def test_the_state_is_there_before_receivers_are_waited_for(self):
        with contextlib.ExitStack() as stack:
            receiver = stack.enter_context(write_receiver.Receiver(listening=False))
            server = self.server(generator=pushing.GENERATOR,
                                 remote_write=[pushing.remote(receiver, "it")])
            server.start()
            pushing.spans(server, ["one"])
            server.terminate()
            harness.wait_until(self.state.exists, "the state")
            # Whoever loses patience loses no counters.
            server.process.kill()
            server.process.wait()
            server.disconnect()
            receiver.up()
            server.start()
            self.assertEqual(counted(server), 1)
            pushing.spans(server, ["one"])
            harness.wait_until(lambda: any(
                points[-1].value == 2 for key, points in receiver.series().items()
                if key[0] == CALLS), "the next value")
            self.assertEqual(pushing.order_problems(receiver.series()), [])


if __name__ == "__main__":
    unittest.main()
