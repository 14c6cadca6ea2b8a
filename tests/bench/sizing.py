#!/usr/bin/python3
"""Measures what it takes to run a release build, and prints the README's tables on sizing.

    tests/bench/sizing.py [--build DIR] [--seconds N] [--runs N] [--only memory|cpu|network]

CPU is the processor time of the server's process, the kernel's share included, and memory is its
resident set, so that the figures hardly depend on what else the machine does. Each is the median of
--runs runs with a server of its own. spanmeter-loadgen sends spans of about 540 bytes.
"""

import argparse
import os
import pathlib
import re
import statistics
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import loadgen  # noqa: E402  pylint: disable=wrong-import-position
import prometheus_server  # noqa: E402  pylint: disable=wrong-import-position

KIB = 1024
LABEL_SETS = 100_000
# No series ends while it is measured.
FOREVER = {"stale_duration": "1d", "ingestion_time_range_slack": "0s"}

PROTOBUF = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
            "encoding=delimited")


def resident_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * KIB


def cpu_seconds(server):
    """User and system time so far."""
    stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(server, *flags):
    """Sends spans until the flags say that it is enough. Returns how many were acknowledged."""
    with loadgen.Loadgen(server, *flags) as sender:
        sender.process.wait()
        summary = sender.summary()
    if summary["refused"] or summary["rejected"]:
        raise SystemExit(f"spans were refused, the figures are worthless: {summary}")
    return summary["acknowledged"]


def self_metric(server, name):
    """The sum of a metric about spanmeter over all its labels."""
    return sum(sample.value for sample in harness.parse_samples(server.scrape("/metrics/self"))
               if sample.name == name)


def tables(span_metrics=(), **generator):
    return {"generator": {**FOREVER, **generator}, "generator.span_metrics": dict(span_metrics)}


def memory(configuration, spans_each):
    """Bytes of resident memory and series for each label set: what the later ones add.

    The first ones find memory that requests left behind, so their share would be too small. The same
    flags give the same spans, so other numbers of attributes give each label set other durations.
    """
    with harness.Spanmeter(configuration) as server:
        states = []
        for label_sets in (LABEL_SETS, 4 * LABEL_SETS):
            for number in range(spans_each):
                send(server, f"--label-sets={label_sets}", f"--spans={label_sets + 16 * 512}",
                     f"--attributes={11 + number}")
            states.append((resident_bytes(server), self_metric(server, "spanmeter_registry_active_series"),
                           self_metric(server, "spanmeter_registry_active_entities")))
    (first_bytes, first_series, first_sets), (last_bytes, last_series, last_sets) = states
    label_sets = last_sets - first_sets
    return (last_bytes - first_bytes) / label_sets, (last_series - first_series) / label_sets


# With the spans that each label set gets: exemplars take memory when a bucket sees its first.
MEMORY = [
    ("default: 4 labels, 14 buckets, one span each", tables(), 1),
    ("the same after 20 spans each, with their exemplars", tables(), 20),
    ("3 dimensions more (values of 20 bytes), one span each", tables(
        {"dimensions": ["http.request.method", "http.route", "url.scheme"]}), 1),
    ("`enable_target_info`: labels `job` and `instance` more, one span each",
     tables({"enable_target_info": True}), 1),
    ("`generate_native_histograms = \"native\"`, 20 spans each",
     tables(generate_native_histograms="native"), 20),
    ("`processors = [\"span-metrics-count\"]`: calls only", tables(processors=["span-metrics-count"]), 1),
]


def measure_memory(runs):
    with harness.Spanmeter(tables()) as server:
        send(server, "--label-sets=100", "--duration=5s")
        print(f"A server that is busy with 100 label sets: {resident_bytes(server) / KIB / KIB:.0f} MiB\n")
    print("| configuration | series per label set | bytes per label set | label sets per GiB |\n|---|---|---|---|")
    for name, configuration, spans_each in MEMORY:
        results = [memory(configuration, spans_each) for _ in range(runs)]
        size = statistics.median(result[0] for result in results)
        print(f"| {name} | {results[0][1]:.0f} | {size:.0f} | {2**30 / size / 1e6:.1f} million |",
              flush=True)


