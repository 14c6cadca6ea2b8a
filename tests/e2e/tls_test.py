"""TLS and client certificates on the port for spans."""

import tempfile
import unittest

import harness
import loadgen
from certificates import Authority


class TlsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-tls-")
        cls.addClassCleanup(directory.cleanup)
        cls.authority = Authority(directory.name, "authority")
        cls.server_cert, cls.server_key = cls.authority.issue("server")
        cls.client_cert, cls.client_key = cls.authority.issue("client")
        cls.stranger_cert, cls.stranger_key = Authority(directory.name, "other").issue("stranger")

    def tls(self, **more):
        return {"otlp.grpc.tls": {"cert_file": self.server_cert, "key_file": self.server_key,
                                  **more}}

    def check_counted(self, server, *flags):
        with loadgen.Loadgen(server, "--spans=1000", "--tls-ca", self.authority.cert,
                             *flags) as load:
            summary = load.summary()
        self.assertEqual(summary["refused"], {})
        self.assertEqual(harness.sum_of(server.series(), "traces_spanmetrics_calls_total"),
                         summary["acknowledged"])

    def check_refused(self, server, *flags):
        with loadgen.Loadgen(server, "--spans=1000", "--connections=1", *flags) as load:
            self.assertEqual(load.process.wait(harness.DEADLINE_SECONDS), 1)
        self.assertEqual(server.series(), {})

    def test_spans_over_tls_are_counted(self):
        with harness.Spanmeter(self.tls()) as server:
            self.check_counted(server)

    def test_clients_without_tls_are_refused(self):
        with harness.Spanmeter(self.tls()) as server:
            self.check_refused(server)

    def test_clients_with_a_certificate_of_the_authority_are_served(self):
        with harness.Spanmeter(self.tls(client_ca_file=self.authority.cert)) as server:
            self.check_counted(server, "--tls-cert", self.client_cert, "--tls-key",
                               self.client_key)

    def test_clients_without_a_certificate_of_the_authority_are_refused(self):
        with harness.Spanmeter(self.tls(client_ca_file=self.authority.cert)) as server:
            self.check_refused(server, "--tls-ca", self.authority.cert)
            self.check_refused(server, "--tls-ca", self.authority.cert, "--tls-cert",
                               self.stranger_cert, "--tls-key", self.stranger_key)

    def test_a_certificate_that_cannot_be_read_prevents_the_start(self):
        server = harness.Spanmeter(
            {"otlp.grpc.tls": {"cert_file": "/nowhere.crt", "key_file": self.server_key}})
        self.addCleanup(server.close)
        server.launch()
        self.assertEqual(server.wait(), 1)
        self.assertIn("/nowhere.crt", server.log())


if __name__ == "__main__":
    unittest.main()
