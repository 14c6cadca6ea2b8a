"""Sends spans through a real nginx, configured as the README shows, to two instances."""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import readme

sys.path.insert(0, str(readme.TREE / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import loadgen  # noqa: E402  pylint: disable=wrong-import-position

# What surrounds the shown part in a whole configuration; files stay in a directory of the test's own.
AROUND = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
access_log {directory}/access.log;
client_body_temp_path {directory}/body;
proxy_temp_path {directory}/proxy;
fastcgi_temp_path {directory}/fastcgi;
uwsgi_temp_path {directory}/uwsgi;
scgi_temp_path {directory}/scgi;
{shown}
}}
"""


class Addresses:
    """Like a server, for what sends to it."""

    def __init__(self, grpc_address):
        self.grpc_address = grpc_address


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def received(server):
    return harness.sum_of(server.series("/metrics/self"), "spanmeter_spans_received_total")


class ProxyTest(unittest.TestCase):
    def test_requests_are_spread_over_the_instances_and_large_ones_pass(self):
        blocks = readme.blocks("nginx")
        self.assertEqual(len(blocks), 1)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="spanmeter-proxy-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        with harness.Spanmeter() as first, harness.Spanmeter() as second:
            port = free_port()
            shown = blocks[0].text
            for written, real in (("10.0.0.11:4317", first.grpc_address), ("10.0.0.12:4317", second.grpc_address),
                                  ("listen 4317", f"listen 127.0.0.1:{port}")):
                self.assertEqual(shown.count(written), 1)
                shown = shown.replace(written, real)
            file = directory / "nginx.conf"
            file.write_text(AROUND.format(directory=directory, shown=shown), encoding="utf-8")
            with open(directory / "log", "wb") as log:
                proxy = subprocess.Popen(["nginx", "-p", str(directory), "-c", str(file)], stdout=log, stderr=log)
            self.addCleanup(proxy.wait)
            self.addCleanup(proxy.terminate)

            def listens():
                self.assertIsNone(proxy.poll(), (directory / "log").read_text(encoding="utf-8"))
                with socket.socket() as client:
                    return client.connect_ex(("127.0.0.1", port)) == 0

            harness.wait_until(listens, "nginx")
            # A request of 4,000 spans has about 2 MB, more than nginx lets pass by default.
            with loadgen.Loadgen(Addresses(f"127.0.0.1:{port}"), "--connections=1", "--batch=4000",
                                 "--spans=80000") as sender:
                summary = sender.summary()
            self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
            counts = received(first), received(second)
            self.assertEqual(sum(counts), summary["acknowledged"])
            # One connection, and still both have their part.
            for count in counts:
                self.assertGreater(count, summary["acknowledged"] / 4)

    def test_the_size_that_nginx_lets_pass_is_that_of_spanmeter(self):
        printed = (readme.TREE / "etc" / "spanmeter.toml").read_text(encoding="utf-8")
        size = re.search(r'max_message_size = "(\d+)MiB"', printed).group(1)
        self.assertIn(f"client_max_body_size {size}m;", readme.blocks("nginx")[0].text)


if __name__ == "__main__":
    unittest.main()
