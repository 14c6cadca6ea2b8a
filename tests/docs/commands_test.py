"""Runs the commands that the README shows.

Each line of its blocks of shell has to be listed here: those that are run, with what has to come of
it, and those that cannot be, with the reason and where they are proven instead.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import readme

sys.path.insert(0, str(readme.TREE / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import loadgen  # noqa: E402  pylint: disable=wrong-import-position

# Commands that change the machine or build the tree.
ELSEWHERE = {
    "apt install ./spanmeter_*.deb": "installs: tests/package does it in a root of its own",
    "rpm --install ./spanmeter-*.rpm": "installs: tests/package does it in roots of its own",
    "systemctl status spanmeter": "takes a booted systemd: tests/package starts what the unit starts",
    "systemctl enable --now spanmeter": "as before",
    "spanmeter --check-config && systemctl reload spanmeter": "takes the installed service: tests/package has it",
    "spanmeter --print-config": "as before",
    "make run": "builds: .ci/run does; documents_test.py knows that the target is there",
    "make test": "as before",
    "make demo": "as before, and runs until Ctrl-C; queries_test.py sends the same traffic",
}

# Runs until it is stopped, so that it has a test of its own.
START = "spanmeter --config.file=etc/spanmeter.toml"

# What is run, and a pattern for what it prints.
HERE = {
    "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318": r"",
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf": r"",
    "export OTEL_SERVICE_NAME=checkout": r"",
    "curl -s http://127.0.0.1:4318/v1/traces -H 'Content-Type: application/json' -d '{\"resourceSpans\": []}'": r"{}",
    "curl -s http://127.0.0.1:9797/-/ready": r"ready\n",
    "curl -s http://127.0.0.1:9797/metrics/generated | head -n 20": r"[^\0]*traces_spanmetrics_\w+\{[^\0]*",
    START: r"",
    "spanmeter --config.file=etc/spanmeter.toml --check-config": r"etc/spanmeter.toml: valid\n",
    "spanmeter --config.file=etc/spanmeter.toml --print-config": r"\[log\]\nlevel = [^\0]*",
    "curl -X POST -H 'X-Requested-With: curl' http://127.0.0.1:9797/-/reload": r".*\n?",
    "spanmeter convert tempo.yaml > spanmeter.toml": r"",
    "spanmeter convert tempo.yaml overrides.yaml > spanmeter.toml": r"",
    "spanmeter --config.file=spanmeter.toml --check-config": r"spanmeter.toml: valid\n",
}

# What somebody who moves from Tempo may have.
TEMPO = """
multitenancy_enabled: true
metrics_generator:
  processor:
    span_metrics:
      dimensions: [http.method]
overrides:
  defaults:
    metrics_generator:
      processors: [span-metrics, service-graphs]
"""
TEMPO_OVERRIDES = """
overrides:
  team-a:
    metrics_generator:
      max_active_series: 20000
"""


def is_there(command):
    """Whether this build has the command at all."""
    if not command.startswith("spanmeter convert"):
        return True
    help_text = subprocess.run([os.environ["SPANMETER"], "--help"], capture_output=True, text=True,
                               timeout=harness.DEADLINE_SECONDS, check=True).stdout
    return "convert" in help_text


class CommandsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spanmeter = harness.Spanmeter({"http": {"enable_lifecycle": True}})
        cls.spanmeter.start()
        cls.addClassCleanup(cls.spanmeter.close)
        with loadgen.Loadgen(cls.spanmeter, "--scenario=shop", "--spans=100") as sender:
            sender.summary()
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-readme-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        (cls.directory / "etc").mkdir()
        shutil.copy(readme.TREE / "etc" / "spanmeter.toml", cls.directory / "etc")
        (cls.directory / "tempo.yaml").write_text(TEMPO, encoding="utf-8")
        (cls.directory / "overrides.yaml").write_text(TEMPO_OVERRIDES, encoding="utf-8")
        (cls.directory / "spanmeter.toml").write_text("", encoding="utf-8")

    def run_line(self, command):
        """Runs a command in a shell, against the running spanmeter."""
        command = command.replace("127.0.0.1:9797", self.spanmeter.http_address)
        command = command.replace("127.0.0.1:4317", self.spanmeter.grpc_address)
        command = command.replace("127.0.0.1:4318", self.spanmeter.otlp_http_address)
        path = f"{pathlib.Path(os.environ['SPANMETER']).parent}:{os.environ['PATH']}"
        return subprocess.run(["bash", "-euc", command], cwd=self.directory,
                              env={**os.environ, "PATH": path}, capture_output=True, text=True,
                              timeout=harness.DEADLINE_SECONDS, check=False)

    def test_each_command_is_run_or_has_a_reason_not_to_be(self):
        shown = set(readme.commands()) | set(readme.manual_commands())
        self.assertEqual(shown, set(ELSEWHERE) | set(HERE))
        self.assertGreaterEqual(len(readme.manual_commands()), 4)

    def test_commands_do_what_they_are_shown_for(self):
        for command in dict.fromkeys(readme.commands()):
            if command not in HERE or command == START or not is_there(command):
                continue
            with self.subTest(command=command):
                result = self.run_line(command)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertRegex(result.stdout, rf"\A{HERE[command]}\Z")

    def test_the_shown_start_gets_ready_and_stops(self):
        with harness.Spanmeter() as server:
            # The file of the tree, but for the ports, which may be taken.
            text = (readme.TREE / "etc" / "spanmeter.toml").read_text(encoding="utf-8")
            server.terminate()
            self.assertEqual(server.wait(), 0)
            server.write_config(re.sub(r'^listen = "0\.0\.0\.0:\d+"', 'listen = "127.0.0.1:0"', text,
                                       flags=re.MULTILINE))
            server.start()
            server.terminate()
            self.assertEqual(server.wait(), 0)

    def test_a_block_of_shell_runs_as_a_whole(self):
        # Lines of one block may need each other.
        for block in readme.blocks("sh"):
            lines = [re.sub(r"\s+#.*$", "", line) for line in block.text.splitlines()]
            lines = [line for line in lines if line]
            if START in lines or not all(line in HERE and is_there(line) for line in lines):
                continue
            with self.subTest(block=block):
                result = self.run_line(block.text)
                self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