CPU = [
    ("512 spans a request", tables(), ("--batch=512",)),
    ("4,096", tables(), ("--batch=4096",)),
    ("100", tables(), ("--batch=100",)),
    ("10", tables(), ("--batch=10",)),
    ("1", tables(), ("--batch=1",)),
    ("512, gzip", tables(), ("--batch=512", "--gzip")),
    ("512, service graphs as well; no span finds its counterpart",
     tables(processors=["span-metrics", "service-graphs"]), ("--batch=512",)),
    ("512, 3 dimensions more, 100,000 label sets", MEMORY[2][1], ("--batch=512", "--label-sets=100000")),
    ("512, 100,000 label sets", tables(), ("--batch=512", "--label-sets=100000")),
]


def measure_cpu(runs, seconds):
    print("\n| requests of | CPU seconds per million spans |\n|---|---|")
    for name, configuration, flags in CPU:
        results = []
        for _ in range(runs):
            with harness.Spanmeter(configuration) as server:
                send(server, "--duration=2s", *flags)
                before = cpu_seconds(server)
                spans = send(server, f"--duration={seconds}s", *flags)
                results.append((cpu_seconds(server) - before) / spans * 1e6)
        print(f"| {name} | {statistics.median(results):.2f} |", flush=True)


def fetched_bytes(server, accept, encoding):
    request = urllib.request.Request(f"http://{server.http_address}/metrics/generated", headers={
        "Accept": accept, "Accept-Encoding": encoding})
    with urllib.request.urlopen(request, timeout=harness.DEADLINE_SECONDS) as response:
        return len(response.read())


def measure_network():
    print("\n| what | bytes |\n|---|---|")
    for name, flags in (("a span in, uncompressed", ()), ("a span in, gzip", ("--gzip",))):
        with harness.Spanmeter(tables()) as server:
            spans = send(server, "--spans=200000", *flags)
            received = self_metric(server, "spanmeter_otlp_request_size_bytes_sum")
        print(f"| {name} | {received / spans:.0f} |", flush=True)
    with harness.Spanmeter(tables()) as server:
        send(server, "--label-sets=10000", "--spans=200000")
        series = self_metric(server, "spanmeter_registry_active_series")
        for name, accept, encoding in (
                ("a series in a scrape, text", harness.TEXT, "identity"),
                ("a series in a scrape, text with gzip", harness.TEXT, "gzip"),
                ("a series in a scrape, OpenMetrics with exemplars", harness.OPENMETRICS, "identity"),
                ("a series in a scrape, protobuf", PROTOBUF, "identity"),
                ("a series in a scrape, protobuf with gzip", PROTOBUF, "gzip")):
            print(f"| {name} | {fetched_bytes(server, accept, encoding) / series:.1f} |", flush=True)
    for name, message, program, features in (
            ("a sample pushed, remote write 1.0", "prometheus.WriteRequest", "prometheus", ["exemplar-storage"]),
            ("a sample pushed, remote write 2.0", "io.prometheus.write.v2.Request", "prometheus3",
             ["exemplar-storage"])):
        with prometheus_server.Prometheus(None, features, program,
                                          flags=["--web.enable-remote-write-receiver"]) as receiver:
            push = {"url": f"http://{receiver.address}/api/v1/write", "protobuf_message": message}
            configuration = {**tables(collection_interval="5s"), "remote_write": [push]}
            with harness.Spanmeter(configuration) as server:
                send(server, "--label-sets=10000", "--spans=200000")
                sent = "spanmeter_remote_storage_samples_total"
                harness.wait_until(lambda: self_metric(server, sent) > 500_000, "the samples to arrive")
                samples = self_metric(server, sent)
                pushed = self_metric(server, "spanmeter_remote_storage_bytes_total")
        print(f"| {name} | {pushed / samples:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--seconds", type=int, default=10, help="of load in a run of CPU time")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["memory", "cpu", "network"])
    arguments = parser.parse_args()
    os.environ["SPANMETER"] = str(arguments.build.resolve() / "bin" / "spanmeter")
    os.environ["SPANMETER_LOADGEN"] = str(arguments.build.resolve() / "bin" / "spanmeter-loadgen")
    os.environ["PATH"] = f"{ROOT / 'build' / 'tools' / 'bin'}:{os.environ['PATH']}"
    if arguments.only in (None, "memory"):
        measure_memory(arguments.runs)
    if arguments.only in (None, "cpu"):
        measure_cpu(arguments.runs, arguments.seconds)
    if arguments.only in (None, "network"):
        measure_network()


if __name__ == "__main__":
    main()
