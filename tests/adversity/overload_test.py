"""More load than there is room for, and peers that mean no good: memory stays bounded, others are
served, and what was acknowledged is counted."""

import contextlib
import gzip
import random
import resource
import socket
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import loadgen
import rude_peers
from adversity import BUSY_BYTES, MALLOC_KEEPS_BYTES, MIB

MAX_MESSAGE = 4 * MIB
MAX_IN_FLIGHT = 4 * MIB
# What gRPC may keep in messages, complete or not, and for its connections.
GRPC_QUOTA = 2 * MAX_IN_FLIGHT + 64 * MIB
# Up to 16 idle sets of buffers are kept, each with one to join and one to inflate a message; what
# is larger than 8 MiB is not kept.
SCRATCH_BYTES = 16 * 2 * min(MAX_MESSAGE, 8 * MIB)
BOUND_BYTES = BUSY_BYTES + MALLOC_KEEPS_BYTES + GRPC_QUOTA + SCRATCH_BYTES
PHASE_SECONDS = 6
IDLE_CONNECTIONS = 10_000
# Beside those for the connections.
SPARE_FILES = 200


class OverloadTest(unittest.TestCase):

    def start(self, **otlp):
        server = harness.Spanmeter({"otlp.grpc": {
            "max_message_size": f"{MAX_MESSAGE}B", "max_in_flight": f"{MAX_IN_FLIGHT}B", **otlp}})
        self.addCleanup(server.close)
        server.start()
        self.sockets = contextlib.ExitStack()
        self.addCleanup(self.sockets.close)
        return server

    def connect(self, server, data):
        host, port = server.grpc_address.rsplit(":", 1)
        peer = self.sockets.enter_context(
            socket.create_connection((host, int(port)), harness.DEADLINE_SECONDS))
        with contextlib.suppress(OSError):  # the server may close before it has read everything
            peer.sendall(data)
        return peer

    def counted(self, server):
        return harness.sum_of(server.series(), adversity.CALLS)

    def check_bound(self, server, bound=BOUND_BYTES):
        self.assertLess(adversity.memory_bytes(server, "VmHWM"), bound)

    def check_full_speed(self, server):
        """Somebody who sends one request after the other is never refused."""
        before = self.counted(server)
        with loadgen.Loadgen(server, "--spans=100000", "--connections=1", "--in-flight=1") as load:
            summary = load.summary()
        self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
        self.assertEqual(self.counted(server), before + summary["acknowledged"])

    def test_overload_refuses_with_advice_and_counts_exactly_what_it_accepts(self):
        server = self.start()
        # About 2.2 MiB a request, so that there is no room for two at a time.
        flags = ["--batch=4096", f"--duration={PHASE_SECONDS}s"]
        with loadgen.Loadgen(server, *flags, "--connections=1", "--in-flight=1") as load:
            alone = load.summary()
        self.assertEqual(alone["refused"], {})
        request, _ = adversity.request_of(["op"] * 40_000)
        accepted, errors = 0, []
        with adversity.Connections(server, 4) as connections, \
                loadgen.Loadgen(server, *flags, "--connections=32", "--in-flight=2") as load:
            while load.process.poll() is None:
                for error in connections.export_all([request] * len(connections)):
                    if error is None:
                        accepted += 40_000
                    else:
                        errors.append(error)
            crowded = load.summary()
        # It was overload, and everybody was told what to do. Where the quota gets tight, gRPC itself
        # ends calls before it has received them, with UNAVAILABLE.
        self.assertLessEqual(set(crowded["refused"]), {"RESOURCE_EXHAUSTED", "UNAVAILABLE"})
        self.assertGreater(crowded["refused"]["RESOURCE_EXHAUSTED"], crowded["acknowledged"] / 4)
        self.assertTrue(errors)
        for error in errors:
            if error.code().name != "UNAVAILABLE":
                self.assertEqual(error.code().name, "RESOURCE_EXHAUSTED")
                self.assertGreaterEqual(adversity.retry_delay_seconds(error), 1)
        self.assertEqual(self.counted(server),
                         alone["acknowledged"] + crowded["acknowledged"] + accepted)
        self.assertEqual(adversity.self_value(server, "spanmeter_otlp_in_flight_bytes"), 0)
        # Work goes on beside the refusals.
        self.assertGreater(crowded["acknowledged"] + accepted, alone["acknowledged"] / 2)
        self.check_bound(server)
        self.check_full_speed(server)

    def test_idle_connections_take_little_and_hold_up_nobody(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE_CONNECTIONS + SPARE_FILES:
            self.skipTest(f"only {hard} files may be open here, which is not enough for "
                          f"{IDLE_CONNECTIONS} connections")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # With less, gRPC's quota would have it close some of those that nobody uses.
        max_in_flight = 64 * MIB
        server = self.start(max_in_flight=f"{max_in_flight}B")
        self.check_full_speed(server)
        settings = rude_peers.PREFACE + rude_peers.frame(rude_peers.SETTINGS, 0, 0, b"")
        peers = [self.connect(server, settings) for _ in range(IDLE_CONNECTIONS)]
        for peer in peers:
            # The server's own settings: the connection is up.
            self.assertTrue(peer.recv(9))
        self.assertGreater(
            adversity.self_value(server, "process_open_fds"), IDLE_CONNECTIONS)
        self.check_full_speed(server)
        # Part of what gRPC keeps of a connection is not in its quota.
        self.check_bound(server, BOUND_BYTES + 2 * (max_in_flight - MAX_IN_FLIGHT)
                         + IDLE_CONNECTIONS * 8 * 1024)
        self.sockets.close()
        harness.wait_until(lambda: adversity.self_value(server, "process_open_fds") < SPARE_FILES,
                           "the connections to be closed")
        self.check_full_speed(server)

    def test_half_requests_of_any_size_take_no_more_than_the_quota(self):
        server = self.start()
        chance = random.Random(3)
        # Each claims the largest message there may be and sends up to all of it but one byte: in
        # all about twenty times the quota.
        part = rude_peers.begun_export(MAX_MESSAGE, 0)
        wanted = 0
        for _ in range(600):
            peer = self.connect(server, part)
            peer.setblocking(False)
            left = chance.randrange(MAX_MESSAGE)
            wanted += left
            with contextlib.suppress(OSError):  # the server reads no more than its windows
                while left > 0:
                    size = min(left, 16_000)
                    peer.send(rude_peers.frame(rude_peers.DATA, 0, 1, b"\0" * size))
                    left -= size
        self.assertGreater(wanted, 10 * GRPC_QUOTA)
        self.check_full_speed(server)
        self.check_bound(server)

    def test_slow_senders_hold_up_nobody(self):
        server = self.start()
        request, _ = adversity.request_of(["slow"])
        whole = rude_peers.begun_export(len(request), 0) + rude_peers.frame(
            rude_peers.DATA, 1, 1, request)
        peers = [self.connect(server, whole[:40]) for _ in range(200)]
        self.check_full_speed(server)
        # A byte of each at a time, until all are through.
        before = self.counted(server)
        for at in range(40, len(whole)):
            for peer in peers:
                peer.send(whole[at:at + 1])
            if at == len(whole) // 2:
                self.check_full_speed(server)
                before = self.counted(server)
        harness.wait_until(lambda: self.counted(server) == before + len(peers),
                           "the slow requests to be counted")
        self.check_bound(server)

    def test_gzip_bombs_are_refused_without_being_inflated_whole(self):
        server = self.start()
        self.check_full_speed(server)
        # 512 MiB of zeros in half a megabyte, and what ends exactly at the limit but is no request.
        bomb = gzip.compress(b"\0" * (512 * MIB), 1)
        exact = gzip.compress(b"\0" * MAX_MESSAGE, 9)
        # One that says of itself that it is small: the size of the content is its last word.
        liar = bomb[:-4] + (1000).to_bytes(4, "little")
        with adversity.Connections(server, 8) as connections:
            for body in (bomb, exact, liar):
                for error in connections.export_all([body] * 32):
                    self.assertIn(error.code().name, ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))
                # Where there was no room, there is when it comes alone.
                error = connections.export(0, body)
                self.assertIsNone(adversity.retry_delay_seconds(error), error.details())
        self.check_bound(server)
        self.check_full_speed(server)

    def test_the_largest_requests_in_parallel_are_counted_or_told_to_come_again(self):
        server = self.start()
        names = ["op"] * 40_000
        request, _ = adversity.request_of(names)
        # Filled up to the limit by an attribute of the resource, which a second part brings.
        filler = MAX_MESSAGE - len(request)
        self.assertGreater(filler, 0)
        rest, _ = adversity.request_of(["op"], service="x" * (filler // 2))
        request += rest
        self.assertLessEqual(len(request), MAX_MESSAGE)
        accepted = 0
        with adversity.Connections(server, 16) as connections:
            end = time.monotonic() + PHASE_SECONDS
            while time.monotonic() < end:
                for error in connections.export_all([request] * 32):
                    if error is None:
                        accepted += 1
                    else:
                        self.assertGreaterEqual(adversity.retry_delay_seconds(error), 1)
        self.assertGreater(accepted, 0)
        self.assertEqual(self.counted(server), accepted * 40_001)
        self.check_bound(server)
        self.check_full_speed(server)


if __name__ == "__main__":
    unittest.main()
