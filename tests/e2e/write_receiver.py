"""A receiver of remote write for tests, which understands both versions and can misbehave.

    with write_receiver.Receiver() as receiver:
        ... [[remote_write]] with url = receiver.url ...
        receiver.series()[key]   # every point that arrived, in the order of arrival
"""

import http.server
import socket
import ssl
import struct
import threading
import time

import snappy

import harness
import native
from wire_parts import labels_of, numbers, one, parts_of, text

V1 = "application/x-protobuf"
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE_BITS = 0x7FF0000000000002


class Point:
    """A sample, or a native histogram, of a series."""

    def __init__(self, value, timestamp_ms, start_ms, bits=None):
        self.value = value  # a float or a native.NativeHistogram
        self.timestamp_ms = timestamp_ms
        self.start_ms = start_ms
        self.stale = bits == STALE_BITS

    def __repr__(self):
        return f"{'stale' if self.stale else self.value} @{self.timestamp_ms}"


class Series:
    """One series of one request."""

    def __init__(self, key, points, exemplars, metadata=None):
        self.key = key
        self.points = points
        self.exemplars = exemplars  # [(labels, value, timestamp_ms)]
        self.metadata = metadata    # (type, help) in 2.0


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


class Request:
    """One POST, decoded."""

    def __init__(self, path, headers, body):
        self.arrived = time.time()
        self.path = path
        self.headers = headers
        self.v2 = "io.prometheus.write.v2.Request" in headers.get("Content-Type", "")
        self.size = len(body)
        self.series = []
        self.metadata = []  # of 1.0: (name, type, help)
        parts = parts_of(snappy.uncompress(body))
        if self.v2:
            self.symbols = [text(symbol) for symbol in parts.get(4, [])]
            if self.symbols[:1] != [""]:
                raise ValueError("the first symbol must be empty")
        for series in map(parts_of, parts.get(5 if self.v2 else 1, [])):
            self.series.append(self._series(series))
        if not self.v2:
            for metadata in map(parts_of, parts.get(3, [])):
                self.metadata.append((text(one(metadata, 2, b"")), one(metadata, 1, 0),
                                      text(one(metadata, 4, b""))))

    def _labels(self, values):
        if not self.v2:
            return labels_of(values)
        refs = [self.symbols[ref] for ref in numbers(values)]
        labels = dict(zip(refs[::2], refs[1::2]))
        if len(labels) * 2 != len(refs):
            raise ValueError(f"labels come twice: {refs}")
        return labels

    def _series(self, parts):
        labels = self._labels(parts.get(1, []))
        if list(labels) != sorted(labels) or not all(labels.values()):
            raise ValueError(f"labels must be sorted and not empty: {labels}")
        points = []
        for sample in map(parts_of, parts.get(2, [])):
            value = one(sample, 1)
            points.append(Point(value, _signed(one(sample, 2, 0)), one(sample, 3, 0),
                                _bits(value)))
        for histogram in map(parts_of, parts.get(3 if self.v2 else 4, [])):
            points.append(Point(native.written(histogram), _signed(one(histogram, 15, 0)),
                                one(histogram, 17, 0), _bits(one(histogram, 3))))
        exemplars = [(frozenset(self._labels(exemplar.get(1, [])).items()), one(exemplar, 2),
                      _signed(one(exemplar, 3, 0)))
                     for exemplar in map(parts_of, parts.get(4 if self.v2 else 3, []))]
        metadata = None
        if self.v2:
            message = parts_of(parts[5][0])
            metadata = (one(message, 1, 0), self.symbols[one(message, 3, 0)])
        name = labels.pop("__name__")
        return Series(harness.key_of(name, **labels), points, exemplars, metadata)

    @property
    def samples(self):
        return sum(not isinstance(point.value, native.NativeHistogram)
                   for series in self.series for point in series.points)

    @property
    def histograms(self):
        return sum(len(series.points) for series in self.series) - self.samples

    @property
    def exemplars(self):
        return sum(len(series.exemplars) for series in self.series)


