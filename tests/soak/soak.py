#!/usr/bin/env python3
"""Hours under load and churn: whether memory still grows when nothing else does.

    tests/soak/soak.py [--minutes 60] [--directory build/soak]

Two processes get the same: one as it is shipped, and one in whose place of malloc() is jemalloc,
which writes profiles of the heap. Both get half of the spans that they could take together, a tenth
of the label sets is replaced every minute, half edges wait and find nobody, both are scraped, pushed
to a receiver, and reloaded. The number of series settles once the first label sets have gone stale.
From then on the heap of the second process must not grow, and the memory of the first hardly. What
is seen goes to soak.tsv, and the places whose memory has grown most to growth.txt.
"""

import argparse
import collections
import contextlib
import glob
import http.server
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import loadgen  # noqa: E402  pylint: disable=wrong-import-position

JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
MINUTE = 60
LABEL_SETS = 20_000
REPLACED_EACH_MINUTE = LABEL_SETS // 10
STALE_MINUTES = 5
# A label set is sent for ten minutes and gone STALE_MINUTES later: from then on as many go as come.
# Two minutes more, for what only then reaches its largest extent.
SETTLED_MINUTES = 10 + STALE_MINUTES + 2
SCRAPE_SECONDS = 15
RELOAD_MINUTES = 5
# What medians of a quarter of the time may differ: of what the heap holds, which is estimated from
# samples, by chance; of resident memory also because holes between live blocks become more.
GROWTH_ALLOWED = 0.05
RESIDENT_GROWTH_ALLOWED = 0.10
# Bytes allocated between two profiles, as a power of two: about one in two minutes.
PROFILE_EVERY = 33


