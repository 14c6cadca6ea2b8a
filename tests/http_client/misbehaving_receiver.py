"""An HTTP server that misbehaves as its paths say, for curl_client_test.

    python3 misbehaving_receiver.py [DIRECTORY]

Listens on ports that the system chooses and prints them as one line of JSON, by the names of the
listeners. With a DIRECTORY it makes certificates there and listens for TLS as well. Ends when its
standard input does.
"""

import base64
import http.server
import json
import pathlib
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

connections = 0  # pylint: disable=invalid-name
tokens = 0  # pylint: disable=invalid-name
token_requests = 0  # pylint: disable=invalid-name
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        global connections
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()
        with lock:
            connections += 1
            self.connection_number = connections

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status, value):
        self.answer(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def do_CONNECT(self):  # pylint: disable=invalid-name
        """Tunnels: what a proxy does for TLS."""
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.send_header("X-Proxy", "was here")
            self.end_headers()
            pair = {self.connection: far, far: self.connection}
            while True:
                for readable in select.select(list(pair), [], [])[0]:
                    data = readable.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    pair[readable].sendall(data)

    def do_GET(self):  # pylint: disable=invalid-name
        self.do_POST()

    def do_POST(self):  # pylint: disable=invalid-name
        self.content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        name, *rest = url.path.strip("/").split("/")
        getattr(self, "serve_" + name.replace("-", "_"))(*rest)

    def serve_echo(self, *_):
        """Says what has arrived."""
        sni = getattr(self.connection, "name_indication", None)
        self.answer_json(200, {
            "method": self.command, "path": self.path, "headers": dict(self.headers.items()),
            "body": self.content[:100].decode("latin-1"), "size": len(self.content),
            "connection": self.connection_number, "sni": sni})

    def serve_status(self, status):
        self.answer(int(status), b"status " + status.encode(), [("Retry-After", "7")])

    def serve_stall(self):
        """Never answers."""
        while self.connection.recv(1):
            pass

    def serve_close(self):
        self.close_connection = True

    def serve_garbage(self):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
        self.close_connection = True

    def serve_cut(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short")
        self.close_connection = True

    def serve_drip(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            self.wfile.write(b".")
            time.sleep(0.02)

    def serve_huge(self, status):
        self.wfile.write(f"HTTP/1.1 {status} X\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        while True:
            self.wfile.write(b"x" * 65536)

    def serve_large(self):
        self.answer(400, b"y" * 500_000)

    def serve_many_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-Header: " + b"z" * 1000 + b"\r\n")

    def serve_redirect(self, status):
        self.answer(int(status), headers=[("Location", self.query["to"])])

    def serve_redirects(self, count):
        """Leads to itself so many times."""
        left = int(count)
        if left == 0:
            return self.serve_echo()
        return self.answer(307, headers=[("Location", f"/redirects/{left - 1}")])

    def serve_slow_redirects(self):
        time.sleep(0.2)
        self.answer(307, headers=[("Location", "/slow-redirects")])

    def serve_token(self, kind):
        """Gives tokens "token-1", "token-2" and so on."""
        global token_requests, tokens
        with lock:
            token_requests += 1
        form = dict(urllib.parse.parse_qsl(self.content.decode()))
        basic = self.headers.get("Authorization", "")
        expected = "Basic " + base64.b64encode(b"the%20id:s%3Acret").decode()
        by_form = form.get("client_id") == "the id" and form.get("client_secret") == "s:cret"
        if kind == "stall" or (kind == "once" and token_requests > 1):
            return self.serve_stall()
        if kind == "garbage":
            return self.answer(200, b"<html>")
        if kind == "refuse":
            return self.answer_json(401, {"error": "invalid_client"})
        if kind == "body" and not by_form:
            return self.answer_json(400, {"error": "invalid_client"})
        if kind != "body" and basic != expected:
            return self.answer_json(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return self.answer_json(400, {"error": "unsupported_grant_type"})
        with lock:
            tokens += 1
            self.server.forms.append(form)
            token = f"token-{tokens}"
        return self.answer_json(200, {"access_token": token, "token_type": "Bearer",
                                      "expires_in": 3600})

    def serve_token_state(self):
        self.answer_json(200, {"tokens": tokens, "requests": token_requests,
                               "forms": self.server.forms})

    def serve_needs_token(self, number):
        """Takes only the token of that number."""
        if self.headers.get("Authorization") != f"Bearer token-{number}":
            return self.answer(401)
        return self.serve_echo()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    forms = []

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context

    def get_request(self):
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True,
                                                  do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # the client went away, or its TLS was refused

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self.server_address[1]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificate(directory, name, authority=None, alternative="IP:127.0.0.1", days="2"):
    """Makes NAME.pem and NAME.key, signed by the authority of that name or by itself."""
    path = directory / name
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
           f"{path}.key", "-subj", f"/CN={name}"]
    if authority is None:
        openssl("req", "-x509", *key, "-days", days, "-out", f"{path}.pem")
        return
    extensions = directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName={alternative}\n", encoding="utf-8")
    openssl("req", *key, "-out", f"{path}.csr")
    openssl("x509", "-req", "-in", f"{path}.csr", "-CA", f"{directory / authority}.pem", "-CAkey",
            f"{directory / authority}.key", "-CAcreateserial", "-days", days, "-extfile",
            str(extensions), "-out", f"{path}.pem")


def tls_context(directory, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")

    def note_name(connection, server_name, _):
        connection.name_indication = server_name

    context.sni_callback = note_name
    return context


def tls_servers(directory):
    make_certificate(directory, "authority")
    make_certificate(directory, "other-authority")
    make_certificate(directory, "server", "authority")
    make_certificate(directory, "named", "authority", "DNS:receiver.example")
    make_certificate(directory, "expired", "authority", days="-1")
    make_certificate(directory, "client", "authority")
    make_certificate(directory, "stranger", "other-authority")
    servers = {name: Server(tls_context(directory, name))
               for name in ("server", "named", "expired")}
    asking = tls_context(directory, "server")
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_verify_locations(directory / "authority.pem")
    servers["asks_client"] = Server(asking)
    old = tls_context(directory, "server")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    servers["tls12"] = Server(old)
    return servers


def main():
    servers = {"http": Server(), "other": Server(), "proxy": Server()}
    if len(sys.argv) > 1:
        servers.update(tls_servers(pathlib.Path(sys.argv[1])))
    print(json.dumps({name: server.start() for name, server in servers.items()}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
