"""TLS, logins, tokens and roles on the HTTP port, and tokens on the port for spans."""

import json
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest

import grpc

import harness
from tls_test import Authority

# bcrypt hashes of "correct horse" and of "battery staple", made by Python's crypt module.
HORSE_HASH = "$2b$10$XMO329CrO3ouBrQlbDfj0epnAwxL4n/owP7jc6i9e4BQuJw0VXhdu"
STAPLE_HASH = "$2b$10$00TW9s.SRfq5lrOxigN2Je1GHiRmDBXZyDgJk.en1.ZOEhSSy4fDq"


def replace(path, content):
    """Writes a file in one step, as whoever renews secrets does."""
    new = pathlib.Path(str(path) + ".new")
    new.write_text(content, encoding="ascii")
    new.replace(path)


class SecureSpanmeter(harness.Spanmeter):
    """A spanmeter that is asked by curl, over TLS when it has any."""

    def __init__(self, tables, *curl_flags, **more):
        super().__init__(tables, **more)
        self.curl_flags = curl_flags

    def start(self):
        self.launch()
        self.grpc_address = harness.wait_until(lambda: self._announced("otlp_grpc"), "OTLP")
        self.http_address = harness.wait_until(lambda: self._announced("http"), "HTTP")

    def curl(self, path, *flags, scheme="https"):
        """Returns (curl's exit status, HTTP status, head, body)."""
        result = subprocess.run(
            ["curl", "--silent", "--include", "--max-time", "60", "--noproxy", "*",
             *self.curl_flags, *flags, f"{scheme}://{self.http_address}{path}"],
            stdout=subprocess.PIPE, timeout=harness.DEADLINE_SECONDS * 2, check=False)
        head, _, body = result.stdout.decode("utf-8", "replace").partition("\r\n\r\n")
        status = int(head.split(" ")[1]) if head.startswith("HTTP/") else 0
        return result.returncode, status, head, body

    def status(self, path, *flags, scheme="https"):
        return self.curl(path, *flags, scheme=scheme)[1]


class HttpSecurityTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-http-security-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.authority = Authority(directory.name, "authority")
        cls.server_cert, cls.server_key = cls.authority.issue("server")
        cls.renewed_cert, cls.renewed_key = cls.authority.issue("renewed")
        cls.client_cert, cls.client_key = cls.authority.issue("client")
        cls.stranger_cert, cls.stranger_key = Authority(directory.name, "other").issue("stranger")

    def setUp(self):
        # What a test may change.
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-http-security-")
        self.addCleanup(directory.cleanup)
        self.files = pathlib.Path(directory.name)
        self.cert, self.key = self.files / "tls.crt", self.files / "tls.key"
        self.install(self.server_cert, self.server_key)

    def install(self, cert, key):
        for source, target in ((key, self.key), (cert, self.cert)):
            replace(target, pathlib.Path(source).read_text(encoding="ascii"))

    def write(self, name, content):
        path = self.files / name
        replace(path, content)
        return str(path)

    def tls(self, **more):
        return {"cert_file": str(self.cert), "key_file": str(self.key), **more}

    def serial_shown(self, server):
        """The serial number of the certificate that the server shows now."""
        context = ssl.create_default_context(cafile=self.authority.cert)
        host, port = server.http_address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as plain:
            with context.wrap_socket(plain, server_hostname=host) as connection:
                return connection.getpeercert()["serialNumber"]

    @staticmethod
    def serial_of(cert):
        text = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", cert],
                              stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode()
        return text.strip().partition("=")[2]

    def test_everything_is_served_over_tls(self):
        with SecureSpanmeter({"http.tls": self.tls()}, "--cacert", self.authority.cert) as server:
            for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
                _, status, head, _ = server.curl(path)
                self.assertEqual(status, 200, path)
                self.assertIn("strict-transport-security: max-age=", head.lower())
            self.assertRegex(server.log(), r"listening.* port=http .* tls=on")
            # Neither without TLS nor with an old version of it, nor to those who do not trust it.
            self.assertEqual(server.status("/metrics", scheme="http"), 0)
            self.assertEqual(server.status("/metrics", "--tls-max", "1.1"), 0)
            self.assertEqual(server.status("/metrics", "--tls-max", "1.2"), 200)
            self.assertEqual(server.status("/metrics", "--cacert", self.stranger_cert), 0)

    def test_the_lowest_version_is_configurable(self):
        with SecureSpanmeter({"http.tls": self.tls(min_version="TLS13")}, "--cacert",
                             self.authority.cert) as server:
            self.assertEqual(server.status("/metrics", "--tls-max", "1.2"), 0)
            self.assertEqual(server.status("/metrics"), 200)

    def test_a_renewed_certificate_is_taken_up_without_a_restart(self):
        with SecureSpanmeter({"http.tls": self.tls()}, "--cacert", self.authority.cert) as server:
            self.assertEqual(self.serial_shown(server), self.serial_of(self.server_cert))
            self.install(self.renewed_cert, self.renewed_key)
            harness.wait_until(
                lambda: self.serial_shown(server) == self.serial_of(self.renewed_cert),
                "the renewed certificate")
            self.assertEqual(server.status("/metrics"), 200)
            self.assertIn("took up new certificates", server.log())
            server.assert_running()

    def test_clients_need_a_certificate_of_the_authority(self):
        with SecureSpanmeter({"http.tls": self.tls(client_ca_file=self.authority.cert)},
                             "--cacert", self.authority.cert) as server:
            self.assertEqual(server.status(
                "/metrics", "--cert", self.client_cert, "--key", self.client_key), 200)
            self.assertEqual(server.status(
                "/metrics", "--cert", self.stranger_cert, "--key", self.stranger_key), 0)
            self.assertEqual(server.status("/metrics"), 0)

    def test_files_that_cannot_be_used_prevent_the_start(self):
        for tables, said in (
                ({"http.tls": self.tls(cert_file="/nowhere.crt")}, "/nowhere.crt"),
                ({"http.tls": self.tls(key_file=self.client_key)}, "does not belong"),
                ({"http.tokens": [{"name": "a", "file": self.write("short", "hunter2"),
                                   "role": "admin"}]}, "fewer than 16 characters"),
                ({"http.users": [{"name": "a", "password_hash_file": self.write("no", "hunter2"),
                                  "role": "admin"}]}, "no hash"),
                ({"http.users": [{"name": "a", "password_hash": "<secret>", "role": "admin"}]},
                 "what --print-config shows"),
                ({"otlp.grpc.tokens": [{"file": "/nowhere.token"}]}, "/nowhere.token")):
            server = harness.Spanmeter(tables)
            self.addCleanup(server.close)
            server.launch()
            self.assertEqual(server.wait(), 1, said)
            self.assertIn(said, server.log())
            self.assertNotIn("hunter2", server.log())

    def test_users_and_tokens_have_roles_and_change_without_a_restart(self):
        hash_file = self.write("hash", HORSE_HASH + "\n")
        token_file = self.write("token", "scrape-0123456789\n")
        tables = {
            "http": {"enable_lifecycle": True},
            "http.users": [{"name": "admin", "password_hash_file": hash_file, "role": "admin"},
                           {"name": "viewer", "password_hash": HORSE_HASH, "role": "scrape"}],
            "http.tokens": [{"name": "prometheus", "file": token_file, "role": "scrape"}],
            "http.tls": self.tls()}
        admin = ("--user", "admin:correct horse")
        token = ("--oauth2-bearer", "scrape-0123456789")
        with SecureSpanmeter(tables, "--cacert", self.authority.cert) as server:
            code, status, head, _ = server.curl("/metrics")
            self.assertEqual((code, status), (0, 401))
            self.assertIn("www-authenticate: basic", head.lower())
            self.assertIn("www-authenticate: bearer", head.lower())
            for flags, scrape, administer in (
                    (admin, 200, 200), (token, 200, 403),
                    (("--user", "viewer:correct horse"), 200, 403),
                    (("--user", "admin:wrong horse"), 401, 401),
                    (("--oauth2-bearer", "wrong-0123456789"), 401, 401)):
                self.assertEqual(server.status("/metrics", *flags), scrape, flags)
                self.assertEqual(server.status("/metrics/generated", *flags), scrape, flags)
                self.assertEqual(server.status("/", *flags), administer, flags)
                reload = ("--request", "POST", "--header", "X-Requested-With: curl")
                self.assertEqual(server.status("/-/reload", *reload, *flags), administer, flags)
            self.assertEqual(server.status("/-/healthy"), 200)
            self.assertEqual(server.status("/-/ready"), 200)

            replace(hash_file, STAPLE_HASH)
            replace(token_file, "renewed-0123456789")
            harness.wait_until(lambda: server.status("/metrics", *token) == 401, "the new token")
            harness.wait_until(lambda: server.status("/", *admin) == 401, "the new password")
            self.assertEqual(server.status("/", "--user", "admin:battery staple"), 200)
            self.assertEqual(
                server.status("/metrics", "--oauth2-bearer", "renewed-0123456789"), 200)
            server.assert_running()
            for secret in ("correct horse", "wrong horse", "0123456789", "$2b$"):
                self.assertNotIn(secret, server.log())

    def test_wrong_passwords_do_not_keep_others_out(self):
        tables = {"http.users": [{"name": "me", "password_hash": HORSE_HASH, "role": "scrape"}]}
        with SecureSpanmeter(tables) as server:
            me = ("--user", "me:correct horse")
            self.assertEqual(server.status("/metrics", *me, scheme="http"), 200)
            # Many at a time: some are told to come back later, and all are answered.
            wrong = [subprocess.Popen(
                ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                 "--noproxy", "*", "--user", f"me:wrong {i}",
                 f"http://{server.http_address}/metrics"], stdout=subprocess.PIPE)
                     for i in range(40)]
            self.assertEqual(server.status("/metrics", *me, scheme="http"), 200)
            answers = [process.communicate(timeout=60)[0].decode() for process in wrong]
            self.assertLessEqual(set(answers), {"401", "503"})
            self.assertIn("401", answers)

    def test_without_credentials_the_admin_part_is_for_this_machine(self):
        with SecureSpanmeter({"http": {"enable_lifecycle": True}}) as server:
            port = server.http_address.rsplit(":", 1)[1]
            for host, status in ((f"localhost:{port}", 200), (f"127.0.0.1:{port}", 200),
                                 ("evil.example", 403)):
                flags = ("--header", f"Host: {host}")
                self.assertEqual(server.status("/", *flags, scheme="http"), status, host)
                self.assertEqual(server.status("/style.css", *flags, scheme="http"), status, host)
                self.assertEqual(server.status("/metrics", *flags, scheme="http"), 200, host)
            self.assertEqual(
                server.curl("/api/v1/overview", "--header", "Host: evil.example",
                            scheme="http")[1], 403)
            error = json.loads(server.curl("/api/v1/overview", "--header", "Host: evil.example",
                                           scheme="http")[3])
            self.assertEqual(error["error"]["status"], 403)

    def test_print_config_shows_no_hash(self):
        server = harness.Spanmeter(
            {"http.users": [{"name": "me", "password_hash": HORSE_HASH, "role": "scrape"}]})
        self.addCleanup(server.close)
        printed = subprocess.run(
            [harness.spanmeter_binary(), f"--config.file={server.config}", "--print-config"],
            stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
        self.assertNotIn("$2b$", printed)
        self.assertIn('{name = "me", password_hash = "<secret>", role = "scrape"}', printed)


class OtlpTokensTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-otlp-tokens-")
        self.addCleanup(directory.cleanup)
        self.files = pathlib.Path(directory.name)

    def token(self, name, content):
        path = self.files / name
        replace(path, content)
        return str(path)

    def code(self, server, token=None, tenant=None):
        metadata = []
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        if tenant:
            metadata.append(("x-scope-orgid", tenant))
        return server.export(b"", metadata)[0]

    def test_spans_need_a_token(self):
        file = self.token("token", "first-0123456789\n")
        with harness.Spanmeter({"otlp.grpc.tokens": [{"file": file}]}) as server:
            self.assertEqual(self.code(server), grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(self.code(server, "wrong-0123456789"),
                             grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(self.code(server, "first-0123456789"), grpc.StatusCode.OK)
            replace(file, "second-0123456789")
            harness.wait_until(
                lambda: self.code(server, "second-0123456789") == grpc.StatusCode.OK,
                "the new token")
            self.assertEqual(self.code(server, "first-0123456789"),
                             grpc.StatusCode.UNAUTHENTICATED)
            series = server.series("/metrics/self")
            self.assertEqual(harness.sum_of(series, "spanmeter_otlp_auth_failures_total",
                                            reason="missing"), 1)
            self.assertGreaterEqual(harness.sum_of(series, "spanmeter_otlp_auth_failures_total",
                                                   reason="wrong"), 2)
            self.assertNotIn("0123456789", server.log())

    def test_a_token_is_good_for_its_tenant(self):
        tables = {"tenancy": {"enabled": True},
                  "otlp.grpc.tokens": [
                      {"file": self.token("a", "a-0123456789abcdef"), "tenant": "team-a"},
                      {"file": self.token("all", "all-0123456789abcdef")}]}
        with harness.Spanmeter(tables) as server:
            for token, tenant, code in (
                    ("a-0123456789abcdef", "team-a", grpc.StatusCode.OK),
                    ("a-0123456789abcdef", "team-b", grpc.StatusCode.UNAUTHENTICATED),
                    ("a-0123456789abcdef", None, grpc.StatusCode.UNAUTHENTICATED),
                    ("all-0123456789abcdef", "team-b", grpc.StatusCode.OK)):
                self.assertEqual(self.code(server, token, tenant), code, (token, tenant))


if __name__ == "__main__":
    unittest.main()
