"""Reads and patches OTLP requests as bytes, independently of any protobuf library.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto. Only well-formed messages are
understood; anything else raises WireError.
"""

import struct

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

# Numbers of Span.SpanKind and Status.StatusCode, as the labels spell them.
SPAN_KINDS = {
    0: "SPAN_KIND_UNSPECIFIED", 1: "SPAN_KIND_INTERNAL", 2: "SPAN_KIND_SERVER",
    3: "SPAN_KIND_CLIENT", 4: "SPAN_KIND_PRODUCER", 5: "SPAN_KIND_CONSUMER",
}
STATUS_CODES = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}


class WireError(ValueError):
    """The bytes are no protobuf message."""


def varint(data, at, end):
    """Reads a varint at data[at]; returns it and the position behind it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise WireError("a varint does not end")


def fields(data, begin=0, end=None):
    """Yields (number, wire type, value, begin of the value, end of the value) of a message.

    The value of a varint is its number; otherwise it is None and the bytes are between the two
    positions.
    """
    at = begin
    end = len(data) if end is None else end
    while at < end:
        tag, at = varint(data, at, end)
        kind = tag & 7
        value = None
        start = at
        if kind == VARINT:
            value, at = varint(data, at, end)
        elif kind == FIXED64:
            at += 8
        elif kind == LENGTH_DELIMITED:
            length, start = varint(data, at, end)
            at = start + length
        elif kind == FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {kind}")
        if at > end or tag >> 3 == 0:
            raise WireError("a field passes the end of its message")
        yield tag >> 3, kind, value, start, at


def _messages(data, number, begin, end):
    for field, kind, _, start, stop in fields(data, begin, end):
        if field == number and kind == LENGTH_DELIMITED:
            yield start, stop


def shift_times(request, delta_nanos):
    """Returns the request with every start and end time of a span that is not 0 moved."""
    out = bytearray(request)
    for resource_spans in _messages(request, 1, 0, len(request)):
        for scope_spans in _messages(request, 2, *resource_spans):
            for span in _messages(request, 2, *scope_spans):
                for field, kind, _, start, _ in fields(request, *span):
                    if field in (7, 8) and kind == FIXED64:
                        (time,) = struct.unpack_from("<Q", request, start)
                        if time != 0:
                            struct.pack_into("<Q", out, start, time + delta_nanos)
    return bytes(out)


def _string_attribute(data, begin, end, key):
    """The first value of a string attribute of a resource that is not empty, or None."""
    for pair in _messages(data, 1, begin, end):
        name = text = None
        for field, kind, _, start, stop in fields(data, *pair):
            if field == 1:
                name = data[start:stop]
            elif field == 2 and kind == LENGTH_DELIMITED:
                for value_field, value_kind, _, at, to in fields(data, start, stop):
                    if value_field == 1 and value_kind == LENGTH_DELIMITED:
                        text = data[at:to]
        if name == key and text:
            return text.decode("utf-8", "surrogateescape")
    return None


class Span:
    """What labels a span by default, and the size of its message as it was sent."""

    def __init__(self, data, begin, end, service):
        self.service = service
        self.name = None
        self.size = end - begin
        self.trace_id = self.span_id = b""
        kind_number = status_number = 0
        for field, kind, value, start, stop in fields(data, begin, end):
            if field == 1 and kind == LENGTH_DELIMITED:
                self.trace_id = data[start:stop]
            elif field == 2 and kind == LENGTH_DELIMITED:
                self.span_id = data[start:stop]
            elif field == 5 and kind == LENGTH_DELIMITED:
                self.name = data[start:stop].decode("utf-8", "surrogateescape") or None
            elif field == 6 and kind == VARINT:
                kind_number = value
            elif field == 15 and kind == LENGTH_DELIMITED:
                for status_field, status_kind, code, _, _ in fields(data, start, stop):
                    if status_field == 3 and status_kind == VARINT:
                        status_number = code
        self.kind = _enum_text(SPAN_KINDS, kind_number)
        self.status = _enum_text(STATUS_CODES, status_number)


def _enum_text(names, number):
    number = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000  # an int32 on the wire
    return names.get(number, str(number))


def spans(request):
    """The spans of a request, in order."""
    found = []
    for resource_spans in _messages(request, 1, 0, len(request)):
        service = None
        for resource in _messages(request, 1, *resource_spans):
            service = _string_attribute(request, *resource, b"service.name") or service
        for scope_spans in _messages(request, 2, *resource_spans):
            for begin, end in _messages(request, 2, *scope_spans):
                found.append(Span(request, begin, end, service))
    return found


def rejected_spans(response):
    """partial_success.rejected_spans of an ExportTraceServiceResponse."""
    rejected = 0
    for partial_success in _messages(response, 1, 0, len(response)):
        for field, kind, value, _, _ in fields(response, *partial_success):
            if field == 1 and kind == VARINT:
                rejected = value
    return rejected


def _varint_bytes(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, payload):
    return _varint_bytes(number << 3 | LENGTH_DELIMITED) + _varint_bytes(len(payload)) + payload


def _number(number, value):
    return _varint_bytes(number << 3 | VARINT) + _varint_bytes(value)


def _any_value(value):
    if isinstance(value, float):
        return struct.pack("<Bd", 4 << 3 | FIXED64, value)
    return _field(1, value.encode())


def _attributes(number, attributes):
    return b"".join(
        _field(number, _field(1, key.encode()) + _field(2, _any_value(value)))
        for key, value in attributes.items())


def encode_span(name, end_nanos, seconds=0.01, trace_id=b"\1" * 16, span_id=b"\2" * 8, kind=2,
                status=0, attributes=None, parent_id=b""):
    """A Span message of `seconds` that ended at `end_nanos` since the Unix epoch."""
    times = struct.pack("<BQBQ", 7 << 3 | FIXED64, end_nanos - round(seconds * 1e9),
                        8 << 3 | FIXED64, end_nanos)
    return (_field(1, trace_id) + _field(2, span_id)
            + (_field(4, parent_id) if parent_id else b"") + _field(5, name.encode())
            + _number(6, kind) + times + _attributes(9, attributes or {})
            + (_field(15, _number(3, status)) if status else b""))


def encode_request(resource_attributes, encoded_spans):
    """An ExportTraceServiceRequest of one resource."""
    scope_spans = b"".join(_field(2, span) for span in encoded_spans)
    resource = _attributes(1, resource_attributes)
    return _field(1, _field(1, resource) + _field(2, scope_spans))
