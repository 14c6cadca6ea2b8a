"""The wall clock jumps in both ways, and nothing ages or loses its order by it.

libfaketime stands between the process and its wall clock; the monotonic one is left alone. Where it
is not installed nothing is tested.
"""

import glob
import os
import re
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import otlp_wire
import pushing
import write_receiver

LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
HOUR = 3600
EDGES = "traces_service_graph_request_total"


@unittest.skipUnless(LIBRARIES, "NOT TESTED: libfaketime is not installed")
class ClocksTest(unittest.TestCase):

    def start(self, tables):
        server = harness.Spanmeter(tables)
        self.addCleanup(server.close)
        self.offset_file = server.directory / "offset"
        self.jump(0)
        adversity.preload(
            server, LIBRARIES[0], FAKETIME_TIMESTAMP_FILE=self.offset_file, FAKETIME_NO_CACHE=1,
            FAKETIME_DONT_FAKE_MONOTONIC=1, FAKETIME_DONT_RESET=1)
        server.start()
        return server

    def jump(self, seconds):
        """From now on the process's wall clock is so far from ours."""
        new = self.offset_file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        os.replace(new, self.offset_file)
        self.offset = seconds

    def side(self, server, number, kind):
        """Sends one side of a request between two services, at the time that the process has."""
        now = time.time_ns() + self.offset * 10**9
        client = kind == 3
        span = otlp_wire.encode_span("op", now, 0.25, number.to_bytes(16, "big"),
                                     (b"\1" if client else b"\2") * 8, kind)
        parent = b"" if client else b"\x22\x08" + b"\1" * 8
        code, message, _ = server.export(otlp_wire.encode_request(
            {"service.name": "app" if client else "api"}, [span + parent]))
        self.assertEqual((code.name, message), ("OK", ""))

    def test_half_edges_and_series_do_not_age_by_jumps_of_the_wall_clock(self):
        server = self.start({"generator": {
            "processors": ["span-metrics", "service-graphs"], "stale_duration": "1h"},
            "generator.service_graphs": {"wait": "30m"}})
        sent = 0
        for number, offset in enumerate((2 * HOUR, -2 * HOUR, 48 * HOUR, 0), 1):
            self.side(server, number, 3)
            self.jump(offset)
            harness.wait_until(
                lambda: abs(self.stamp(server) - time.time() - self.offset) < 60, "the jump")
            # Maintenance comes twice a second; wait for it to have seen the other clock.
            seen = time.monotonic() + 1.5
            harness.wait_until(lambda end=seen: time.monotonic() > end, "some maintenance")
            self.side(server, number, 2)
            sent += 2
            series = server.series()
            self.assertEqual(harness.sum_of(series, EDGES, client="app", server="api"), number)
            self.assertEqual(harness.sum_of(series, adversity.CALLS), sent)
        for metric in ("service_graph_expired_spans_total", "service_graph_evicted_spans_total",
                       "registry_series_expired_total", "spans_discarded_total"):
            self.assertEqual(adversity.self_value(server, "spanmeter_" + metric), 0, metric)

    def stamp(self, server):
        """The time of the newest line of the log, after one that is written now."""
        before = len(server.log().splitlines())
        server.hang_up()
        harness.wait_until(lambda: len(server.log().splitlines()) > before, "a line of the log")
        line = server.log().splitlines()[-1]
        text = re.match(r"ts=(\S+?)\.\d+Z", line).group(1)
        return time.mktime(time.strptime(text + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone

    def test_pushed_samples_stay_in_order_where_the_wall_clock_is_set_back(self):
        with write_receiver.Receiver() as receiver:
            server = self.start({"generator": pushing.GENERATOR,
                                 "remote_write": [pushing.remote(receiver, "it")]})
            sent = 0
            for offset in (0, 10, -10, 5):
                self.jump(offset)
                now = time.time_ns() + offset * 10**9
                code, _, _ = server.export(otlp_wire.encode_request(
                    {"service.name": "shop"}, [otlp_wire.encode_span("op", now)]))
                self.assertEqual(code.name, "OK")
                sent += 1
                harness.wait_until(
                    lambda: any(point.value == sent for key, points in receiver.series().items()
                                if key[0] == pushing.CALLS for point in points), "the value")
            series = receiver.series()
            self.assertEqual(pushing.order_problems(series), [])
            # It was a test: at the end its clock is ahead of ours.
            self.assertGreater(pushing.stamps(receiver)[-1], time.time() * 1000)
            for key, points in series.items():
                values = [point.value for point in points]
                self.assertFalse(any(point.stale for point in points), points)
                if key[0] == pushing.CALLS:
                    self.assertEqual(values, sorted(values))


if __name__ == "__main__":
    unittest.main()
