"""What tests/conformance replays, with the configuration that Tempo had for it.

The settings of each recorded case, put into Tempo's own form, must come out of `spanmeter convert`
as the configuration that the replay uses, which was written independently of the converter.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ["SPANMETER"]
TESTS = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"]) / "tests"
sys.path.insert(0, str(TESTS / "conformance"))
sys.path.insert(0, str(TESTS / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import run  # noqa: E402  pylint: disable=wrong-import-position

DEADLINE_SECONDS = 30
# The one of every recording.
SLACK = "400000h"
# Known to Tempo's processors only, or to nobody: the replay expects spanmeter to refuse them.
REFUSED = "expected_error.txt"


def dump(value):
    # YAML does not have JSON's surrogate pairs.
    return json.dumps(value, ensure_ascii=False)


def tempo_files(case):
    """(tempo.yaml, overrides.yaml or None) as JSON, which is YAML."""
    config = case["config"]
    generator = {
        "metrics_ingestion_time_range_slack": SLACK,
        "processor": {name: config[name] for name in ("span_metrics", "service_graphs", "host_info")
                      if name in config},
        "registry": config.get("registry", {}),
    }
    generator.update(config.get("generator", {}))
    limits = {"processors": case["processors"]}
    for key, value in config.get("overrides", {}).items():
        target = generator if key == "limiter_type" else limits
        target[key] = value
    tempo = {
        "multitenancy_enabled": bool(case.get("multitenancy")),
        "metrics_generator": generator,
        "overrides": {"defaults": {"metrics_generator": limits}},
    }
    tenants = {name: {"metrics_generator": table}
               for name, table in case.get("tenants", {}).items()}
    return dump(tempo), dump({"overrides": tenants}) if tenants else None


class RecordingsTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def call(self, *arguments):
        return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=DEADLINE_SECONDS, check=False)

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def print_config(self, text):
        path = self.write("spanmeter.toml", text)
        result = self.call(f"--config.file={path}", "--print-config")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_convert_to_what_is_replayed(self):
        self.maxDiff = None
        compared = 0
        for directory in sorted(run.CASES.iterdir()):
            case = json.loads((directory / "case.json").read_text(encoding="utf-8"))
            if (run.DIFFERENCES / directory.name / REFUSED).exists():
                continue
            with self.subTest(directory.name):
                tempo, overrides = tempo_files(case)
                files = [self.write("tempo.yaml", tempo)]
                if overrides:
                    files.append(self.write("overrides.yaml", overrides))
                converted = self.call("convert", *files)
                self.assertEqual(converted.returncode, 0, converted.stderr)
                tables = run.settings(case)
                # What Tempo does where nothing is said, and the replay does not care about.
                graphs = tables.setdefault("generator.service_graphs", {})
                if "service-graphs" in json.dumps([case["processors"], case.get("tenants", {})]):
                    graphs.setdefault("max_items", 10000)
                self.assertEqual(self.print_config(converted.stdout),
                                 self.print_config(harness.to_toml(tables)))
                compared += 1
        self.assertGreaterEqual(compared, 90)


if __name__ == "__main__":
    unittest.main()
