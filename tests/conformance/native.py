"""Reads native histograms from a protobuf scrape, and the recordings of them.

Field numbers are those of io.prometheus.client (proto/prometheus/client/metrics.proto).
"""

import json
import struct

import harness
import otlp_wire

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


def _parts(data):
    """{field number: [value]} of a message; fixed numbers as doubles."""
    parts = {}
    for number, kind, value, begin, end in otlp_wire.fields(data):
        if kind == otlp_wire.FIXED64:
            value = struct.unpack("<d", data[begin:end])[0]
        elif kind == otlp_wire.LENGTH_DELIMITED:
            value = data[begin:end]
        parts.setdefault(number, []).append(value)
    return parts


def _zigzag(number):
    return (number >> 1) ^ -(number & 1)


def _numbers(chunks):
    """Packed or single varints."""
    for chunk in chunks:
        if isinstance(chunk, int):
            yield chunk
            continue
        at = 0
        while at < len(chunk):
            value, at = otlp_wire.varint(chunk, at, len(chunk))
            yield value


def _counts(parts):
    """The positive counts: deltas of whole numbers, or doubles."""
    if 14 in parts:
        for chunk in parts[14]:
            if isinstance(chunk, float):
                yield chunk
            else:
                yield from (value for (value,) in struct.iter_unpack("<d", chunk))
        return
    count = 0
    for delta in _numbers(parts.get(13, [])):
        count += _zigzag(delta)
        yield float(count)


def _text(value):
    return value.decode("utf-8", "surrogateescape")


def _labels(pairs):
    labels = {}
    for pair in pairs:
        parts = _parts(pair)
        labels[_text(parts[1][0])] = _text(parts[2][0])
    return labels


def _one(parts, number, default=0.0):
    return parts.get(number, [default])[0]


def _histogram(parts):
    spans = [(_zigzag(_one(span, 1, 0)), _one(span, 2, 0))
             for span in map(_parts, parts.get(12, []))]
    return NativeHistogram(
        _zigzag(_one(parts, 5, 0)), _one(parts, 6), _one(parts, 8) or _one(parts, 7, 0),
        _one(parts, 4) or _one(parts, 1, 0), _one(parts, 2), _place(spans, _counts(parts)))


def scraped(body):
    """({series key: NativeHistogram}, {(series key, labels, value)} of their exemplars)."""
    histograms = {}
    exemplars = set()
    for family in map(_parts, _messages(body)):
        if _one(family, 3, 0) != HISTOGRAM:
            continue
        name = _text(family[1][0])
        for metric in map(_parts, family.get(4, [])):
            parts = _parts(metric[7][0])
            if 12 not in parts and 6 not in parts:
                continue  # classic only
            key = harness.key_of(name, **_labels(metric.get(1, [])))
            histograms[key] = _histogram(parts)
            for exemplar in map(_parts, parts.get(16, [])):
                exemplars.add((key, frozenset(_labels(exemplar[1]).items()), _one(exemplar, 2)))
    return histograms, exemplars
