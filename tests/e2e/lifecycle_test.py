"""Start and stop of the real process, also under load."""

import socket
import unittest

import harness
import loadgen
import rude_peers


def counted(server):
    return harness.sum_of(server.series(), "traces_spanmetrics_calls_total")


class LifecycleTest(unittest.TestCase):

    def test_sigterm_ends_with_status_0(self):
        with harness.Spanmeter() as server:
            server.terminate()
            self.assertEqual(server.wait(), 0, server.log())

    def test_what_was_acknowledged_under_load_is_in_the_next_scrape(self):
        with harness.Spanmeter() as server:
            with loadgen.Loadgen(server, "--connections=8", "--batch=100",
                                 "--spans=300000") as load:
                summary = load.summary()
            self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
            self.assertEqual(counted(server), summary["acknowledged"])

    def test_a_stop_under_load_loses_nothing_that_was_acknowledged(self):
        with harness.Spanmeter() as server, loadgen.Loadgen(
                server, "--connections=8", "--batch=100") as load:
            harness.wait_until(lambda: counted(server) > 10_000, "spans to be counted")
            # A call that never comes to its end keeps the port for spans from being down until
            # its time is over, so there is time for a last scrape.
            host, port = server.grpc_address.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as stalled:
                stalled.sendall(rude_peers.begun_export(1000, 10))
                harness.wait_until(lambda: stalled.recv(1), "the call to arrive")
                server.terminate()
                harness.wait_until(lambda: server.get("/-/ready")[0] == 503, "the stop to begin")
                summary = load.stop()
                last = counted(server)
            self.assertEqual(server.wait(), 0, server.log())
            self.assertGreater(summary["acknowledged"], 0)
            self.assertEqual(last, summary["acknowledged"])
            # Both make a client try again: what was on its way when the port went down is
            # CANCELLED by gRPC itself.
            self.assertLessEqual(set(summary["refused"]), {"UNAVAILABLE", "CANCELLED"})

    def check_second_instance(self, section):
        with harness.Spanmeter() as first:
            address = {"otlp.grpc": first.grpc_address, "otlp.http": first.otlp_http_address,
                       "http": first.http_address}[section]
            second = harness.Spanmeter({section: {"listen": address}})
            self.addCleanup(second.close)
            second.launch()
            self.assertEqual(second.wait(), 1)
            self.assertIn("cannot", second.log())
            self.assertIn(address, second.log())
            self.assertEqual(first.get("/-/ready")[0], 200)

    def test_a_second_instance_on_the_port_for_spans_says_what_is_wrong(self):
        self.check_second_instance("otlp.grpc")

    def test_a_second_instance_on_the_port_for_spans_by_http_says_what_is_wrong(self):
        self.check_second_instance("otlp.http")

    def test_a_second_instance_on_the_http_port_says_what_is_wrong(self):
        self.check_second_instance("http")


if __name__ == "__main__":
    unittest.main()
