"""Takes protobuf messages apart without knowing their types."""

import struct

import otlp_wire


def parts_of(data):
    """{field number: [value]} of a message; fixed numbers as doubles."""
    parts = {}
    for number, kind, value, begin, end in otlp_wire.fields(data):
        if kind == otlp_wire.FIXED64:
            value = struct.unpack("<d", data[begin:end])[0]
        elif kind == otlp_wire.LENGTH_DELIMITED:
            value = data[begin:end]
        parts.setdefault(number, []).append(value)
    return parts


def zigzag(number):
    return (number >> 1) ^ -(number & 1)


def numbers(chunks):
    """Packed or single varints."""
    for chunk in chunks:
        if isinstance(chunk, int):
            yield chunk
            continue
        at = 0
        while at < len(chunk):
            value, at = otlp_wire.varint(chunk, at, len(chunk))
            yield value


def text(value):
    return value.decode("utf-8", "surrogateescape")


def labels_of(pairs):
    labels = {}
    for pair in pairs:
        parts = parts_of(pair)
        labels[text(parts[1][0])] = text(parts[2][0])
    return labels


def one(parts, number, default=0.0):
    return parts.get(number, [default])[0]
