"""Peers that stall, send garbage or never read harm nobody else."""

import contextlib
import os
import socket
import time
import unittest

import harness
import loadgen
import otlp_wire
from rude_peers import PREFACE, begun_export

# Longer than a healthy request takes on a busy machine, much shorter than waiting for a peer.
PROMPT_SECONDS = 10


class RobustnessTest(unittest.TestCase):

    def setUp(self):
        self.server = harness.Spanmeter()
        self.addCleanup(self.server.close)
        self.server.start()
        self.sockets = contextlib.ExitStack()
        self.addCleanup(self.sockets.close)

    def connect(self, address, data):
        host, port = address.rsplit(":", 1)
        peer = self.sockets.enter_context(
            socket.create_connection((host, int(port)), PROMPT_SECONDS))
        with contextlib.suppress(OSError):  # the server may close before it has read everything
            peer.sendall(data)
        return peer

    def check_that_others_are_served(self):
        request = otlp_wire.encode_request(
            {"service.name": "other"}, [otlp_wire.encode_span("op", time.time_ns())])
        before = harness.sum_of(self.server.series(), "traces_spanmetrics_calls_total")
        started = time.monotonic()
        code, message, _ = self.server.export(request)
        self.assertEqual((code.name, message), ("OK", ""))
        self.assertEqual(
            harness.sum_of(self.server.series(), "traces_spanmetrics_calls_total"), before + 1)
        self.assertLess(time.monotonic() - started, PROMPT_SECONDS)
        with loadgen.Loadgen(self.server, "--spans=20000") as load:
            summary = load.summary()
        self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
        self.assertEqual(self.server.get("/-/ready")[0], 200)

    def test_stalled_grpc_peers_hold_up_nobody(self):
        for _ in range(50):
            self.connect(self.server.grpc_address, begun_export(1000, 10))
            self.connect(self.server.grpc_address, PREFACE)
            self.connect(self.server.grpc_address, b"")
        self.check_that_others_are_served()

    def test_garbage_on_the_grpc_port_harms_nobody(self):
        for size in (1, 100, 100_000):
            self.connect(self.server.grpc_address, os.urandom(size))
            self.connect(self.server.grpc_address, PREFACE + os.urandom(size))
        self.connect(self.server.grpc_address, b"GET /metrics HTTP/1.1\r\n\r\n")
        self.check_that_others_are_served()

    def test_garbage_and_stalled_peers_on_the_http_port_harm_nobody(self):
        for size in (1, 100, 100_000):
            self.connect(self.server.http_address, os.urandom(size))
        self.connect(self.server.http_address, b"GET /metrics HTTP/1.1\r\nHost: x")
        self.connect(self.server.http_address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.check_that_others_are_served()

    def test_a_message_that_only_claims_to_be_huge_takes_no_memory(self):
        def resident_kib():
            with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        self.check_that_others_are_served()
        before = resident_kib()
        for _ in range(20):
            self.connect(self.server.grpc_address, begun_export(0xFFFFFFFF, 10))
        self.check_that_others_are_served()
        self.assertLess(resident_kib() - before, 100 * 1024)

    def test_a_request_over_the_limit_is_refused(self):
        code, _, _ = self.server.export(b"\x0a" * (17 << 20))
        self.assertEqual(code.name, "RESOURCE_EXHAUSTED")
        self.check_that_others_are_served()

    def test_garbage_in_a_request_is_refused_and_nothing_of_it_counts(self):
        good = otlp_wire.encode_request(
            {"service.name": "broken"}, [otlp_wire.encode_span("op", time.time_ns())])
        code, message, _ = self.server.export(good + b"\xff\xff")
        self.assertEqual(code.name, "INVALID_ARGUMENT")
        self.assertIn("cannot", message)
        self.assertEqual(self.server.series(), {})
        self.check_that_others_are_served()


if __name__ == "__main__":
    unittest.main()
