"""What the process needs from others is slow, stuck or gone: spans are taken all the same, and what
was collected arrives once the others are back.

faulty_libc.cc stands between the process and its disk and name server.
"""

import os
import pathlib
import socket
import struct
import tempfile
import time
import unittest

# First: it tells where the other modules are.
import adversity
import harness
import pushing
import write_receiver

NAMES = [f"operation {number}" for number in range(20)]


class OutagesTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-storage-")
        self.addCleanup(directory.cleanup)
        self.storage = pathlib.Path(directory.name)
        receiver = write_receiver.Receiver()
        self.addCleanup(receiver.close)
        self.receiver = receiver.__enter__()
        self.sent = 0

    def start(self, disk="0", name="found", **tables):
        server = harness.Spanmeter({"generator": pushing.GENERATOR, **tables})
        self.addCleanup(server.close)
        self.faults_file = server.directory / "faults"
        self.set_faults(disk, name)
        adversity.preload(server, os.environ["SPANMETER_FAULTY_LIBC"],
                          FAULTS_FILE=self.faults_file)
        server.start()
        return server

    def set_faults(self, disk="0", name="found"):
        new = self.faults_file.with_suffix(".new")
        new.write_text(f"{disk} {name}\n", encoding="ascii")
        os.replace(new, self.faults_file)

    def stored(self, server):
        """How many samples wait for the receiver; scrapes are served as well."""
        return pushing.pending(server, "it")

    def send(self, server):
        pushing.spans(server, NAMES)
        self.sent += len(NAMES)
        self.assertEqual(harness.sum_of(server.series(), adversity.CALLS), self.sent)

    def check_everything_arrives(self, server):
        def last_values():
            return sum(points[-1].value for key, points in self.receiver.series().items()
                       if key[0] == pushing.CALLS)
        harness.wait_until(lambda: last_values() == self.sent, "everything to arrive")
        series = self.receiver.series()
        self.assertEqual(pushing.order_problems(series), [])
        self.assertEqual(pushing.Counters(server).dropped("it"), {})

    def check_stops_well(self, server):
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())

    # Disks.

    def test_a_disk_that_is_stuck_holds_up_neither_spans_nor_scrapes(self):
        server = self.start(storage={"path": str(self.storage)},
                            remote_write=[pushing.remote(self.receiver, "it")])
        self.send(server)
        self.check_everything_arrives(server)
        self.set_faults(disk="stuck")
        # Some collections later none has come through.
        end = time.time() + 3
        while time.time() < end:
            self.send(server)
        harness.wait_until(lambda: len(pushing.stamps(self.receiver)) > 0, "the first collection")
        before = self.receiver.series()
        self.send(server)
        self.assertEqual(server.get("/-/ready")[0], 200)
        self.assertEqual(adversity.self_value(server, "spanmeter_otlp_in_flight_bytes"), 0)
        self.assertEqual(pushing.contents(self.receiver.series()), pushing.contents(before))
        self.set_faults()
        self.check_everything_arrives(server)
        self.check_stops_well(server)

    def test_a_slow_disk_makes_everything_late_but_loses_nothing(self):
        server = self.start(disk="50", storage={"path": str(self.storage)},
                            remote_write=[pushing.remote(self.receiver, "it")])
        end = time.time() + 3
        while time.time() < end:
            self.send(server)
        self.check_everything_arrives(server)
        self.check_stops_well(server)
        server.disconnect()
        # The state came through as well.
        self.set_faults()
        server.start()
        self.assertEqual(harness.sum_of(server.series(), adversity.CALLS), self.sent)

    # Receivers and scrapers.

    def test_what_waits_for_a_receiver_arrives_when_its_name_is_found_again(self):
        remote = pushing.remote(self.receiver, "it")
        remote["url"] = remote["url"].replace("127.0.0.1", "receiver.test")
        self.assertIn("receiver.test", remote["url"])
        server = self.start(name="fails", remote_write=[remote])
        for fault in ("fails", "hangs", "fails"):
            self.set_faults(name=fault)
            waiting = self.stored(server)
            harness.wait_until(
                lambda before=waiting: self.send(server) or self.stored(server) > before,
                "another collection")
            self.assertEqual(self.receiver.series(), {})
        self.assertGreater(self.stored(server), 0)
        self.assertTrue(any("receiver.test" in line for line in pushing.log_lines(server, "it")),
                        server.log())
        self.set_faults()
        self.check_everything_arrives(server)
        self.check_stops_well(server)

    def test_scrapers_that_vanish_in_the_middle_leave_nothing_behind(self):
        server = self.start()
        for number in range(20):
            pushing.spans(server, [f"operation {number} {name}" for name in range(500)])
        before = harness.series_of(harness.parse_samples(server.scrape()))
        files = adversity.self_value(server, "process_open_fds")
        host, port = server.http_address.rsplit(":", 1)
        for number in range(50):
            with socket.create_connection((host, int(port)), harness.DEADLINE_SECONDS) as scraper:
                scraper.sendall(b"GET /metrics/generated HTTP/1.1\r\nHost: it\r\n\r\n")
                # Megabytes are to come. Some vanish with a reset, which closing in this way sends.
                self.assertTrue(scraper.recv(1000 * number + 1))
                scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", number % 2, 0))
        harness.wait_until(
            lambda: adversity.self_value(server, "process_open_fds") <= files, "their end")
        self.assertEqual(harness.series_of(harness.parse_samples(server.scrape())), before)
        self.check_stops_well(server)


if __name__ == "__main__":
    unittest.main()