def accept(request):
    """The answer of a receiver that has stored everything: (status, headers, body)."""
    headers = {}
    if request.v2:
        headers = {"X-Prometheus-Remote-Write-Samples-Written": str(request.samples),
                   "X-Prometheus-Remote-Write-Histograms-Written": str(request.histograms),
                   "X-Prometheus-Remote-Write-Exemplars-Written": str(request.exemplars)}
    return 204, headers, b""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name
        receiver = self.server.receiver
        if receiver.intercept is not None and receiver.intercept(self):
            self.hang_up()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            request = Request(self.path, dict(self.headers.items()), body)
        except Exception as error:  # pylint: disable=broad-except
            receiver.note_error(f"{type(error).__name__}: {error}")
            self._answer(400, {}, str(error).encode())
            return
        with receiver.lock:
            receiver.seen.append(request)
            answer = receiver.respond
        result = answer(request)
        if callable(result):
            result(self)  # it answers by itself
            return
        status, headers, reply = result
        if 200 <= status < 300:
            receiver.store(request)
        self._answer(status, headers, reply)

    def _answer(self, status, headers, reply):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def hang_up(self):
        """The connection ends with this request."""
        self.close_connection = True

    def wait_for_end(self):
        """Waits until the other side closes the connection."""
        self.connection.settimeout(harness.DEADLINE_SECONDS)
        self.rfile.read(1)
        self.hang_up()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Most tests have one that is asked to wait while others come.
    request_queue_size = 128

    def get_request(self):
        connection, address = super().get_request()
        receiver = self.receiver
        with receiver.lock:
            if receiver.tls is not None:
                # The handshake is made by the first read, in the handler's thread.
                connection = receiver.tls.wrap_socket(connection, server_side=True,
                                                      do_handshake_on_connect=False)
            receiver.connections.add(connection)
        return connection, address

    def shutdown_request(self, request):
        with self.receiver.lock:
            self.receiver.connections.discard(request)
        super().shutdown_request(request)

    # Clients that go away in the middle are what some tests are about.
    def handle_error(self, request, client_address):
        pass


class Receiver:
    """Listens on a port of its own. `respond(request)` decides what is answered.

    It returns (status, headers, body), or a function that gets the handler and answers by itself;
    that calls store() if the request is to count as stored. `intercept(handler)`, if any, is called
    before a request's body is read, and may do away with it by returning True.
    """

    def __init__(self, respond=accept, port=0, listening=True, certificate=None):
        self.lock = threading.Lock()
        self.respond = respond
        self.intercept = None
        self.seen = []      # every request that could be read
        self.accepted = []  # of these, those that were answered with success
        self.errors = []
        self.connections = set()
        self.tls = None
        if certificate is not None:
            self.use_certificate(*certificate)
        self._server = self._thread = None
        self._bind(port)
        self.port = self._server.server_address[1]
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}/api/v1/write"
        self._listening = listening

    def __enter__(self):
        if self._listening:
            self.up()
        return self

    def __exit__(self, *_):
        self.close()

    def _bind(self, port):
        """Takes the port, so that nobody else gets it, but does not listen yet."""
        self._server = _Server(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self._server.receiver = self
        self._server.server_bind()

    def up(self):
        """Begins to listen."""
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever,
                                        kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def down(self):
        """Ends all connections and refuses new ones, until up()."""
        self.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
        self._bind(self.port)

    def close(self):
        if self._thread is not None:
            self._server.shutdown()
            self._thread = None
        self._server.server_close()

    def use_certificate(self, cert, key):
        """Shows this certificate to those who connect from now on."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        with self.lock:
            self.tls = tls

    def store(self, request):
        with self.lock:
            self.accepted.append(request)

    def note_error(self, error):
        with self.lock:
            self.errors.append(error)

    def requests(self):
        """The accepted ones, in the order of their answers."""
        with self.lock:
            if self.errors:
                raise AssertionError("requests could not be read: " + "; ".join(self.errors))
            return list(self.accepted)

    def series(self):
        """{key: [Point]} of everything accepted; a series' samples and histograms apart."""
        series = {}
        for request in self.requests():
            for one_series in request.series:
                series.setdefault(one_series.key, []).extend(one_series.points)
        return series

    def exemplars(self):
        """{(key, labels, value)} of everything accepted."""
        return {(series.key, labels, value) for request in self.requests()
                for series in request.series for labels, value, _ in series.exemplars}
