"""Runs the real spanmeter for tests: starts it on ports of its own, scrapes it, stops it.

The programs under test come from the environment (CTest sets it): SPANMETER is spanmeter,
SPANMETER_LOADGEN is spanmeter-loadgen.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import grpc

EXPORT_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# Longer than anything takes that works, also on a busy machine and under a sanitizer.
DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.02


def spanmeter_binary():
    return os.environ["SPANMETER"]


def loadgen_binary():
    return os.environ["SPANMETER_LOADGEN"]


def wait_until(condition, what, deadline_seconds=DEADLINE_SECONDS):
    """Polls `condition` until it returns something true, which is returned."""
    end = time.monotonic() + deadline_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_seconds} s in vain for {what}")
        time.sleep(_POLL_SECONDS)


def toml_value(value):
    """A JSON-like value as TOML. Tables are written inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        # TOML's basic strings have JSON's escapes, but no surrogate pairs.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return "{" + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + "}"


def to_toml(tables):
    """{"a.b": {"key": value}} as TOML text; keys with empty tables are left out.

    A list of tables, {"a.b": [{"key": value}]}, becomes one [[a.b]] for each.
    """
    lines = []
    for name, content in tables.items():
        header = f"[[{name}]]" if isinstance(content, list) else f"[{name}]"
        for table in content if isinstance(content, list) else [content]:
            if table:
                lines.append(header)
                lines += [f"{key} = {toml_value(value)}" for key, value in table.items()]
                lines.append("")
    return "\n".join(lines)


