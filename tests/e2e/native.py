"""Reads native histograms from a protobuf scrape or from remote write, and the recordings of them.

Field numbers are those of proto/prometheus/client/metrics.proto and proto/prometheus/write.
"""

import json
import struct

import harness
import otlp_wire
from wire_parts import labels_of, numbers, one, parts_of, text, zigzag

PROTOBUF = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
            "encoding=delimited")
HISTOGRAM = 4  # of MetricFamily.type


class NativeHistogram:
    """What is compared: {bucket index: count} and the numbers beside it."""

    def __init__(self, schema, zero_threshold, zero_count, count, total, buckets):
        self.numbers = (schema, zero_threshold, zero_count, count, total)
        self.buckets = buckets

    @property
    def count(self):
        return self.numbers[3]

    @property
    def sum(self):
        return self.numbers[4]

    def __eq__(self, other):
        return (isinstance(other, NativeHistogram) and self.numbers == other.numbers
                and self.buckets == other.buckets)

    def __repr__(self):
        names = ("schema", "zero_threshold", "zero_count", "count", "sum")
        return str(dict(zip(names, self.numbers), buckets=self.buckets))


def _place(spans, counts):
    """{index: count} of spans [(offset, length)] and the counts of their buckets."""
    buckets = {}
    index = 0
    remaining = iter(counts)
    for offset, length in spans:
        index += offset
        for _ in range(length):
            buckets[index] = next(remaining)
            index += 1
    return buckets


def recorded(text):
    """{series key: NativeHistogram} of an expected_native.json."""
    histograms = {}
    for entry in json.loads(text) if text else []:
        if entry["negative_counts"]:
            raise AssertionError("there are no negative latencies")
        spans = [(span["offset"], span["length"]) for span in entry["positive_spans"]]
        histograms[harness.parse_sample(entry["series"] + " 0").key] = NativeHistogram(
            entry["schema"], entry["zero_threshold"], entry["zero_count"], entry["count"],
            entry["sum"], _place(spans, entry["positive_counts"]))
    return histograms


def _messages(data):
    """The messages of a delimited stream."""
    at = 0
    while at < len(data):
        length, at = otlp_wire.varint(data, at, len(data))
        yield data[at:at + length]
        at += length


def _counts(parts, deltas):
    """The positive counts: deltas of whole numbers, or doubles in the field behind them."""
    if deltas + 1 in parts:
        for chunk in parts[deltas + 1]:
            if isinstance(chunk, float):
                yield chunk
            else:
                yield from (value for (value,) in struct.iter_unpack("<d", chunk))
        return
    count = 0
    for delta in numbers(parts.get(deltas, [])):
        count += zigzag(delta)
        yield float(count)


def _histogram(parts, schema, count, count_float, total):
    """The two messages have the same fields from the schema on, one number apart."""
    spans = [(zigzag(one(span, 1, 0)), one(span, 2, 0))
             for span in map(parts_of, parts.get(schema + 7, []))]
    return NativeHistogram(
        zigzag(one(parts, schema, 0)), one(parts, schema + 1),
        one(parts, schema + 3) or one(parts, schema + 2, 0),
        one(parts, count_float) or one(parts, count, 0), one(parts, total),
        _place(spans, _counts(parts, schema + 8)))


def written(parts):
    """The histogram of a remote-write message that was taken apart."""
    return _histogram(parts, schema=4, count=1, count_float=2, total=3)


def scraped(body):
    """({series key: NativeHistogram}, {(series key, labels, value)} of their exemplars)."""
    histograms = {}
    exemplars = set()
    for family in map(parts_of, _messages(body)):
        if one(family, 3, 0) != HISTOGRAM:
            continue
        name = text(family[1][0])
        for metric in map(parts_of, family.get(4, [])):
            parts = parts_of(metric[7][0])
            if 12 not in parts and 6 not in parts:
                continue  # classic only
            key = harness.key_of(name, **labels_of(metric.get(1, [])))
            histograms[key] = _histogram(parts, schema=5, count=1, count_float=4, total=2)
            for exemplar in map(parts_of, parts.get(16, [])):
                exemplars.add((key, frozenset(labels_of(exemplar[1]).items()), one(exemplar, 2)))
    return histograms, exemplars


def created(body):
    """(name, labels, seconds since the epoch) of every histogram in a protobuf scrape."""
    for family in map(parts_of, _messages(body)):
        for metric in map(parts_of, family.get(4, [])):
            if 7 in metric:
                stamp = parts_of(one(parts_of(metric[7][0]), 15, b""))
                yield (text(family[1][0]), labels_of(metric.get(1, [])),
                       one(stamp, 1, 0) + one(stamp, 2, 0) / 1e9)
