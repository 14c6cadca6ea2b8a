"""OTLP over HTTP, sent by curl and spanmeter-loadgen to the real process."""

import gzip
import json
import pathlib
import socket
import subprocess
import tempfile
import unittest

import harness
import loadgen
from certificates import Authority

SPAN = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "name": "buy", "kind": 2}


def request_in_json(spans=1):
    """A request of spans that ended just now."""
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"spans": [SPAN] * spans}]}]}).encode()


def counted(server):
    return harness.sum_of(server.series(), "traces_spanmetrics_calls_total")


def resident_kib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


class OtlpHttpTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-otlp-http-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.body = cls.write("request.json", request_in_json())

    @classmethod
    def write(cls, name, content):
        path = cls.directory / name
        path.write_bytes(content)
        return path

    def server(self, tables=None):
        """A running process that takes spans of any time: these have none."""
        return harness.Spanmeter({"generator": {"ingestion_time_range_slack": "0s"},
                                  **(tables or {})})

    def curl(self, server, *flags, scheme="http"):
        """Returns (HTTP status, head, body); the status is 0 when there was no answer."""
        result = subprocess.run(
            ["curl", "--silent", "--include", "--noproxy", "*", "--max-time", "60",
             "--write-out", "%{stderr}%{http_code}", *flags,
             f"{scheme}://{server.otlp_http_address}/v1/traces"],
            capture_output=True, timeout=harness.DEADLINE_SECONDS * 2, check=False)
        head, _, body = result.stdout.partition(b"\r\n\r\n")
        return int(result.stderr or 0), head.decode().lower(), body

    def post(self, server, *flags, body=None, scheme="http"):
        return self.curl(server, "--header", "Content-Type: application/json", "--data-binary",
                         f"@{body or self.body}", *flags, scheme=scheme)

    def test_curl_sends_json(self):
        with self.server() as server:
            self.assertEqual(self.post(server)[::2], (200, b"{}"))
            self.assertEqual(counted(server), 1)

    def test_curl_sends_gzip_and_chunks(self):
        compressed = self.write("request.json.gz", gzip.compress(request_in_json(1000)))
        with self.server() as server:
            for flags in ((), ("--header", "Transfer-Encoding: chunked")):
                self.assertEqual(self.post(server, "--header", "Content-Encoding: gzip", *flags,
                                           body=compressed)[0], 200)
            self.assertEqual(counted(server), 2000)

    def test_curl_waits_to_be_told_to_go_on_with_a_large_body(self):
        large = self.write("large.json", request_in_json(20_000))
        with self.server() as server:
            status, head, _ = self.post(server, "--header", "Expect: 100-continue", body=large)
            self.assertEqual(status, 200)
            self.assertTrue(head.startswith("http/1.1 100"), head)
            self.assertEqual(counted(server), 20_000)

    def test_a_body_that_is_too_large_is_refused_with_a_reason(self):
        large = self.write("too_large.json", request_in_json(20_000))
        with self.server({"otlp.http": {"max_message_size": "1MiB"}}) as server:
            for flags in ((), ("--header", "Expect:"), ("--header", "Transfer-Encoding: chunked")):
                status, _, body = self.post(server, *flags, body=large)
                self.assertEqual(status, 413)
                self.assertIn(b"max_message_size", body)
            self.assertEqual(counted(server), 0)

    def test_browsers_are_told_what_pages_may_send(self):
        with self.server({"otlp.http.cors": {
                "allowed_origins": ["https://*.example.com"], "allowed_headers": ["X-Scope-OrgID"],
                "max_age": "2h"}}) as server:
            question = ("--request", "OPTIONS", "--header", "Access-Control-Request-Method: POST",
                        "--header", "Access-Control-Request-Headers: content-type")
            status, head, _ = self.curl(server, *question, "--header",
                                        "Origin: https://shop.example.com")
            self.assertEqual(status, 204)
            self.assertIn("access-control-allow-origin: https://shop.example.com\r\n", head + "\r\n")
            self.assertIn("x-scope-orgid", head)
            self.assertIn("access-control-max-age: 7200", head)
            _, head, _ = self.curl(server, *question, "--header", "Origin: https://example.net")
            self.assertNotIn("access-control-allow-origin", head)
            _, head, _ = self.post(server, "--header", "Origin: https://shop.example.com")
            self.assertIn("access-control-allow-origin: https://shop.example.com", head)

    def test_tls_client_certificates_and_tokens_decide_who_may_send(self):
        authority = Authority(str(self.directory), "authority")
        cert, key = authority.issue("server")
        client_cert, client_key = authority.issue("client")
        token = self.write("token", b"0123456789abcdef\n")
        with self.server({
                "otlp.http.tls": {"cert_file": cert, "key_file": key,
                                  "client_ca_file": authority.cert},
                "otlp.http.tokens": [{"file": str(token)}]}) as server:
            trust = ("--cacert", authority.cert)
            certificate = ("--cert", client_cert, "--key", client_key)
            bearer = ("--header", "Authorization: Bearer 0123456789abcdef")
            for flags, expected in (((*trust, *certificate, *bearer), 200),
                                    ((*trust, *certificate), 401),
                                    ((*trust, *bearer), 0)):
                self.assertEqual(self.post(server, *flags, scheme="https")[0], expected, flags)
            self.assertEqual(self.post(server, *bearer)[0], 0)  # without TLS
            self.assertEqual(counted(server), 1)
            # gRPC has settings of its own.
            self.assertEqual(server.export(b"")[0].name, "OK")

    def test_it_can_be_switched_off(self):
        with self.server({"otlp.http": {"enabled": False}}) as server:
            self.assertIsNone(server.otlp_http_address)
            self.assertNotIn("otlp_http", server.log())

    def test_under_load_a_stop_loses_nothing_that_was_acknowledged(self):
        with self.server({"storage": {"path": "storage"}}) as server:
            with loadgen.Loadgen(server, "--http", "--batch=100", "--gzip") as load:
                harness.wait_until(lambda: counted(server) > 10_000, "some spans")
                server.terminate()
                self.assertEqual(server.wait(), 0, server.log())
                summary = load.stop()
            self.assertGreater(summary["acknowledged"], 0)
            server.start()  # goes on with what was counted
            self.assertEqual(counted(server), summary["acknowledged"])
            self.assertLessEqual(set(summary["refused"]), {"HTTP 503", "no answer"})

    def test_idle_connections_cost_little(self):
        with self.server() as server:
            host, port = server.otlp_http_address.split(":")

            def threads():
                return len(list(pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()))
            body = request_in_json()
            message = (b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body)) + body
            connections = []
            try:
                before_kib, before_threads = resident_kib(server), threads()
                for _ in range(400):
                    connection = socket.create_connection((host, int(port)),
                                                          timeout=harness.DEADLINE_SECONDS)
                    connections.append(connection)
                    connection.sendall(message)
                    self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200"))
                self.assertEqual(threads(), before_threads)
                self.assertLess((resident_kib(server) - before_kib) / len(connections), 10)
                # Each still works.
                for connection in connections:
                    connection.sendall(message)
                    self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200"))
            finally:
                for connection in connections:
                    connection.close()
            self.assertEqual(counted(server), 800)

    def test_bodies_that_do_not_end_cost_bounded_memory(self):
        with self.server({"otlp.http": {"max_in_flight": "32MiB"}}) as server:
            host, port = server.otlp_http_address.split(":")
            before_kib = resident_kib(server)
            head = (b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 16000000\r\n\r\n")
            connections = []
            try:
                for _ in range(200):
                    connection = socket.create_connection((host, int(port)),
                                                          timeout=harness.DEADLINE_SECONDS)
                    connections.append(connection)
                    connection.settimeout(5)
                    try:
                        connection.sendall(head + bytes(1 << 20))
                    except OSError:
                        pass  # it was refused and reads no more
                harness.wait_until(
                    lambda: harness.sum_of(server.series("/metrics/self"),
                                           "spanmeter_otlp_requests_total", transport="http",
                                           code="429") > 100, "refusals")
                # What all bodies may take, and the state of 200 connections.
                self.assertLess(resident_kib(server) - before_kib, (32 + 16) << 10)
            finally:
                for connection in connections:
                    connection.close()
            # When they are gone there is room again.
            harness.wait_until(lambda: self.post(server)[0] == 200, "an answer")


if __name__ == "__main__":
    unittest.main()
