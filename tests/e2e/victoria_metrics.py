"""Starts VictoriaMetrics, asks it, and removes everything again."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

import harness


class VictoriaMetrics:
    """A running VictoriaMetrics."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="spanmeter-victoria-")
        self._log = f"{self.directory}/log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                ["victoria-metrics", f"-storageDataPath={self.directory}/data",
                 "-httpListenAddr=127.0.0.1:0", "-search.latencyOffset=0s"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.address = None

    def __enter__(self):
        self.address = harness.wait_until(self._listening, "VictoriaMetrics to listen")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _listening(self):
        """It does not say which port it got: the kernel does."""
        if self.process.poll() is not None:
            with open(self._log, encoding="utf-8", errors="replace") as file:
                raise AssertionError(f"VictoriaMetrics has ended:\n{file.read()}")
        inodes = set()
        for link in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
            except FileNotFoundError:
                pass  # closed meanwhile
        with open("/proc/net/tcp", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    port = int(fields[1].split(":")[1], 16)
                    return f"127.0.0.1:{port}" if self._answers(port) else None
        return None

    @staticmethod
    def _answers(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def export(self):
        """{key: [(timestamp_ms, value)]} of everything that is stored."""
        query = urllib.parse.urlencode({"match[]": '{__name__=~"traces_.*"}',
                                        "reduce_mem_usage": "1"})
        url = f"http://{self.address}/api/v1/export?{query}"
        series = {}
        with urllib.request.urlopen(url, timeout=30) as response:
            for line in response:
                entry = json.loads(line)
                labels = entry["metric"]
                name = labels.pop("__name__")
                series.setdefault(harness.key_of(name, **labels), []).extend(
                    zip(entry["timestamps"], entry["values"]))
        return {key: sorted(points, key=lambda point: point[0]) for key, points in series.items()}
