"""What the real process tells a service manager, here one made of a socket."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"]) / "tests" / "e2e"))

import harness  # pylint: disable=wrong-import-position


class Manager:
    """Starts spanmeter as systemd would, and receives what it says. Use as a context manager."""

    def __init__(self, name, tables=None, **environment):
        self.server = harness.Spanmeter(tables)
        if name is None:
            name = str(self.server.directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.settimeout(harness.DEADLINE_SECONDS)
        self.environment = {"NOTIFY_SOCKET": name, **environment}

    def __enter__(self):
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            self.server.launch()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        return self

    def __exit__(self, exception_type, exception, traceback):
        self.server.close()
        self.socket.close()

    def receive(self):
        """The next message as a dict of its assignments."""
        message = self.socket.recv(65536).decode()
        return dict(line.split("=", 1) for line in message.split("\n"))



class ServiceNotifyTest(unittest.TestCase):
    def test_all_ports_answer_as_soon_as_it_says_ready(self):
        for name in (None, f"@spanmeter-test-{os.getpid()}"):
            with self.subTest(socket=name or "a path"), Manager(name) as manager:
                message = manager.receive()
                self.assertEqual(message["READY"], "1")
                # Nothing is waited for here: all connections have to succeed at once.
                status = message["STATUS"]
                spans = re.search(r"spans to (\S+):(\d+) \(OTLP/gRPC\)", status)
                metrics = re.search(r"metrics and page at (\S+):(\d+) \(HTTP\)", status)
                spans_by_http = re.search(r"and (\S+):(\d+) \(OTLP/HTTP\)", status)
                for match in (spans, spans_by_http, metrics):
                    self.assertTrue(match, status)
                    address = (match.group(1), int(match.group(2)))
                    socket.create_connection(address, timeout=0.5).close()

    def test_a_process_that_cannot_start_never_says_ready(self):
        with Manager(None, {"http": {"listen": "192.0.2.1:1"}}) as manager:
            self.assertEqual(manager.server.process.wait(harness.DEADLINE_SECONDS), 1)
            manager.socket.setblocking(False)
            with self.assertRaises(BlockingIOError):
                manager.receive()

    def test_a_reload_is_announced_and_ends_with_ready_and_its_result(self):
        with Manager(None) as manager:
            started = manager.receive()
            manager.server.process.send_signal(signal.SIGHUP)
            reloading = manager.receive()
            self.assertEqual(reloading["RELOADING"], "1")
            # CLOCK_MONOTONIC is the same for all processes.
            now = subprocess.run([sys.executable, "-c", "import time; print(time.monotonic_ns())"],
                                 check=True, capture_output=True, text=True).stdout
            age_micros = int(now) // 1000 - int(reloading["MONOTONIC_USEC"])
            self.assertTrue(0 <= age_micros < harness.DEADLINE_SECONDS * 1e6, age_micros)
            ready = manager.receive()
            self.assertEqual((ready["READY"], ready["STATUS"]), ("1", started["STATUS"]))

            manager.server.write_config("[http]\nlisten = 7\n")
            manager.server.process.send_signal(signal.SIGHUP)
            self.assertEqual(manager.receive()["RELOADING"], "1")
            ready = manager.receive()
            self.assertEqual(ready["READY"], "1")
            self.assertIn("the last reload failed", ready["STATUS"])

    def test_it_says_that_it_stops_before_it_ends(self):
        with Manager(None) as manager:
            manager.receive()
            manager.server.terminate()
            self.assertEqual(manager.receive()["STOPPING"], "1")
            self.assertEqual(manager.server.wait(), 0)

    def test_the_watchdog_hears_of_a_process_that_turns_and_of_no_other(self):
        # WATCHDOG_PID is left out: it would have to be known before the process is there.
        with Manager(None, WATCHDOG_USEC="400000") as manager:
            manager.receive()
            for _ in range(3):
                self.assertEqual(manager.receive(), {"WATCHDOG": "1"})
            # A process that is stopped is one whose main loop does not turn.
            manager.server.process.send_signal(signal.SIGSTOP)
            manager.socket.settimeout(1.0)
            with self.assertRaises(TimeoutError):
                for _ in range(3):  # what was under way
                    manager.receive()
            manager.socket.settimeout(harness.DEADLINE_SECONDS)
            manager.server.process.send_signal(signal.SIGCONT)
            self.assertEqual(manager.receive(), {"WATCHDOG": "1"})

    def test_without_a_watchdog_it_says_nothing_while_it_runs(self):
        with Manager(None) as manager:
            manager.receive()
            manager.server.process.send_signal(signal.SIGHUP)
            self.assertIn("RELOADING", manager.receive())
            self.assertIn("READY", manager.receive())
            manager.server.terminate()
            self.assertIn("STOPPING", manager.receive())


if __name__ == "__main__":
    unittest.main()
