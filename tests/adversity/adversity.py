"""What the tests of adversity share: senders, a scraper that checks every scrape, memory."""

import concurrent.futures
import os
import pathlib
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"]) / "tests" / "e2e"))

# pylint: disable=wrong-import-position
import grpc  # noqa: E402
import harness  # noqa: E402
import otlp_wire  # noqa: E402
import wire_parts  # noqa: E402

MIB = 1 << 20
CALLS = "traces_spanmetrics_calls_total"
SIZE = "traces_spanmetrics_size_total"
COUNT = "traces_spanmetrics_latency_count"
SCRAPE_SECONDS = 0.2

# What the process may take beside what a test bounds, and why:
#   60 MiB   a busy server without series, as README's section on sizing says;
#   64 MiB   the free memory at the top of its heap that malloc keeps (M_TRIM_THRESHOLD in main.cc).
BUSY_BYTES = 60 * MIB
MALLOC_KEEPS_BYTES = 64 * MIB


def memory_bytes(server, field="VmRSS"):
    """Memory of the process: VmRSS is what it has now, VmHWM the most that it has had."""
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1)) * 1024


def preload(server, library, **environment):
    """Lets the process alone, and not the test, run with a library before all others."""
    wrapper = server.directory / "preloaded"
    assignments = " ".join(f"{name}={value}" for name, value in environment.items())
    wrapper.write_text(f"#!/bin/sh\nLD_PRELOAD={library} {assignments} "
                       f"exec {harness.spanmeter_binary()} \"$@\"\n", encoding="ascii")
    wrapper.chmod(0o755)
    server._binary = str(wrapper)  # pylint: disable=protected-access


def self_value(server, name, **labels):
    """The sum of a metric about spanmeter itself."""
    return harness.sum_of(server.series("/metrics/self"), name, **labels)


def retry_delay_seconds(error):
    """The delay of a refusal's RetryInfo, or None without one."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return None
    for detail in map(wire_parts.parts_of, wire_parts.parts_of(details).get(3, [])):
        if detail[1] == [b"type.googleapis.com/google.rpc.RetryInfo"]:
            retry_info = wire_parts.parts_of(detail[2][0])
            return wire_parts.one(wire_parts.parts_of(retry_info[1][0]), 1, 0)
    return None


class Connections:
    """So many connections of their own for spans. Use as a context manager."""

    def __init__(self, server, count):
        self._channels = [grpc.insecure_channel(server.grpc_address, options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
            for _ in range(count)]
        self._calls = [channel.unary_unary(harness.EXPORT_METHOD) for channel in self._channels]

    def __enter__(self):
        return self

    def __exit__(self, exception_type, exception, traceback):
        for channel in self._channels:
            channel.close()

    def __len__(self):
        return len(self._calls)

    def export(self, index, request, metadata=()):
        """Returns None when the request was acknowledged, or else the error."""
        try:
            reply = self._calls[index](request, timeout=harness.DEADLINE_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return error
        if otlp_wire.rejected_spans(reply) != 0:
            raise AssertionError("spans were rejected")
        return None

    def export_all(self, requests, metadata=lambda index: ()):
        """Sends the requests over all connections at a time. Returns their errors, in order."""
        with concurrent.futures.ThreadPoolExecutor(len(self)) as pool:
            return list(pool.map(
                lambda item: self.export(item[0] % len(self), item[1], metadata(item[0])),
                enumerate(requests)))


def request_of(names, service="shop", **span_options):
    """A request with a server's span of each name, and the bytes of its spans together."""
    now = time.time_ns()
    encoded = [otlp_wire.encode_span(name, now, **span_options) for name in names]
    return (otlp_wire.encode_request({"service.name": service}, encoded),
            sum(map(len, encoded)))


class ScrapeProblem(AssertionError):
    """A scrape contradicts itself or an earlier one."""


