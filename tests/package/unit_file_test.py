"""The systemd unit as a file: how far it locks the service in, and whether its times fit."""

import os
import pathlib
import re
import subprocess
import unittest

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
UNIT = TREE / "packaging" / "systemd" / "spanmeter.service"
# The highest exposure that is accepted, of 10.
MOST_EXPOSURE = 1.5


def security():
    """What systemd-analyze says: (exposure, {switch that is not on: its share})."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"}, capture_output=True,
        text=True, check=False)
    exposure = re.search(r"Overall exposure level for spanmeter\.service: (\S+)", done.stdout)
    if not exposure:
        raise AssertionError(done.stdout + done.stderr)
    off = {}
    for line in done.stdout.splitlines():
        match = re.match(r"✗ (\S+) .* (\d\.\d)\s*$", line)
        if match:
            off[match.group(1)] = float(match.group(2))
    return float(exposure.group(1)), off


def setting(name):
    """The only value of a setting of the unit."""
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    return value


def seconds(name):
    match = re.fullmatch(r"(\d+)s", setting(name))
    return int(match.group(1))


def seconds_in_source(file, constant):
    """The value of `constexpr int64_t NAME = N * kNanosPerSecond;` (or Milli) in seconds."""
    text = (TREE / file).read_text(encoding="utf-8")
    match = re.search(rf"constexpr int64_t {constant} = (\d+) \* kNanosPer(Second|Milli);", text)
    return int(match.group(1)) / {"Second": 1, "Milli": 1000}[match.group(2)]


class ExposureTest(unittest.TestCase):
    def test_the_service_is_locked_in(self):
        exposure, _ = security()
        self.assertLessEqual(exposure, MOST_EXPOSURE)

    def test_the_document_explains_exactly_the_switches_that_are_not_on(self):
        _, off = security()
        text = (TREE / "packaging" / "README.md").read_text(encoding="utf-8")
        explained = {name.replace("\\|", "|"): float(share) for name, share in re.findall(
            r"^\| `([^`]+)` \| (\d\.\d) \|", text, re.MULTILINE)}
        self.assertEqual(explained, off)


class TimesTest(unittest.TestCase):
    def test_systemd_waits_for_all_that_a_stop_may_take(self):
        requests = seconds_in_source("src/app/app.cc", "kStopGraceNanos")
        pushes = seconds_in_source("src/app/app.cc", "kFlushNanos")
        # As much again for what has no limit of its own: closing ports, writing files.
        self.assertGreaterEqual(seconds("TimeoutStopSec"), 2 * (requests + pushes))

    def test_the_watchdog_outlasts_many_rounds_of_the_main_loop(self):
        round_seconds = seconds_in_source("src/generator/tenants.cc",
                                          "kMaxMaintenanceIntervalNanos")
        self.assertGreaterEqual(seconds("WatchdogSec"), 10 * round_seconds)


class ConsistencyTest(unittest.TestCase):
    def test_each_command_reads_the_packaged_configuration(self):
        text = UNIT.read_text(encoding="utf-8")
        commands = re.findall(r"^Exec.*(/usr/bin/spanmeter .*)$", text, re.MULTILINE)
        self.assertEqual(len(commands), 2)
        for command in commands:
            self.assertIn(" --config.file=/etc/spanmeter/spanmeter.toml", command)
            # The file alone says where the state is.
            self.assertNotIn("--storage.path", command)

    def test_the_state_directory_is_that_of_sysusers_tmpfiles_and_configuration(self):
        self.assertEqual(setting("StateDirectory"), "spanmeter")
        self.assertEqual(setting("StateDirectoryMode"), "0750")
        sysusers = (UNIT.parent / "spanmeter.sysusers").read_text(encoding="utf-8")
        self.assertRegex(sysusers, r'(?m)^u spanmeter - ".*" /var/lib/spanmeter$')
        tmpfiles = (UNIT.parent / "spanmeter.tmpfiles").read_text(encoding="utf-8")
        self.assertRegex(tmpfiles, r"(?m)^d /var/lib/spanmeter 0750 spanmeter spanmeter -$")
        config = (TREE / "packaging" / "packaged_config.cmake").read_text(encoding="utf-8")
        self.assertIn('\\"/var/lib/spanmeter\\"', config)


if __name__ == "__main__":
    unittest.main()
