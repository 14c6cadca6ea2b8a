"""The real `spanmeter convert`, case by case.

A directory in cases/ holds tempo.yaml, maybe overrides.yaml, and what must come of them:
expected.toml (missing: nothing on standard output), expected.stderr (the remarks, which end the TOML
as well, then the errors, from a line "-- errors --" on; with errors the command exits with 1) and
expected.options: lines that --print-config must show for the result, [tables] above them.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

BINARY = os.environ["SPANMETER"]
HERE = pathlib.Path(__file__).resolve().parent
CASES = sorted(path for path in (HERE / "cases").iterdir() if path.is_dir())
DEADLINE_SECONDS = 30
ERRORS = "-- errors --\n"
REMARKS = "\n# What has no equivalent, and what to know:\n"


def run(*arguments, **options):
    return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=DEADLINE_SECONDS, check=False, **options)


def read(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


def expected_streams(case):
    """What has to be on standard output and error, and the exit status."""
    remarks, _, errors = read(case / "expected.stderr").partition(ERRORS)
    output = read(case / "expected.toml")
    if remarks:
        output += REMARKS + "".join(f"#   {line}\n" for line in remarks.splitlines())
    return output, remarks + errors, 1 if errors else 0


def options_by_table(text):
    """{table: {line, ...}}; tables of lists are numbered."""
    tables, table, receivers = {}, "", 0
    for line in text.splitlines():
        header = re.fullmatch(r"\[+([^\]]+)\]+", line)
        if line == "[[remote_write]]":
            receivers += 1
        if header:
            table = header.group(1)
            if table.startswith("remote_write"):
                table = f"{receivers} {table}"
        elif line:
            tables.setdefault(table, set()).add(line)
    return tables


class CasesTest(unittest.TestCase):

    def convert(self, case):
        files = [name for name in ("tempo.yaml", "overrides.yaml") if (case / name).exists()]
        return run("convert", *files, cwd=case)

    def test_there_are_cases(self):
        self.assertGreaterEqual(len(CASES), 10)

    def test_each_case_says_exactly_what_is_expected(self):
        self.maxDiff = None
        for case in CASES:
            with self.subTest(case.name):
                result = self.convert(case)
                output, errors, status = expected_streams(case)
                self.assertEqual(result.stdout, output)
                self.assertEqual(result.stderr, errors)
                self.assertEqual(result.returncode, status)

    def test_each_result_is_valid_and_has_the_expected_effect(self):
        checked = 0
        for case in CASES:
            expected = read(case / "expected.options")
            if not expected:
                continue
            with self.subTest(case.name), tempfile.TemporaryDirectory() as directory:
                path = pathlib.Path(directory) / "spanmeter.toml"
                # The files that it names are not there: another one is.
                secret = pathlib.Path(directory) / "secret"
                secret.write_text("a-token-for-this-test", encoding="utf-8")
                text = re.sub(r'(_file = )"[^"]*"', rf'\1"{secret}"', self.convert(case).stdout)
                path.write_text(text, encoding="utf-8")
                environment = dict(os.environ, HOST="0.0.0.0", HTTP_PORT="9000", WAIT="5s",
                                   DIMENSION="a", REGION="west", URL="http://localhost/write",
                                   USER="me", PASSWORD="x", KEY="y", HOSTNAME="host-1")
                check = run(f"--config.file={path}", "--check-config", env=environment)
                self.assertEqual((check.returncode, check.stderr), (0, ""))
                printed = run(f"--config.file={path}", "--print-config", env=environment)
                tables = options_by_table(printed.stdout)
                for table, lines in options_by_table(expected).items():
                    self.assertLessEqual(lines, tables.get(table, set()), table)
                checked += 1
        self.assertGreaterEqual(checked, 6)


class CommandTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def test_wrong_usage_exits_with_2_and_says_what_is_right(self):
        for arguments in ([], ["a", "b", "c"], ["--tables"], ["--table", "a"]):
            result = run("convert", *arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn("spanmeter convert TEMPO.YAML [OVERRIDES.YAML]", result.stderr)

    def test_help_and_table_go_to_standard_output(self):
        self.assertIn("Usage: spanmeter convert TEMPO.YAML", run("convert", "--help").stdout)
        table = run("convert", "--table")
        self.assertEqual((table.returncode, table.stderr), (0, ""))
        self.assertTrue(table.stdout.startswith("| Tempo | spanmeter | remarks |\n|---|---|---|\n"))

    def test_a_file_that_cannot_be_read_exits_with_1(self):
        result = run("convert", str(self.directory), str(self.directory / "missing.yaml"))
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr, f"{self.directory}: cannot read the file: Is a directory\n"
                         f"{self.directory}/missing.yaml: cannot read the file: "
                         "No such file or directory\n")

    def test_tempos_configuration_given_as_spanmeters_leads_to_the_command(self):
        path = self.directory / "config"
        path.write_text("metrics_generator:\n  registry: {}\n", encoding="utf-8")
        result = run(f"--config.file={path}", "--check-config")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("cannot parse as TOML", result.stderr)
        self.assertTrue(result.stderr.endswith(
            f"{path}: this looks like Tempo's configuration: spanmeter convert {path} prints what "
            "it is for spanmeter\n"), result.stderr)

    def test_a_mistake_in_toml_does_not_lead_to_the_command(self):
        path = self.directory / "spanmeter.toml"
        path.write_text("[generator]\nstale_duration = 5\n", encoding="utf-8")
        self.assertNotIn("convert", run(f"--config.file={path}", "--check-config").stderr)


if __name__ == "__main__":
    unittest.main()
