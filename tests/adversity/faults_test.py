"""Where the process is killed, or disk, memory or files run out: it keeps its promises, or says why
it cannot and ends with a status that tells; and it starts again cleanly."""

import contextlib
import pathlib
import random
import resource
import socket
import subprocess
import tempfile
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import loadgen
import pushing
import write_receiver
from adversity import MIB

KILLS = 8
# packaging/man/spanmeter.8
OUT_OF_MEMORY = 3
NAMES = [f"operation {number}" for number in range(20)]


class FaultsTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-storage-")
        self.addCleanup(directory.cleanup)
        self.storage = pathlib.Path(directory.name)

    def server(self, **tables):
        server = harness.Spanmeter()
        self.addCleanup(server.close)
        self.tables = {"http": {"openmetrics_created": True}, "generator": pushing.GENERATOR,
                       **tables}
        server.configure(self.tables)
        return server

    def receiver(self, **options):
        receiver = write_receiver.Receiver(**options)
        self.addCleanup(receiver.close)
        return receiver.__enter__()

    def counted(self, server):
        return harness.sum_of(server.series(), adversity.CALLS)

    def restored(self, server):
        return adversity.self_value(server, "spanmeter_state_restores_total", result="restored")

    def end(self, server):
        server.process.kill()
        server.process.wait()
        server.disconnect()

    def restart(self, server):
        """Ends it cleanly, and starts the next process."""
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        server.disconnect()
        server.start()

    def check_works(self, server):
        before = self.counted(server)
        pushing.spans(server, NAMES)
        self.assertEqual(self.counted(server), before + len(NAMES))

    # Kills.

    def test_killed_at_any_moment_it_starts_anew_and_no_series_steps_back_within_a_life(self):
        chance = random.Random(8)
        receiver = self.receiver()
        server = self.server(storage={"path": str(self.storage)},
                             remote_write=[pushing.remote(receiver, "it")])
        server.start()
        # The next one listens where this one does, for those who send.
        self.tables["otlp.grpc"] = {"listen": server.grpc_address}
        self.tables["http"]["listen"] = server.http_address
        server.configure(self.tables)
        last = 0
        with loadgen.Loadgen(server, "--rate=20000", "--batch=100", "--connections=8",
                             "--label-sets=40") as load:
            for number in range(KILLS):
                with adversity.Scrapes(server) as scrapes:
                    scraped = self.counted(server)
                    if number > 0 and not self.restored(server):
                        last = 0
                    # What was handed on is never older than what anybody has seen.
                    self.assertGreaterEqual(scraped, last)
                    harness.wait_until(
                        lambda enough=scrapes: enough.failed() or enough.count > 3, "scrapes")
                    time.sleep(chance.uniform(0, 1))  # any moment within a collection
                    self.assertGreater(self.counted(server), scraped)
                    # The thread goes on until it is refused; what it has seen is whole.
                    scrapes.finish()
                    last = self.counted(server)
                if number % 2 == 0:
                    self.end(server)
                    last = 0
                    # Nothing of a crash is taken for a state.
                    server.start()
                    self.assertEqual(self.restored(server), 0)
                else:
                    # In the middle of a stop: its state is whole, or there is none.
                    server.terminate()
                    time.sleep(chance.uniform(0, 0.7))
                    self.end(server)
                    server.start()
                self.assertEqual(adversity.self_value(
                    server, "spanmeter_state_restores_total", result="unusable"), 0, server.log())
                self.assertEqual(adversity.self_value(
                    server, "spanmeter_storage_files_set_aside_total"), 0)
                self.assertEqual(adversity.self_value(server, "spanmeter_storage_up"), 1)
            load.stop()
        harness.wait_until(lambda: pushing.pending(server, "it") == 0, "everything to be sent")
        self.restart(server)
        self.assertEqual(self.restored(server), 1)
        self.check_works(server)
        # After a crash a request may be sent twice, but always in order.
        series = receiver.series()
        self.assertEqual(pushing.order_problems(series, repeats=True), [])
        for key, points in series.items():
            if key[0] != pushing.CALLS:
                continue
            values = list({point.timestamp_ms: point.value for point in points
                           if not point.stale}.values())
            for before, after in zip(values, values[1:]):
                # Each life begins with a zero.
                self.assertTrue(after >= before or after == 0, (harness.format_key(key), values))
            self.assertLessEqual(values.count(0), KILLS + 1)

    # Disks.

    def mount(self, *options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(["size=2m", *options]), "tmpfs",
                   str(self.storage)]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("NOT TESTED: only root, with the right to mount, has a disk to fill")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.storage)], check=True)

    def test_a_full_disk_costs_the_state_but_neither_spans_nor_a_clean_stop(self):
        self.mount()
        receiver = self.receiver()
        server = self.server(storage={"path": str(self.storage)},
                             remote_write=[pushing.remote(receiver, "it")])
        server.start()
        self.check_works(server)
        self.restart(server)
        self.assertEqual(self.restored(server), 1)
        ballast = self.storage / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass

        def is_down():
            self.check_works(server)
            return adversity.self_value(server, "spanmeter_storage_up") == 0
        harness.wait_until(is_down, "the disk to be full")
        counted = self.counted(server)
        harness.wait_until(
            lambda: sum(points[-1].value for key, points in receiver.series().items()
                        if key[0] == pushing.CALLS) == counted, "the last values to arrive")
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        server.disconnect()
        self.assertRegex(server.log(), "level=error.*cannot hand the state on.*No space left")
        self.assertFalse(list(self.storage.glob("state.tmp")))

        # With the disk still full, and then with room again.
        server.start()
        self.assertEqual((self.restored(server), self.counted(server)), (0, 0))
        self.check_works(server)
        ballast.unlink()
        self.restart(server)
        self.assertEqual((self.restored(server), self.counted(server)), (1, len(NAMES)))
        self.assertEqual(adversity.self_value(server, "spanmeter_storage_up"), 1)
        self.check_works(server)

    def test_on_a_disk_that_cannot_be_written_everything_goes_on_in_memory(self):
        self.mount("ro")
        receiver = self.receiver()
        server = self.server(storage={"path": str(self.storage)},
                             remote_write=[pushing.remote(receiver, "it")])
        server.start()
        self.check_works(server)
        self.assertEqual(adversity.self_value(server, "spanmeter_storage_up"), 0)
        harness.wait_until(lambda: pushing.stamps(receiver), "a collection to arrive")
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        self.assertRegex(server.log(), "level=error.*cannot keep .*Read-only file system")
        self.assertRegex(server.log(), "level=error.*cannot hand the state on.*Read-only")

    # Memory.

    def test_without_memory_it_says_so_and_ends_with_its_status(self):
        server = self.server(storage={"path": str(self.storage)})
        for extra_bytes in (40 * MIB, 150 * MIB):
            server.start()
            self.check_works(server)
            limit = adversity.memory_bytes(server, "VmSize") + extra_bytes
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (limit, limit))
            number = 0
            with adversity.Connections(server, 4) as connections:
                while server.process.poll() is None:
                    number += 1
                    # Each label set takes more than a kilobyte of text alone: 4 MiB together.
                    connections.export_all([
                        adversity.request_of([f"{number} {part} {i} " + "x" * 500
                                              for i in range(1000)])[0] for part in range(4)])
                    self.assertLess(number, 500, "the limit has no effect")
            self.assertEqual(server.wait(), OUT_OF_MEMORY, server.log())
            server.disconnect()
            self.assertRegex(server.log(), "(?m)^spanmeter: cannot go on: .* no more memory")
            # As after any crash.
            server.start()
            self.assertEqual((self.restored(server), self.counted(server)), (0, 0))
            self.check_works(server)
            self.end(server)

    # Files.

    def limit_files(self, server, count):
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (count, hard))

    def connect(self, stack, server):
        host, port = server.grpc_address.rsplit(":", 1)
        return stack.enter_context(
            socket.create_connection((host, int(port)), harness.DEADLINE_SECONDS))

    def check_newcomers_are_served(self, server):
        server.disconnect()
        self.check_works(server)

    def test_connections_leave_descriptors_for_everything_else(self):
        server = self.server(storage={"path": str(self.storage)})
        server.start()
        self.check_works(server)
        # A quarter of them are not for spans.
        limit = 256
        self.limit_files(server, limit)
        with contextlib.ExitStack() as stack:
            for _ in range(2 * limit):
                self.connect(stack, server)
            refused = harness.wait_until(lambda: adversity.self_value(
                server, "spanmeter_otlp_connections_refused_total"), "refusals")
            self.assertGreater(refused, limit / 2)
            # Who is connected already is served, and so are scrapers.
            self.check_works(server)
            self.assertLess(adversity.self_value(server, "process_open_fds"), 0.9 * limit)
            self.assertIn("cannot take more connections for spans", server.log())
        harness.wait_until(
            lambda: adversity.self_value(server, "process_open_fds") < limit / 2, "their end")
        self.check_newcomers_are_served(server)
        self.restart(server)
        self.assertEqual(self.restored(server), 1)

    def test_it_takes_connections_again_when_files_can_be_opened_again(self):
        server = self.server()
        server.start()
        self.check_works(server)
        soft, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        self.limit_files(server, 10)  # it has more open
        with contextlib.ExitStack() as stack:
            self.connect(stack, server)
            harness.wait_until(lambda: "Too many open files" in server.log(), "the shortage")
            # Who is connected already is served.
            pushing.spans(server, NAMES)
            self.limit_files(server, soft)
        self.check_newcomers_are_served(server)
        self.assertEqual(self.counted(server), 3 * len(NAMES))


if __name__ == "__main__":
    unittest.main()