class Spanmeter:
    """A running spanmeter with a directory of its own. Use as a context manager."""

    def __init__(self, tables=None, binary=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spanmeter-test-"))
        self.config = self.directory / "spanmeter.toml"
        self.configure(tables)
        self._binary = binary or spanmeter_binary()
        self._log = self.directory / "log"
        self.process = None
        self.grpc_address = self.otlp_http_address = self.http_address = None
        self._channel = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, exception, traceback):
        self.close()

    def configure(self, tables=None):
        """Writes the configuration. A running process sees it when it is told to reload.

        Where `tables` do not say otherwise, ports are chosen by the system. A running process
        keeps its own, since what its configuration says of them stays the same.
        """
        tables = dict(tables or {})
        for name in ("otlp.grpc", "otlp.http", "http"):
            tables[name] = {"listen": "127.0.0.1:0", **tables.get(name, {})}
        self.write_config(to_toml(tables))

    def write_config(self, text):
        """Writes the configuration file in one step: nobody reads half of it."""
        new = self.config.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.config)

    def launch(self):
        """Starts the process without waiting for anything."""
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [self._binary, f"--config.file={self.config}"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, cwd=self.directory)

    def start(self):
        """Starts the process and waits until it is ready."""
        self.launch()
        self.grpc_address = wait_until(lambda: self._announced("otlp_grpc"), "the OTLP port")
        self.http_address = wait_until(lambda: self._announced("http"), "the HTTP port")
        # It comes before the others, or is off.
        self.otlp_http_address = self._announced("otlp_http")
        wait_until(self._ready, "/-/ready")

    def _announced(self, port):
        self.assert_running()
        match = re.search(rf"^.*\blistening\b.*\bport={port}\b.*\baddress=(\S+)", self.log(), re.M)
        return match and match.group(1)

    def _ready(self):
        self.assert_running()
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def assert_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"spanmeter ended with {self.process.returncode}:\n{self.log()}")

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path, **headers):
        """Returns (status, headers, body) of a GET request."""
        return self._request("GET", path, headers)

    def post(self, path, **headers):
        """Returns (status, headers, body) of a POST request without a body."""
        return self._request("POST", path, headers)

    def _request(self, method, path, headers):
        request = urllib.request.Request(f"http://{self.http_address}{path}", method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        return self._answer(request)

    @staticmethod
    def _answer(request):
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def scrape(self, path="/metrics/generated", accept=TEXT):
        """The text of a scrape."""
        status, headers, body = self.get(path, Accept=accept)
        if status != 200 or not headers["Content-Type"].startswith(accept.split(";")[0]):
            raise AssertionError(f"{path} answers {status} {headers['Content-Type']}")
        return body.decode("utf-8", "surrogateescape")

    def series(self, path="/metrics/generated", accept=TEXT):
        """A scrape as {series: value}, see series_of()."""
        return series_of(parse_samples(self.scrape(path, accept)))

    def export(self, request, metadata=()):
        """Sends the bytes of a request. Returns (status code, message, reply)."""
        if self._channel is None:
            self._channel = grpc.insecure_channel(
                self.grpc_address, options=[("grpc.max_send_message_length", -1)])
        call = self._channel.unary_unary(EXPORT_METHOD)
        try:
            reply = call(request, timeout=DEADLINE_SECONDS, metadata=metadata)
            return grpc.StatusCode.OK, "", reply
        except grpc.RpcError as error:
            return error.code(), error.details(), b""

    def export_http(self, body, content_type="application/x-protobuf", **headers):
        """Sends spans over HTTP. Returns (status, headers, body)."""
        request = urllib.request.Request(
            f"http://{self.otlp_http_address}/v1/traces", data=body, method="POST")
        request.add_header("Content-Type", content_type)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        return self._answer(request)

    def hang_up(self):
        """Asks the process to reload its configuration."""
        self.process.send_signal(signal.SIGHUP)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for the end of the process and returns its exit status."""
        return self.process.wait(timeout=DEADLINE_SECONDS)

    def disconnect(self):
        """Forgets the connection for spans: the next process may listen elsewhere."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def close(self):
        """Ends the process, however it is, and removes its directory."""
        self.disconnect()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Sample:
    """One line of an exposition."""

    def __init__(self, name, labels, value, exemplar=None):
        self.name = name
        self.labels = labels
        self.value = value
        self.exemplar = exemplar  # (labels, value) or None

    @property
    def key(self):
        """Identifies the series. Formats write `le` differently, so it counts as a number."""
        labels = frozenset(
            (name, repr(float(value)) if name == "le" else value)
            for name, value in self.labels.items())
        return self.name, labels


class ExpositionError(ValueError):
    """The text is no exposition."""


def _labels(line, at):
    """Reads {name="value",...} at line[at]; returns the labels and the position behind it."""
    labels = {}
    at += 1
    while line[at] != "}":
        equals = line.index('="', at)
        name = line[at:equals]
        value = []
        at = equals + 2
        while line[at] != '"':
            if line[at] == "\\":
                at += 1
                if line[at] not in '\\"n':
                    raise ExpositionError(f"unknown escape in {line!r}")
                value.append("\n" if line[at] == "n" else line[at])
            else:
                value.append(line[at])
            at += 1
        if name in labels:
            raise ExpositionError(f"label {name} stands twice in {line!r}")
        labels[name] = "".join(value)
        at += 1
        if line[at] == ",":
            at += 1
    return labels, at + 1


def parse_sample(line):
    """Reads a line such as: name{label="value"} 1 # {traceID="ab"} 0.5 1700000000.0"""
    try:
        end = re.match(r"[^{ ]+", line).end()
        name, labels = line[:end], {}
        if line[end] == "{":
            labels, end = _labels(line, end)
        value, _, rest = line[end + 1:].partition(" # ")
        exemplar = None
        if not rest and line[end + 1:].startswith("# "):
            # A list of exemplars has no value before them.
            value, rest = "nan", line[end + 3:]
        if rest:
            exemplar_labels, end = _labels(rest, 0)
            exemplar = (exemplar_labels, float(rest[end + 1:].split(" ")[0]))
        return Sample(name, labels, float(value.split(" ")[0]), exemplar)
    except (AttributeError, IndexError, ValueError) as error:
        raise ExpositionError(f"cannot read the line {line!r}: {error}") from error


def parse_samples(text):
    """The samples of an exposition in the text format or as OpenMetrics."""
    return [parse_sample(line) for line in text.split("\n") if line and not line.startswith("# ")
            and line != "#"]


def series_of(samples):
    """{key: value} of samples; a series that comes twice is an error."""
    series = {}
    for sample in samples:
        if sample.key in series:
            raise ExpositionError(f"{format_key(sample.key)} comes twice")
        series[sample.key] = sample.value
    return series


def format_key(key):
    name, labels = key
    return name + "{" + ",".join(f"{k}={json.dumps(v, ensure_ascii=False)}"
                                 for k, v in sorted(labels)) + "}"


def key_of(name, **labels):
    """The key of the series `name` with these labels."""
    return Sample(name, labels, 0).key


def sum_of(series, name, **labels):
    """The sum of all series of that name which have these labels."""
    return sum(value for (series_name, series_labels), value in series.items()
               if series_name == name and series_labels.issuperset(labels.items()))
