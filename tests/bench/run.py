#!/usr/bin/python3
"""Measures a release build and prints the figures as Markdown tables.

    tests/bench/run.py [--runs N] [--seconds N] [--build DIR] [--only NAME]...

Every figure is the median of --runs runs (5). The server runs in its own process with default
settings on ports of its own; spanmeter-loadgen sends to it. README.md says what each figure means.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = ["--connections", "4", "--in-flight", "4"]
# 19 series each, histogram buckets included: a little more than 1 000 000 lines.
MILLION_LINES_LABEL_SETS = 52_640


def generate(server, *flags):
    """Runs spanmeter-loadgen against `server` and returns its summary."""
    target = server.otlp_http_address if "--http" in flags else server.grpc_address
    result = subprocess.run(
        [harness.loadgen_binary(), f"--target={target}", "--json",
         f"--metrics=http://{server.http_address}/metrics/self", *CONNECTIONS, *flags],
        stdout=subprocess.PIPE, check=True)
    summary = json.loads(result.stdout)
    if summary["refused"] or summary["rejected"]:
        raise SystemExit(f"spans were refused, the figures are worthless: {summary}")
    return summary


def status_kib(server, field):
    """A field of /proc/PID/status in KiB."""
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise SystemExit(f"/proc has no {field}")


def fill(server, label_sets):
    """Creates this many label sets, each with one span or two."""
    generate(server, f"--label-sets={label_sets}", f"--spans={label_sets + 4 * 4 * 512}")


class Measurements:
    """The measurements of a whole server. Each returns {row: value} of one run."""

    def __init__(self, seconds):
        self.duration = f"--duration={seconds}s"

    def load(self, *flags):
        with harness.Spanmeter() as server:
            summary = generate(server, self.duration, *flags)
        name = " ".join(flags) or "defaults"
        return {
            f"server CPU s per million spans, {name}":
                summary["server_cpu_seconds_per_million_spans"],
            f"spans/s, {name}": summary["spans_per_second"],
            f"latency p99 in ms, {name}": summary["latency_ms"]["p99"],
        }

    def batch_512(self):
        return self.load("--batch=512")

    def batch_100(self):
        return self.load("--batch=100")

    def gzip(self):
        return self.load("--batch=512", "--gzip")

    def http(self):
        """The same process takes both in turn, so that whatever else runs meets both."""
        rows = {}
        with harness.Spanmeter() as server:
            for name, flags in (("", ()), (", gzip", ("--gzip",))):
                flags = (self.duration, "--batch=512", *flags)
                grpc, http = (generate(server, *flags, *more)["server_cpu_seconds_per_million_spans"]
                              for more in ((), ("--http",)))
                rows[f"server CPU s per million spans, gRPC{name}"] = grpc
                rows[f"server CPU s per million spans, HTTP{name}"] = http
                rows[f"HTTP by gRPC{name}"] = http / grpc
        return rows

    def label_sets_50000(self):
        return self.load("--batch=512", "--label-sets=50000")

    def tee_512(self):
        return self.tee("--batch=512")

    def tee_gzip(self):
        return self.tee("--batch=512", "--gzip")

    def tee(self, *flags):
        """What passing on to one backend costs, which is another spanmeter that counts nothing."""
        # Not flat out: sender, server and backend share the processors, and nothing may be dropped.
        flags = (self.duration, "--rate=1000000", *flags)
        cost = "server_cpu_seconds_per_million_spans"
        with harness.Spanmeter({"generator": {"processors": []}}) as backend:
            with harness.Spanmeter() as server:
                alone = generate(server, *flags)[cost]
            receiver = {"name": "backend", "endpoint": f"http://{backend.grpc_address}"}
            with harness.Spanmeter({"forward": [receiver]}) as server:
                summary = generate(server, *flags)
                harness.wait_until(
                    lambda: harness.sum_of(server.series("/metrics/self"),
                                           "spanmeter_forward_spans_total")
                    == summary["acknowledged"], "all spans at the backend")
        name = " ".join(flags[2:])
        return {f"server CPU s per million spans at 1 000 000/s, {name}": alone,
                f"the same with a tee, {name}": summary[cost],
                f"that is, more, {name}": summary[cost] - alone}

    @staticmethod
    def memory():
        label_sets = 100_000
        with harness.Spanmeter() as server:
            # What gRPC and the allocator keep anyway is not the label sets'.
            generate(server, "--label-sets=100", "--services=10", "--duration=2s")
            before = status_kib(server, "VmRSS")
            fill(server, label_sets)
            after = status_kib(server, "VmRSS")
        return {f"bytes per label set ({label_sets} of them, 19 series each)":
                (after - before) * 1024 / label_sets}

    @staticmethod
    def scrape():
        with harness.Spanmeter() as server:
            fill(server, MILLION_LINES_LABEL_SETS)
            server.get("/metrics/generated")  # warm up: connections, buffers
            before = status_kib(server, "VmRSS")
            pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
            started = time.monotonic()
            lines = discard_scrape(server)
            seconds = time.monotonic() - started
            extra = status_kib(server, "VmHWM") - before
        return {f"scrape of {lines} lines in s": seconds, "its extra memory in MiB": extra / 1024}

    def scrapes_meanwhile(self):
        label_sets = f"--label-sets={MILLION_LINES_LABEL_SETS}"
        with harness.Spanmeter() as server:
            fill(server, MILLION_LINES_LABEL_SETS)
            alone = generate(server, self.duration, label_sets)["spans_per_second"]
            stop = threading.Event()
            scrapes = []

            def scrape():
                while not stop.is_set():
                    scrapes.append(discard_scrape(server))
            thread = threading.Thread(target=scrape)
            thread.start()
            try:
                meanwhile = generate(server, self.duration, label_sets)["spans_per_second"]
            finally:
                stop.set()
                thread.join()
        return {"spans/s, 52 640 label sets": alone,
                "the same while 1 000 000 lines are scraped back to back": meanwhile,
                "that is, in %": 100 * meanwhile / alone}


def discard_scrape(server):
    """Scrapes with curl, which costs next to nothing, and returns the number of lines."""
    result = subprocess.run(
        f"curl -sf http://{server.http_address}/metrics/generated | wc -l", shell=True,
        stdout=subprocess.PIPE, check=True)
    return int(result.stdout)


def measure_servers(arguments):
    measurements = Measurements(arguments.seconds)
    names = ["batch_512", "batch_100", "gzip", "http", "label_sets_50000", "tee_512", "tee_gzip",
             "memory", "scrape", "scrapes_meanwhile"]
    print("| figure | median | all runs |\n|---|---|---|")
    for name in names:
        if arguments.only and name not in arguments.only:
            continue
        runs = [getattr(measurements, name)() for _ in range(arguments.runs)]
        for position, row in enumerate(runs[0]):
            values = [list(run.values())[position] for run in runs]
            print(f"| {row} | {statistics.median(values):.4g} | "
                  f"{', '.join(f'{value:.4g}' for value in values)} |", flush=True)


def run_benchmarks(arguments):
    print("\n| benchmark | median CPU time |\n|---|---|")
    for program in sorted((arguments.build / "bin").glob("*_bench")):
        if arguments.only and program.name not in arguments.only:
            continue
        result = subprocess.run(
            [program, f"--benchmark_repetitions={arguments.runs}",
             "--benchmark_report_aggregates_only=true", "--benchmark_format=json"],
            stdout=subprocess.PIPE, check=True)
        for benchmark in json.loads(result.stdout)["benchmarks"]:
            if benchmark.get("aggregate_name") != "median":
                continue
            counters = {key: value for key, value in benchmark.items()
                        if isinstance(value, float) and key not in ("real_time", "cpu_time")}
            extra = "".join(f", {key} {value:.4g}" for key, value in counters.items())
            print(f"| {benchmark['run_name']} | {benchmark['cpu_time']:.4g}"
                  f" {benchmark['time_unit']}{extra} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=15, help="of load in a run")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--only", action="append", default=[],
                        help="one of the measurements, or a program such as decode_bench")
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    os.environ["SPANMETER"] = str(arguments.build / "bin" / "spanmeter")
    os.environ["SPANMETER_LOADGEN"] = str(arguments.build / "bin" / "spanmeter-loadgen")
    measure_servers(arguments)
    run_benchmarks(arguments)


if __name__ == "__main__":
    main()
