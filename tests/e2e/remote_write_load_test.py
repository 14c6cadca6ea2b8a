"""Remote write of many series: order whatever fails, backlogs, bounds of memory and disk."""

import random
import threading
import time
import unittest

import faults
import harness
import pushing
import write_receiver

MIB = 1 << 20
NAMES = [f"operation {i}" for i in range(150)]
SERIES = len(NAMES) * pushing.SERIES_PER_NAME


class Flaky:
    """Takes a while for each request and refuses some, by chance; watches what comes together.

    Up to open() it refuses everything.
    """

    def __init__(self, seed):
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._in_work = []
        self._chance = 1.0
        self.refused = 0
        self.most_at_a_time = 0
        self.problems = []

    def open(self):
        with self._lock:
            self._chance = 0.2

    def __call__(self, request):
        keys = {series.key for series in request.series}
        with self._lock:
            seconds = self._random.uniform(0, 0.03)
            refuse = self._random.random() < self._chance
            for others in self._in_work:
                if not keys.isdisjoint(others):
                    self.problems.append(f"at the same time: {keys & others}")
            self._in_work.append(keys)
            self.most_at_a_time = max(self.most_at_a_time, len(self._in_work))
        time.sleep(seconds)  # this is what makes the order a matter of chance
        with self._lock:
            self._in_work.remove(keys)
            self.refused += refuse
        return (500, {}, b"not now") if refuse else write_receiver.accept(request)