class Receiver:
    """Takes everything that is pushed. A context manager."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Reads and forgets."""
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # pylint: disable=invalid-name
            """Takes a request."""
            length = int(self.headers["Content-Length"])
            while length > 0:
                length -= len(self.rfile.read(min(length, 1 << 16)))
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
            """Says nothing."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, exception_type, exception, traceback):
        self._server.shutdown()
        self._server.server_close()


class Subject:
    """A process under load."""

    def __init__(self, name, directory, receiver, environment=None):
        self.name = name
        self.server = harness.Spanmeter({
            "generator": {
                "processors": ["span-metrics", "service-graphs"],
                "stale_duration": f"{STALE_MINUTES}m", "collection_interval": "15s",
                "ingestion_time_range_slack": "1h"},
            "storage": {"path": str(directory / f"storage-{name}")},
            "remote_write": [{"name": "sink", "url": receiver.url, "protobuf_message":
                              "prometheus.WriteRequest"}],
        })
        if environment is not None:
            wrapper = self.server.directory / "with_environment"
            wrapper.write_text(f"#!/bin/sh\nexec env {environment} "
                               f"{harness.spanmeter_binary()} \"$@\"\n", encoding="ascii")
            wrapper.chmod(0o755)
            self.server._binary = str(wrapper)  # pylint: disable=protected-access
        self.acknowledged = 0

    def memory_mib(self):
        text = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M).group(1)) / 1024

    def value(self, name):
        return harness.sum_of(self.server.series("/metrics/self"), "spanmeter_" + name)

    def load(self, first, rate, seconds):
        """Starts to send."""
        return loadgen.Loadgen(
            self.server, "--label-sets", str(LABEL_SETS), "--first-label-set", str(first),
            "--services", "50", "--rate", str(rate), "--duration", f"{seconds}s", "--gzip",
            "--batch", "256")


def capacity(subjects):
    """Spans per second that all take together, each as much as the others."""
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(one.load(0, 0, 15)) for one in subjects]
        spans = []
        for one, load in zip(subjects, loads):
            acknowledged = load.summary()["acknowledged"]
            one.acknowledged += acknowledged
            spans.append(acknowledged / 15)
    return sum(spans)


def minute(subjects, number, rate, rows):
    """One minute of load; adds what is seen at its end to `rows`."""
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(one.load(number * REPLACED_EACH_MINUTE, rate, MINUTE))
                 for one in subjects]
        end = time.monotonic() + MINUTE
        row = {"minute": number}
        while time.monotonic() < end:
            for one in subjects:
                one.server.get("/metrics/generated", Accept=harness.OPENMETRICS,
                               Accept_Encoding="gzip")
            time.sleep(min(SCRAPE_SECONDS, max(0, end - time.monotonic())))
        for one in subjects:
            row[f"{one.name} MiB"] = round(one.memory_mib(), 1)
            row[f"{one.name} series"] = int(one.value("registry_active_series"))
        for one, load in zip(subjects, loads):
            one.acknowledged += load.summary()["acknowledged"]
    if number % RELOAD_MINUTES == 0:
        for one in subjects:
            one.server.hang_up()
    rows.append(row)
    print("\t".join(str(value) for value in row.values()), flush=True)


def live_bytes(profile):
    """What the heap holds, by a profile of jemalloc; scaled up from its samples."""
    command = ["jeprof", "--text", "--inuse_space", harness.spanmeter_binary(), str(profile)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"Total: ([\d.]+) MB", out).group(1))


def growth(values):
    """How much the last quarter is larger than the first, as a part of it."""
    quarter = max(1, len(values) // 4)
    first = statistics.median(values[:quarter])
    return statistics.median(values[-quarter:]) / first - 1


def report(directory, rows, profiled, started):
    """Prints the verdict; returns whether nothing grew."""
    settled = [row for row in rows if row["minute"] >= SETTLED_MINUTES]
    found = {key: growth([row[key] for row in settled]) for key in settled[0] if key != "minute"}
    profiles = collections.OrderedDict()
    for path in sorted(map(pathlib.Path, glob.glob(str(directory / "heap.*.heap"))),
                       key=lambda path: path.stat().st_mtime):
        age_minutes = (path.stat().st_mtime - started) / MINUTE
        if age_minutes >= SETTLED_MINUTES:
            profiles[path] = age_minutes
    paths = list(profiles)
    live = [live_bytes(path) for path in paths]
    with (directory / "heap.tsv").open("w", encoding="ascii") as file:
        for path, mib in zip(paths, live):
            file.write(f"{profiles[path]:.1f}\t{mib}\n")
    found[f"{profiled.name} live heap"] = growth(live)
    quarter = max(1, len(paths) // 4)
    grown = subprocess.run(
        ["jeprof", "--text", "--inuse_space", f"--base={paths[quarter // 2]}",
         harness.spanmeter_binary(), str(paths[-1 - quarter // 2])],
        capture_output=True, text=True, check=True).stdout
    (directory / "growth.txt").write_text(grown, encoding="utf-8")
    for key, part in found.items():
        print(f"{key}: {100 * part:+.1f} % after minute {SETTLED_MINUTES}")
    print(f"live heap: {live[0]} to {live[-1]} MB in {len(live)} profiles")
    return all(part <= (RESIDENT_GROWTH_ALLOWED if key.endswith("MiB") else GROWTH_ALLOWED)
               for key, part in found.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build" / "soak")
    arguments = parser.parse_args()
    if arguments.minutes < SETTLED_MINUTES + 4:
        sys.exit(f"--minutes must be at least {SETTLED_MINUTES + 4}: before that nothing is settled")
    for needed in (JEMALLOC, shutil.which("jeprof")):
        if needed is None or not os.path.exists(needed):
            sys.exit("needs jemalloc and its jeprof: apt-get install libjemalloc2 libjemalloc-dev")
    directory = arguments.directory.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)

    rows = []
    with Receiver() as receiver, contextlib.ExitStack() as stack:
        profile = (f"prof:true,lg_prof_sample:14,lg_prof_interval:{PROFILE_EVERY},"
                   f"prof_prefix:{directory}/heap")
        shipped = Subject("shipped", directory, receiver)
        profiled = Subject("profiled", directory, receiver,
                           f"LD_PRELOAD={JEMALLOC} MALLOC_CONF={profile}")
        subjects = [shipped, profiled]
        for one in subjects:
            stack.callback(one.server.close)
            one.server.start()
        together = capacity(subjects)
        rate = together / 2 / len(subjects)
        print(f"together they take {together:,.0f} spans/s; each gets {rate:,.0f}", flush=True)
        print("\t".join(["minute"] + [f"{one.name} {what}" for one in subjects
                                      for what in ("MiB", "series")]), flush=True)
        started = time.time()
        for number in range(1, arguments.minutes + 1):
            minute(subjects, number, rate, rows)
        with (directory / "soak.tsv").open("w", encoding="ascii") as file:
            file.write("\t".join(rows[0]) + "\n")
            for row in rows:
                file.write("\t".join(str(value) for value in row.values()) + "\n")
        well = report(directory, rows, profiled, started)
        for one in subjects:
            received = one.value("spans_received_total")
            dropped = one.value("remote_storage_samples_dropped_total")
            one.server.terminate()
            status = one.server.wait()
            print(f"{one.name}: {one.acknowledged:,} spans acknowledged, {received:,.0f} counted, "
                  f"{dropped:,.0f} samples dropped, exit status {status}")
            well = well and received == one.acknowledged and status == 0 and dropped == 0
    print("nothing grows" if well else "SOMETHING IS WRONG")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
