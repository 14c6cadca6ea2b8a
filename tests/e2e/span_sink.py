"""A trace backend for tests, in a process of its own: takes spans by OTLP, and can misbehave.

    with span_sink.Sink("grpc") as sink:
        ... [[forward]] with endpoint = sink.endpoint ...
        sink.requests()          # every request that was taken, in the order of arrival

What was taken is in a file, so that it survives the process: stop() and start() are a restart on
the same port. `python3 span_sink.py PROTOCOL PORT FILE OPTIONS` is the process itself.
"""

import base64
import concurrent.futures
import gzip
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TENANT = "x-scope-orgid"


class Request:
    """A request that a sink has taken."""

    def __init__(self, record):
        self.message = base64.b64decode(record["message"])  # not compressed
        self.headers = record["headers"]  # names in lower case
        self.path = record["path"]
        self.seconds = record["seconds"]  # of the Unix epoch


class Sink:
    """A sink's process. Use as a context manager.

    Options: delay_seconds (of each answer), status (a gRPC code's name or a status of HTTP, with
    which everything is refused), retry_seconds (what that asks to wait), rejected_spans.
    """

    def __init__(self, protocol, **options):
        self.protocol = protocol
        self.options = options
        self.port = 0
        self.process = None
        with tempfile.NamedTemporaryFile(prefix="span-sink-", delete=False) as file:
            self.file = pathlib.Path(file.name)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, exception, traceback):
        self.stop()
        self.file.unlink()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, **options):
        """Starts the process, on the port that it had before, if any; with other options, if any."""
        if options:
            self.options = options
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.protocol, str(self.port), str(self.file),
             json.dumps(self.options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the sink cannot listen on port {self.port}")
        self.port = int(line)

    def stop(self):
        """Kills the process: requests that it works on are not answered."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def pause(self):
        """The process goes on holding its connections, but does nothing any more."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def requests(self):
        """All that were taken so far."""
        lines = self.file.read_text(encoding="ascii").split("\n")
        return [Request(json.loads(line)) for line in lines[:-1]]


class Backend:
    """What the process does with a request, whatever the protocol."""

    def __init__(self, path, options):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.delay_seconds = options.get("delay_seconds", 0)
        self.status = options.get("status")
        self.retry_seconds = options.get("retry_seconds")
        self.rejected_spans = options.get("rejected_spans", 0)

    def take(self, message, headers, path):
        """Keeps a request. The line is there before the answer is."""
        record = {"message": base64.b64encode(message).decode(), "path": path,
                  "headers": headers, "seconds": time.time()}
        os.write(self._file, (json.dumps(record) + "\n").encode())

    def response(self):
        """The ExportTraceServiceResponse."""
        if self.rejected_spans == 0:
            return b""
        assert self.rejected_spans < 0x80
        partial_success = bytes([1 << 3, self.rejected_spans]) + bytes([2 << 3 | 2, 3]) + b"bad"
        return bytes([1 << 3 | 2, len(partial_success)]) + partial_success

    def retry_details(self):
        """A google.rpc.Status with a RetryInfo."""
        def field(number, payload):
            return bytes([number << 3 | 2, len(payload)]) + payload
        retry = field(1, bytes([1 << 3, self.retry_seconds]))
        any_message = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, retry)
        return bytes([1 << 3, 8]) + field(3, any_message)


def serve_grpc(port, backend):
    import grpc

    def export(message, context):
        time.sleep(backend.delay_seconds)
        headers = {key: value for key, value in context.invocation_metadata()
                   if isinstance(value, str)}
        if backend.status:
            if backend.retry_seconds is not None:
                context.set_trailing_metadata(
                    [("grpc-status-details-bin", backend.retry_details())])
            context.abort(grpc.StatusCode[backend.status], "as the test wants it")
        backend.take(message, headers, METHOD)
        return backend.response()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method != METHOD:
                return None
            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), handlers=[Handler()],
                         options=[("grpc.max_receive_message_length", -1),
                                  ("grpc.so_reuseport", 0)])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(bound, flush=True)
    server.wait_for_termination()


def serve_http(port, backend):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(backend.delay_seconds)
            headers = {key.lower(): value for key, value in self.headers.items()}
            if backend.status:
                self.send_response(int(backend.status))
                if backend.retry_seconds is not None:
                    self.send_header("Retry-After", str(backend.retry_seconds))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            backend.take(body, headers, self.path)
            response = backend.response()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

        def log_message(self, format, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # a client that goes away before its answer

    server = Server(("127.0.0.1", port), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def main(arguments):
    protocol, port, path, options = arguments
    serve = serve_grpc if protocol == "grpc" else serve_http
    serve(int(port), Backend(path, json.loads(options)))


if __name__ == "__main__":
    main(sys.argv[1:])