class LoadTest(unittest.TestCase):

    def receiver(self, *arguments, **options):
        receiver = write_receiver.Receiver(*arguments, **options)
        self.addCleanup(receiver.close)
        return receiver.__enter__()

    def start(self, remote_write, storage=None, **generator):
        self.tables = {"generator": {**pushing.GENERATOR, **generator},
                       "storage": {"path": "storage"} if storage is None else storage,
                       "remote_write": remote_write}
        server = harness.Spanmeter(self.tables)
        self.addCleanup(server.close)
        server.start()
        return server

    def collect(self, server, witness, collections):
        """Lets so many more collections happen."""
        until = len(pushing.stamps(witness)) + collections
        while (now := len(pushing.stamps(witness))) < until:
            pushing.spans(server, NAMES)
            harness.wait_until(lambda: len(pushing.stamps(witness)) > now, "a collection")

    def test_every_series_is_in_order_although_requests_overtake_and_fail(self):
        flaky = Flaky(seed=7)
        witness, receiver = self.receiver(), self.receiver(flaky)
        # Series of samples and of native histograms, and blocks that are cut.
        server = self.start(
            [pushing.remote(witness, "witness"),
             pushing.remote(receiver, "flaky", queue={
                 "max_shards": 8, "max_samples_per_send": 50, "max_backoff": "60ms"})],
            generate_native_histograms="both")
        # Only with some collections waiting may one overtake the other.
        self.collect(server, witness, 5)
        flaky.open()
        self.collect(server, witness, 2)
        pushing.freeze(server, self.tables)
        got = pushing.arrived(receiver.requests())
        self.assertEqual(pushing.contents(got),
                         pushing.contents(pushing.arrived(witness.requests())))
        self.assertEqual(flaky.problems, [])
        self.assertEqual(pushing.order_problems(got), [])
        self.assertEqual(pushing.gap_problems(got), [])
        self.assertEqual(len(got), SERIES + len(NAMES))
        counters = pushing.Counters(server)
        self.assertEqual(len(pushing.contents(got)),
                         counters.get("samples_in_total", "flaky")
                         + counters.get("histograms_in_total", "flaky"))
        # It was a test.
        self.assertGreater(flaky.refused, 0)
        self.assertGreaterEqual(counters.requests("flaky")[500], flaky.refused)
        self.assertGreater(flaky.most_at_a_time, 1)
        self.assertLessEqual(flaky.most_at_a_time, 8)

    def test_a_backlog_of_many_small_requests_costs_little_memory_and_arrives(self):
        witness, absent = self.receiver(), self.receiver(listening=False)
        server = self.start([pushing.remote(witness, "witness"),
                             pushing.remote(absent, "absent", queue={"max_samples_per_send": 5})])
        self.collect(server, witness, 2)
        before = pushing.peak_memory_bytes(server)
        self.collect(server, witness, 8)
        counters = pushing.Counters(server)
        self.assertGreater(counters.get("queue_blocks", "absent"), 1000)
        self.assertEqual(counters.get("queue_memory_bytes", "absent"), 0)
        self.assertGreater(counters.get("queue_age_seconds", "absent"), 5)
        absent.up()
        pushing.freeze(server, self.tables)
        got = pushing.arrived(absent.requests())
        self.assertEqual(pushing.order_problems(got), [])
        self.assertEqual(pushing.contents(got),
                         pushing.contents(pushing.arrived(witness.requests())))
        self.assertEqual(pushing.Counters(server).dropped("absent"), {})
        self.assertLess(pushing.peak_memory_bytes(server) - before, 24 * MIB)

    def check_overflow(self, storage):
        """The oldest is dropped for those who are away for too long; the newest arrives."""
        witness = self.receiver()
        absent, aged = self.receiver(listening=False), self.receiver(listening=False)
        server = self.start(
            [pushing.remote(witness, "witness"),
             # Small requests count as 1 KiB.
             pushing.remote(absent, "absent", queue={"max_samples_per_send": 5}),
             pushing.remote(aged, "aged", queue={"sample_age_limit": "2s"})], storage)

        def overflowed():
            self.collect(server, witness, 1)
            counters = pushing.Counters(server)
            self.assertLessEqual(counters.get("queue_blocks", "absent"), 1024)
            self.assertLessEqual(counters.get("queue_bytes", "absent"), MIB)
            return (counters.get("samples_dropped_total", "absent") > 3 * SERIES
                    and counters.get("samples_dropped_total", "aged") > 0)
        harness.wait_until(overflowed, "more than the bounds allow")
        absent.up()
        aged.up()
        pushing.freeze(server, self.tables)
        counters = pushing.Counters(server)
        everything = pushing.arrived(witness.requests())
        expected = pushing.contents(everything)
        collections = pushing.stamps(witness)
        for name, receiver, reason in (("absent", absent, "queue_full"), ("aged", aged, "too_old")):
            got = pushing.arrived(receiver.requests())
            contents = pushing.contents(got)
            self.assertEqual(pushing.order_problems(got), [])
            self.assertEqual(counters.dropped(name), {reason: len(expected) - len(contents)})
            self.assertLessEqual(contents.items(), expected.items())
            # Of each series one piece is missing, and not at the end.
            for key, points in everything.items():
                times = {point.timestamp_ms for point in got[key]}
                there = [point.timestamp_ms in times for point in points]
                gaps = sum(here and not after for here, after in zip(there, there[1:]))
                self.assertLessEqual(gaps, 1, (harness.format_key(key), there))
                self.assertIn(collections[-1], times)
            self.assertTrue(any(reason in line for line in pushing.log_lines(server, name)))

    def test_the_oldest_gives_way_on_disk(self):
        self.check_overflow({"path": "storage", "max_size": "1MiB", "max_memory": "1MiB"})

    def test_the_oldest_gives_way_in_memory(self):
        self.check_overflow({"max_memory": "1MiB"})

    def test_huge_answers_cost_no_memory(self):
        huge = faults.raw(b"HTTP/1.1 500 Oh\r\n\r\n", *[b"error " * 200_000] * 60)
        headers = faults.raw(b"HTTP/1.1 500 Oh\r\n", *[b"X: " + b"x" * 60_000 + b"\r\n"] * 1000)
        endless = faults.raw(b"HTTP/1.1 500 Oh\r\nX: ", *[b"x" * MIB] * 60)
        script = faults.Script(write_receiver.accept, *[huge, headers, endless] * 3)
        receiver = self.receiver(script)
        server = self.start([pushing.remote(receiver, "huge")])
        self.collect(server, receiver, 1)
        before = pushing.peak_memory_bytes(server)
        pushing.spans(server, NAMES)
        harness.wait_until(script.done, "all huge answers")
        pushing.freeze(server, self.tables)
        self.assertLess(pushing.peak_memory_bytes(server) - before, 16 * MIB)
        got = pushing.arrived(receiver.requests())
        self.assertEqual(pushing.order_problems(got), [])
        self.assertEqual(pushing.gap_problems(got), [])
        counters = pushing.Counters(server)
        self.assertEqual(counters.get("samples_in_total", "huge"), len(pushing.contents(got)))
        self.assertLess(max(map(len, server.log().splitlines())), 1000)


if __name__ == "__main__":
    unittest.main()
