"""What the tests of remote write have in common: spans to push, what arrived, what is counted."""

import re
import time

import harness
import otlp_wire

STORAGE = "spanmeter_remote_storage_"
# A collection as often as there can be; few series for each name of a span.
GENERATOR = {
    "processors": ["span-metrics"],
    "collection_interval": "1s",
    "span_metrics.histogram_buckets": [0.1, 1.0],
}
# Per name: calls, size, three buckets, sum and count.
SERIES_PER_NAME = 7
CALLS = "traces_spanmetrics_calls_total"


def remote(receiver, name, **options):
    """A [[remote_write]] table that sends at once and comes back soon."""
    queue = {"batch_send_deadline": "0s", "max_backoff": "500ms", **options.pop("queue", {})}
    return {"name": name, "url": receiver.url, "queue_config": queue, **options}


def spans(server, names, count=1, metadata=()):
    """Sends `count` spans of each name, which must be acknowledged."""
    now = time.time_ns()
    encoded = [otlp_wire.encode_span(name, now, 0.25) for name in names for _ in range(count)]
    request = otlp_wire.encode_request({"service.name": "shop"}, encoded)
    code, message, _ = server.export(request, metadata)
    if code.name != "OK":
        raise AssertionError(f"spans are refused: {code} {message}")


def arrived(requests):
    """{key: [Point]} in the order of the requests."""
    series = {}
    for request in requests:
        for one in request.series:
            series.setdefault(one.key, []).extend(one.points)
    return series


def contents(series):
    """{(key, timestamp): value} of what arrived() returns, whatever the order."""
    return {(key, point.timestamp_ms): point.value
            for key, points in series.items() for point in points}


def stamps(receiver):
    """The times of the collections that have arrived, ascending. Zeros do not count."""
    return sorted({point.timestamp_ms for key, points in receiver.series().items()
                   if key[0] == CALLS for point in points if point.value != 0})


def order_problems(series, repeats=False):
    """Where points come before earlier ones or, unless there may be `repeats`, twice."""
    problems = []
    for key, points in series.items():
        times = [point.timestamp_ms for point in points]
        if repeats:
            times = list(dict.fromkeys(times))  # only where each came first
        if times != sorted(set(times)):
            problems.append(f"{harness.format_key(key)}: {points}")
    return problems


def gap_problems(series):
    """Series that miss one of the collections since they began. None may have ended."""
    collections = {point.timestamp_ms for points in series.values() for point in points[1:]}
    problems = []
    for key, points in series.items():
        # Sums begin with the first collection, others with a zero some time before.
        times = {point.timestamp_ms for point in points[0 if key[0].endswith("_sum") else 1:]}
        missing = {stamp for stamp in collections if times and stamp > min(times)} - times
        if missing:
            problems.append(f"{harness.format_key(key)} misses {sorted(missing)} of {points}")
    return problems


class Counters:
    """A scrape of /metrics, as far as it is about remote write."""

    def __init__(self, server):
        self.series = server.series("/metrics")

    def get(self, name, remote_name, **labels):
        """The sum of spanmeter_remote_storage_NAME of a receiver."""
        return harness.sum_of(self.series, STORAGE + name, remote_name=remote_name, **labels)

    def dropped(self, remote_name):
        """{reason: samples} without zeros."""
        found = {}
        for (name, labels), value in self.series.items():
            labels = dict(labels)
            if (name == STORAGE + "samples_dropped_total" and value
                    and labels["remote_name"] == remote_name):
                found[labels["reason"]] = value
        return found

    def requests(self, remote_name):
        """{status code: requests}; 0 is no answer."""
        found = {}
        for (name, labels), value in self.series.items():
            labels = dict(labels)
            if (name == STORAGE + "sent_batch_duration_seconds_count"
                    and labels["remote_name"] == remote_name):
                found[int(labels["code"])] = value
        return found

    def storage(self, name):
        return harness.sum_of(self.series, "spanmeter_storage_" + name)


def pending(server, *remote_names):
    """How many samples wait for these receivers."""
    counters = Counters(server)
    return sum(counters.get("samples_pending", name) for name in remote_names)


def freeze(server, tables):
    """Ends collections, and waits until everything has been sent or dropped."""
    tables = dict(tables, generator=dict(tables["generator"], disable_collection=True))
    server.configure(tables)
    server.hang_up()
    harness.wait_until(lambda: "configuration reloaded" in server.log(), "the reload")
    names = [table["name"] for table in tables["remote_write"]]
    harness.wait_until(lambda: pending(server, *names) == 0, "everything to be sent")


def log_lines(server, remote_name):
    """The lines of the log about a receiver."""
    return [line for line in server.log().splitlines()
            if re.search(rf'\bremote_name="?{re.escape(remote_name)}"?(\s|$)', line)]


def peak_memory_bytes(server):
    """The most memory that the process has had so far."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024
