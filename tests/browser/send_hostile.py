"""Sends spans with hostile names: send_hostile.py HOST:PORT NAMES.json, a list of texts.

Each name becomes a service, a span name and the value of an attribute, and calls the next one, so
that it appears in the service graph too. Names that are no valid UTF-8 are not refused here but
changed: protobuf has no other texts.
"""

import json
import pathlib
import sys
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import otlp_wire  # noqa: E402

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CLIENT, SERVER = 3, 2
PARENT_SPAN_ID = 4  # the number of the field


def main():
    address, file = sys.argv[1:]
    names = [name for name in json.loads(pathlib.Path(file).read_text(encoding="utf-8")) if name]
    export = grpc.insecure_channel(address).unary_unary(EXPORT)
    for index, name in enumerate(names):
        trace_id = (index + 1).to_bytes(16, "big")
        client_id = (2 * index + 1).to_bytes(8, "big")
        server_id = (2 * index + 2).to_bytes(8, "big")
        callee = names[(index + 1) % len(names)]
        now = time.time_ns()
        client = otlp_wire.encode_span(name, now, trace_id=trace_id, span_id=client_id, kind=CLIENT,
                                       attributes={"hostile": name})
        server = otlp_wire.encode_span(callee, now, trace_id=trace_id, span_id=server_id,
                                       kind=SERVER, attributes={"hostile": callee})
        server += bytes([PARENT_SPAN_ID << 3 | 2, len(client_id)]) + client_id
        for service, span in ((name, client), (callee, server)):
            export(otlp_wire.encode_request({"service.name": service}, [span]), timeout=60)


if __name__ == "__main__":
    main()
