"""What remote write keeps when processes are killed or stopped, disks full and files damaged."""

import contextlib
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

import faults
import harness
import pushing
import write_receiver

NAMES = ["one", "two", "three"]
FILE = "remote_write.db"
ROUNDS = 10
# Until nobody waits for receivers any more at a stop, and how much longer all of it may take.
FLUSH_SECONDS = 10
GRACE_SECONDS = 20


class CrashTest(unittest.TestCase):

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="spanmeter-storage-")
        self.addCleanup(self.directory.cleanup)
        self.storage = pathlib.Path(self.directory.name) / "storage"

    def receiver(self, *arguments, **options):
        receiver = write_receiver.Receiver(*arguments, **options)
        self.addCleanup(receiver.close)
        return receiver.__enter__()

    def server(self, receiver, **options):
        """A process that writes to this receiver, not started yet."""
        self.tables = {"generator": pushing.GENERATOR, "storage": {"path": str(self.storage)},
                       "remote_write": [pushing.remote(receiver, "it", **options)]}
        server = harness.Spanmeter(self.tables)
        self.addCleanup(server.close)
        return server

    @staticmethod
    def kill(server):
        server.process.kill()
        server.process.wait()
        server.disconnect()

    def collect(self, server, more=1):
        """Lets so many samples more wait for the receiver, at least."""
        until = pushing.pending(server, "it") + more
        pushing.spans(server, NAMES)
        harness.wait_until(lambda: pushing.pending(server, "it") >= until, "a collection")

    def waiting(self):
        """The requests that the storage has, while no process has it open."""
        with tempfile.TemporaryDirectory() as copy:
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(self.storage / (FILE + suffix), copy)
            with contextlib.closing(sqlite3.connect(f"{copy}/{FILE}")) as database:
                rows = database.execute("SELECT body FROM bodies ORDER BY id").fetchall()
        headers = {"Content-Type": write_receiver.V2}
        return [write_receiver.Request("", headers, body) for (body,) in rows]

    def check_all(self, receiver, expected, repeats=False):
        """All of {(key, timestamp): value} has arrived, and in order."""
        got = pushing.arrived(receiver.requests())
        self.assertEqual(pushing.order_problems(got, repeats), [])
        contents = pushing.contents(got)
        self.assertEqual({key: contents.get(key) for key in expected}, expected)
        return got

    def test_what_was_stored_survives_being_killed_again_and_again(self):
        chance = random.Random(5)
        receiver = self.receiver(listening=False)
        server = self.server(receiver)
        expected = {}
        processes = 0
        for _ in range(ROUNDS):
            server.start()
            pushing.spans(server, NAMES, count=2)
            promised = len(expected)
            if chance.random() < 0.8:
                harness.wait_until(lambda: pushing.pending(server, "it") > promised,
                                   "a collection")
                promised = pushing.pending(server, "it")
            if chance.random() < 0.5:
                # When a collection is due, to a few milliseconds.
                time.sleep(1 - time.time() % 1 + chance.uniform(0, 0.01))
            self.kill(server)
            found = pushing.contents(pushing.arrived(self.waiting()))
            # Nothing of what was there before is gone, and all that was shown as waiting is there.
            self.assertLessEqual(expected.items(), found.items())
            self.assertGreaterEqual(len(found), promised)
            processes += len(found) > len(expected)
            expected = found
        self.assertGreater(processes, ROUNDS / 2)

        receiver.up()
        server.start()
        pushing.spans(server, NAMES, count=2)
        harness.wait_until(
            lambda: len(pushing.contents(receiver.series())) > len(expected), "new samples")
        pushing.freeze(server, self.tables)
        processes += 1
        got = self.check_all(receiver, expected)
        self.assertEqual(len(got), len(NAMES) * pushing.SERIES_PER_NAME)
        for key, points in got.items():
            if key[0] != pushing.CALLS:
                continue
            # Each process begins with a zero, after what the former one sent.
            values = [point.value for point in points]
            self.assertEqual(values[0], 0)
            self.assertEqual(values.count(0), processes, points)
            for before, after in zip(values, values[1:]):
                self.assertTrue(after == 0 or (before, after) in ((0, 2), (2, 2)), points)

    def test_being_killed_while_sending_loses_nothing(self):
        chance = random.Random(6)

        def respond(request):
            time.sleep(chance.uniform(0, 0.05))  # for some to be under way, or not deleted yet
            return write_receiver.accept(request)
        receiver = self.receiver(respond)
        server = self.server(receiver, queue={"max_samples_per_send": 5})
        expected = {}
        for _ in range(ROUNDS // 2):
            server.start()
            before = len(pushing.stamps(receiver))
            pushing.spans(server, NAMES)
            harness.wait_until(lambda: len(pushing.stamps(receiver)) > before, "a collection")
            self.kill(server)
            expected.update(pushing.contents(pushing.arrived(self.waiting())))
        self.assertTrue(expected)
        server.start()
        harness.wait_until(lambda: pushing.pending(server, "it") == 0, "everything to be sent")
        self.stop(server)
        self.check_all(receiver, expected, repeats=True)

    def test_collections_are_whole_after_a_crash(self):
        # Several blocks a collection, all of them or none.
        receiver = self.receiver(listening=False)
        server = self.server(receiver, queue={"max_samples_per_send": 5})
        server.start()
        self.collect(server)
        self.collect(server)
        self.kill(server)
        self.assertEqual(pushing.gap_problems(pushing.arrived(self.waiting())), [])

    def test_a_full_disk_is_outlived_in_memory(self):
        self.storage.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(self.storage)]
        if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("only root can mount a small file system")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.storage)], check=True)
        receiver = self.receiver(listening=False)
        server = self.server(receiver)
        server.start()
        self.collect(server)
        self.assertEqual(pushing.Counters(server).storage("up"), 1)
        ballast = self.storage / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass

        def is_up(value):
            pushing.spans(server, NAMES)
            return pushing.Counters(server).storage("up") == value
        harness.wait_until(lambda: is_up(0), "the disk to be full")
        self.assertRegex(server.log(), "level=error.*cannot keep .* on disk.*full")
        self.collect(server)
        self.assertGreater(pushing.Counters(server).get("queue_memory_bytes", "it"), 0)
        ballast.unlink()
        harness.wait_until(lambda: is_up(1), "the disk to be used again")
        self.assertIn("is kept on disk again", server.log())
        self.assertEqual(pushing.Counters(server).get("queue_memory_bytes", "it"), 0)

        # What was in memory is on the disk now, and in order with the rest.
        self.collect(server)
        counters = pushing.Counters(server)
        self.assertEqual(counters.dropped("it"), {})
        self.kill(server)
        expected = pushing.contents(pushing.arrived(self.waiting()))
        self.assertGreaterEqual(len(expected), counters.get("samples_pending", "it"))
        receiver.up()
        server.start()
        harness.wait_until(lambda: pushing.pending(server, "it") == 0, "everything to be sent")
        pushing.freeze(server, self.tables)
        got = self.check_all(receiver, expected)
        self.assertEqual(pushing.gap_problems(got), [])
        self.assertEqual(pushing.Counters(server).dropped("it"), {})

    def check_set_aside(self, damage):
        receiver = self.receiver()
        server = self.server(receiver)
        self.storage.mkdir()
        damage(self.storage / FILE)
        server.start()
        pushing.spans(server, NAMES)
        harness.wait_until(lambda: pushing.stamps(receiver), "samples")
        counters = pushing.Counters(server)
        self.assertEqual(counters.storage("up"), 1)
        self.assertEqual(counters.storage("files_set_aside_total"), 1)
        self.assertTrue((self.storage / (FILE + ".corrupt")).exists())
        self.assertRegex(server.log(), "level=error.*damaged and was set aside.*remote_write.db")
        server.close()

    def test_a_damaged_file_is_set_aside(self):
        self.check_set_aside(lambda path: path.write_bytes(b"not a database" * 1000))

    def test_what_is_no_file_is_set_aside(self):
        self.check_set_aside(lambda path: path.mkdir())

    def test_a_file_of_a_newer_version_is_set_aside(self):
        def damage(path):
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA application_id = 1936747889")
                database.execute("PRAGMA user_version = 99")
                database.execute("CREATE TABLE blocks(id INTEGER PRIMARY KEY)")
        self.check_set_aside(damage)

    def test_two_processes_do_not_share_a_directory(self):
        receiver = self.receiver()
        first, second = self.server(receiver), self.server(receiver)
        first.start()
        second.start()
        self.assertEqual(pushing.Counters(first).storage("up"), 1)
        self.assertEqual(pushing.Counters(second).storage("up"), 0)
        self.assertRegex(second.log(), "cannot keep .* on disk.*another process")

    # Stops.

    def stop(self, server):
        """Returns how many seconds it took."""
        began = time.monotonic()
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        server.disconnect()
        return time.monotonic() - began

    def last_calls(self, receiver):
        """{name of spans: last number of calls}."""
        return {dict(key[1])["span_name"]: points[-1].value
                for key, points in receiver.series().items() if key[0] == pushing.CALLS}

    def test_a_stop_sends_the_last_spans(self):
        receiver = self.receiver()
        server = self.server(receiver)
        server.start()
        for count in range(1, 4):
            pushing.spans(server, NAMES, count)
            harness.wait_until(lambda: len(pushing.stamps(receiver)) >= count, "a collection")
        pushing.spans(server, NAMES, 10)
        pushing.spans(server, ["late"])
        self.stop(server)
        self.assertEqual(self.last_calls(receiver), {**dict.fromkeys(NAMES, 16), "late": 1})
        got = pushing.arrived(receiver.requests())
        self.assertEqual(pushing.order_problems(got), [])
        self.assertEqual(pushing.gap_problems(got), [])
        self.assertEqual(self.waiting(), [])

    def check_stop_in_vain(self, respond, most_seconds):
        """What a stop could not send is sent after the next start."""
        receiver = self.receiver(respond)
        server = self.server(receiver)
        server.start()
        pushing.spans(server, NAMES, 3)
        harness.wait_until(lambda: receiver.seen, "a request")
        pushing.spans(server, NAMES, 4)
        self.assertLess(self.stop(server), most_seconds)
        self.assertEqual(receiver.requests(), [])
        expected = pushing.contents(pushing.arrived(self.waiting()))
        receiver.respond = write_receiver.accept
        server.start()
        harness.wait_until(lambda: pushing.stamps(receiver), "what was left")
        harness.wait_until(lambda: pushing.pending(server, "it") == 0, "everything to be sent")
        self.stop(server)
        self.check_all(receiver, expected)
        self.assertEqual(self.last_calls(receiver), dict.fromkeys(NAMES, 7))

    def test_a_stop_does_not_wait_for_those_who_never_answer(self):
        self.check_stop_in_vain(faults.stall, FLUSH_SECONDS + GRACE_SECONDS)

    def test_a_stop_leaves_what_fails_to_the_next_start(self):
        # What is safe on disk is not tried again and again.
        self.check_stop_in_vain(faults.status(503), GRACE_SECONDS)

    def test_a_stop_without_storage_tells_what_is_lost(self):
        receiver = self.receiver(listening=False)
        server = self.server(receiver)
        self.tables["storage"] = {}
        server.configure(self.tables)
        server.start()
        self.assertIn("storage.path is not set", server.log())
        self.collect(server)
        self.assertLess(self.stop(server), FLUSH_SECONDS + GRACE_SECONDS)
        lost = re.search(r"level=warn .*remote_name=it reason=shutdown samples=(\d+)", server.log())
        self.assertGreaterEqual(int(lost.group(1)), len(NAMES) * pushing.SERIES_PER_NAME)


if __name__ == "__main__":
    unittest.main()
