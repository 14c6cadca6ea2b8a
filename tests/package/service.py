"""The installed service, seen from outside, in the container that a test booted."""

import json
import pathlib
import re
import subprocess

import machine

UNIT = "spanmeter.service"
CONFIG = "/etc/spanmeter/spanmeter.toml"
STATE = "/var/lib/spanmeter"
# Where the packaged configuration listens.
SPANS = "127.0.0.1:4317"
HTTP = "http://127.0.0.1:9797"


def exec_start(unit_file):
    """The command of ExecStart= as a list."""
    return re.search(r"^ExecStart=(.+)$", pathlib.Path(unit_file).read_text(encoding="utf-8"),
                     re.MULTILINE).group(1).split()


def value_of(exposition, name):
    """The sum of a metric over all its label sets, from a scrape as text."""
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([^ \n]+)", exposition, re.MULTILINE)
    return sum(map(float, values))


class Service:
    def __init__(self, host, loadgen):
        self.host = host
        self._loadgen = loadgen

    def state(self):
        return self.host.property(UNIT, "ActiveState")

    def pid(self):
        return int(self.host.property(UNIT, "MainPID"))

    def is_enabled(self):
        return self.host.run("systemctl", "is-enabled", UNIT, check=False)[1].strip()

    def wait_for(self, state):
        machine.wait_until(lambda: self.state() == state, f"{UNIT} to be {state}")

    def calls(self):
        """How many spans have been counted."""
        return value_of(self.host.get(HTTP + "/metrics/generated"), "traces_spanmetrics_calls_total")

    def self_metric(self, name):
        return value_of(self.host.get(HTTP + "/metrics/self"), name)

    def start_load(self, *flags):
        return subprocess.Popen(
            self.host.on_network(self._loadgen, "--target", SPANS, "--json", *flags),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def send(self, spans):
        """Sends that many spans; all of them have to be taken. Returns how many there were."""
        return self.finish(self.start_load("--batch=100", f"--spans={spans}"))

    @staticmethod
    def finish(load):
        out, errors = load.communicate(timeout=machine.DEADLINE_SECONDS)
        summary = json.loads(out or "null")
        if not summary or summary["refused"] or summary["rejected"]:
            raise AssertionError(f"spanmeter-loadgen: {summary} {errors}")
        return summary["acknowledged"]

    def edit_config(self, old, new):
        """Changes the installed configuration like an administrator: owner and mode stay."""
        path = self.host.path(CONFIG)
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise AssertionError(f"{old!r} does not stand once in {CONFIG}")
        path.write_text(text.replace(old, new), encoding="utf-8")

    def drop_in(self, text):
        """What `systemctl edit` would do."""
        directory = self.host.path(f"/etc/systemd/system/{UNIT}.d")
        directory.mkdir(exist_ok=True)
        (directory / "test.conf").write_text("[Service]\n" + text, encoding="utf-8")
        self.host.run("systemctl", "daemon-reload")