class Scrapes:
    """Scrapes OpenMetrics in a thread of its own and checks each scrape. A context manager.

    The server must have openmetrics_created. A label set's life is told from others by its created
    time: within a life nothing steps back, and what is gone never comes back but in a later one.
    """

    _PARTS = re.compile(r'^(\w+)\{(.*?),?(?:le="([^"]+)")?,?\}$')
    _SUFFIX = re.compile(r"(_total|_bucket|_count|_sum|_created)$")

    def __init__(self, server):
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._keys = {}
        self._lock = threading.Lock()
        self._problem = None
        self._last = {}  # {(metric, labels): (created, {part: value})} of the last scrape
        self._gone = {}  # {(metric, labels): created} of those that are not there any more
        # {(metric, labels, created): value} of every life's last sight; for a histogram its count.
        self.lives = {}
        self.count = 0
        self.expired = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, exception_type, exception, traceback):
        self._stop.set()
        self._thread.join()

    def finish(self):
        """Scrapes for the last time; raises what went wrong in any of the scrapes."""
        self._stop.set()
        self._thread.join()
        if self._problem is not None:
            raise ScrapeProblem(self._problem)
        self._check(self._server.scrape(accept=harness.OPENMETRICS))

    def failed(self):
        return self._problem is not None

    def _run(self):
        try:
            while not self._stop.wait(SCRAPE_SECONDS):
                self._check(self._server.scrape(accept=harness.OPENMETRICS))
        except (AssertionError, OSError, ValueError) as error:
            self._problem = f"scrape {self.count}: {error}"

    def _read(self, text):
        if not text.endswith("# EOF\n"):
            raise ScrapeProblem("the scrape is not whole")
        found = {}
        for line in text.split("\n"):
            if not line or line[0] == "#":
                continue
            series, _, value = line.partition(" # ")[0].rpartition(" ")
            key = self._keys.get(series)
            if key is None:
                name, labels, le = self._PARTS.match(series).groups()
                suffix = self._SUFFIX.search(name).group(1)
                key = ((name[:-len(suffix)], labels), suffix if le is None else float(le))
                self._keys[series] = key
            parts = found.setdefault(key[0], {})
            if key[1] in parts:
                raise ScrapeProblem(f"{series} comes twice")
            parts[key[1]] = float(value)
        return found

    def _check(self, text):
        found = self._read(text)
        for (metric, labels), parts in found.items():
            if "_count" not in parts:
                continue
            bounds = sorted(bound for bound in parts if isinstance(bound, float))
            cumulative = [parts[bound] for bound in bounds]
            if cumulative != sorted(cumulative):
                raise ScrapeProblem(f"buckets of {labels} fall: {cumulative}")
            if bounds[-1] != float("inf") or cumulative[-1] != parts["_count"]:
                raise ScrapeProblem(f"count and +Inf of {labels} differ: {parts}")
            # What else the family has of this label set belongs to the same instant.
            calls = found.get((metric.replace("_latency", "_calls"), labels))
            if metric == "traces_spanmetrics_latency" and calls["_total"] != parts["_count"]:
                raise ScrapeProblem(f"calls and latency of {labels} differ: {calls} {parts}")
        self._compare(found)
        with self._lock:
            self.count += 1

    def _compare(self, found):
        for key in self._last.keys() - found.keys():
            self._gone[key] = self._last[key][0]
            self.expired += 1
        last = {}
        for key, parts in found.items():
            created = parts.pop("_created")
            before_created, before = self._last.get(key, (self._gone.get(key, 0), None))
            if created < before_created or (before is None and created == before_created):
                raise ScrapeProblem(f"{key} has been there before, until another scrape")
            if created == before_created:
                for part, value in parts.items():
                    if value < before[part]:
                        raise ScrapeProblem(f"{key} {part} steps from {before[part]} to {value}")
            last[key] = (created, parts)
            self.lives[(*key, created)] = parts.get("_total", parts.get("_count"))
        self._last = last

    def totals(self, metric, label):
        """{value of the label: what was counted in all lives}, of a metric without its suffix."""
        pattern = re.compile(rf'(?:^|,){label}="([^"]*)"')
        sums = {}
        for (name, labels, _), value in self.lives.items():
            if name == metric:
                found = pattern.search(labels)
                text = found.group(1) if found else ""
                sums[text] = sums.get(text, 0) + value
        return sums
