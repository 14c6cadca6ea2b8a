"""The beginnings of gRPC calls, written by hand, for peers that do not go on."""

import harness

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_HEADERS = 4


def frame(kind, flags, stream, payload):
    """An HTTP/2 frame (RFC 9113)."""
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def headers(fields):
    """A header block of literal fields, not indexed and not Huffman-coded (RFC 7541)."""
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
                    for name, value in fields)


def begun_export(message_length, sent):
    """The beginning of a gRPC call whose message never comes to its end."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"test"),
              (b":path", harness.EXPORT_METHOD.encode()),
              (b"content-type", b"application/grpc"), (b"te", b"trailers")]
    message = b"\0" + message_length.to_bytes(4, "big") + b"\0" * sent
    return (PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, headers(fields))
            + frame(DATA, 0, 1, message))
