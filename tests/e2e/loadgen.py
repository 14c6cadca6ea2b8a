"""Runs spanmeter-loadgen."""

import json
import signal
import subprocess

import harness


class Loadgen:
    """A running spanmeter-loadgen that sends to `server`. Use as a context manager."""

    def __init__(self, server, *flags):
        target = server.otlp_http_address if "--http" in flags else server.grpc_address
        self.process = subprocess.Popen(
            [harness.loadgen_binary(), "--target", target, "--json", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = b""

    def __enter__(self):
        return self

    def __exit__(self, exception_type, exception, traceback):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self):
        """Ends the sending; answers are waited for. Returns the summary."""
        self.process.send_signal(signal.SIGTERM)
        return self.summary()

    def summary(self):
        """Waits for the end and returns the summary."""
        out, self.errors = self.process.communicate(timeout=harness.DEADLINE_SECONDS)
        if not out:
            raise AssertionError(f"spanmeter-loadgen says only: {self.errors.decode()}")
        return json.loads(out)
