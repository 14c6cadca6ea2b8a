"""Holds the manual pages to the program: flags, options, and that they are well formed."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
MAN = TREE / "packaging" / "man"
BINARY = os.environ["SPANMETER"]
PAGES = sorted(MAN.glob("*.[0-9]"))

sys.path.insert(0, str(MAN))

import make_toml_page  # noqa: E402  pylint: disable=wrong-import-position
import options  # noqa: E402  pylint: disable=wrong-import-position


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def shown(page):
    """A page as somebody reads it, without bold and underlined letters."""
    text = run("mandoc", "-Tutf8", "-O", "width=1000", str(MAN / page)).stdout
    return re.sub(r".\x08", "", text)


def section(page, title):
    match = re.search(rf"^{title}\n(.*?)(?=^\S)", shown(page), re.MULTILINE | re.DOTALL)
    return match.group(1)


class FormTest(unittest.TestCase):
    def test_both_pages_are_there(self):
        self.assertEqual([page.name for page in PAGES], ["spanmeter.8", "spanmeter.toml.5"])

    def test_mandoc_finds_nothing_wrong(self):
        for page in PAGES:
            result = run("mandoc", "-Tlint", "-Wwarning", str(page))
            self.assertEqual((result.stdout + result.stderr, result.returncode), ("", 0))


class ProgramPageTest(unittest.TestCase):
    """spanmeter(8) against spanmeter --help."""

    def setUp(self):
        self.help = run(BINARY, "--help").stdout

    def test_flags_are_those_of_the_program(self):
        # As they are written, with the name of their value.
        pattern = r"(--[a-z][a-z.-]+(?:=[A-Z]+)?)"
        of_help = set(re.findall(rf"^  {pattern}", self.help, re.MULTILINE))
        listed = set(re.findall(rf"^     {pattern}", section("spanmeter.8", "DESCRIPTION"), re.MULTILINE))
        self.assertGreaterEqual(len(of_help), 6)
        self.assertEqual(listed, of_help)

    def test_the_synopsis_has_every_flag_and_no_other(self):
        pattern = r"--[a-z][a-z.-]+"
        of_help = set(re.findall(rf"^  ({pattern})", self.help, re.MULTILINE))
        # This one belongs to a command.
        synopsis = set(re.findall(pattern, section("spanmeter.8", "SYNOPSIS"))) - {"--table"}
        self.assertEqual(synopsis, of_help)

    def test_exit_statuses_are_those_of_the_program(self):
        listed = re.findall(r"^     (\d)\s", section("spanmeter.8", "EXIT STATUS"), re.MULTILINE)
        # 3 is for tests/adversity/faults_test.py.
        self.assertEqual(listed, ["0", "1", "2", "3"])
        self.assertEqual(run(BINARY, "--version").returncode, 0)
        self.assertEqual(run(BINARY, "--config.file=/nonexistent").returncode, 1)
        self.assertEqual(run(BINARY, "--nonexistent").returncode, 2)
        self.assertEqual(set(re.findall(r"\b(\d) (?:after|when|for)", self.help)), {"0", "1", "2", "3"})

    def test_signals_are_those_of_the_program(self):
        listed = set(re.findall(r"SIG[A-Z]+", section("spanmeter.8", "SIGNALS")))
        self.assertEqual(listed, set(re.findall(r"SIG[A-Z]+", self.help)))

    def test_the_default_of_the_configuration_is_that_of_the_program(self):
        path = re.search(r"configuration \(default (\S+)\)", self.help).group(1)
        self.assertIn(path, section("spanmeter.8", "FILES"))
        self.assertIn(path, section("spanmeter.toml.5", "FILES"))


class ConfigurationPageTest(unittest.TestCase):
    """spanmeter.toml(5) against the program's messages and --print-config."""

    @classmethod
    def setUpClass(cls):
        cls.program = options.Program(BINARY)
        cls.options = cls.program.options()
        cls.page = shown("spanmeter.toml.5")

    def test_the_page_is_what_its_maker_makes(self):
        made = make_toml_page.page(self.program, self.options)
        self.assertEqual((MAN / "spanmeter.toml.5").read_text(encoding="utf-8"), made,
                         "run packaging/man/make_toml_page.py, as it says")

    def tables(self):
        """{table: {key: rest of its heading}} as the page shows them."""
        tables, table = {}, None
        for line in section("spanmeter.toml.5", "OPTIONS").splitlines():
            if match := re.match(r"   \[+([\w.]+)\]+$", line):
                table = tables.setdefault(match.group(1), {})
            elif match := re.match(r"     (\w+)(?: = (.*))?$|     (\w+)  +\S", line):
                table[match.group(1) or match.group(3)] = match.group(2)
        return tables

    def test_every_option_stands_in_its_table_and_none_is_invented(self):
        expected = {}
        for option in self.options:
            path = re.sub(r"^(remote_write|forward)\[\]", r"\1", option.path)
            table, _, name = path.partition("[]")[0].rpartition(".")
            if path == "generator.external_labels":
                expected.setdefault(path, set())  # a table of its own
            elif re.fullmatch(r"remote_write\.(basic_auth|authorization|oauth2)", table):
                expected["remote_write"].add(table.split(".")[1])
            elif name not in ("remote_write", "forward"):
                expected.setdefault(table, set()).add(name)
        found = {table: set(keys) for table, keys in self.tables().items()}
        self.assertGreater(len(found), 10)
        self.assertEqual(found, expected)

    def test_every_default_is_the_programs(self):
        printed, table = {}, ""
        for line in self.program.printed().splitlines():
            if match := re.fullmatch(r"\[([\w.]+)\]", line):
                table = match.group(1)
            elif match := re.fullmatch(r"(\w+) = (.*)", line):
                printed[f"{table}.{match.group(1)}"] = match.group(2)
        printed.pop("generator.external_labels")
        self.assertGreater(len(printed), 60)
        shown_defaults = {f"{table}.{key}": default for table, keys in self.tables().items()
                          for key, default in keys.items() if not table.startswith(("remote_write", "forward"))}
        self.assertEqual(shown_defaults, printed)

    def test_every_type_and_range_is_the_programs(self):
        # The words of the page, written down once more.
        samples = {
            "otlp.grpc.max_in_flight": "A size from 1KiB to 1TiB.",
            "generator.stale_duration": "A duration from 1s to 30d.",
            "generator.max_active_series": "An integer from 0 to 1000000000.",
            "generator.native_histogram_bucket_factor": "A number of at least 1.002.",
            "http.tls.min_version": 'One of "TLS12" or "TLS13".',
            "storage.path": "A string.",
            "tenancy.enabled": "True or false.",
            "generator.processors": "A list of strings.",
        }
        for path, words in samples.items():
            table, _, name = path.rpartition(".")
            with self.subTest(path=path):
                part = self.page[self.page.index(f"   [{table}]\n"):]
                self.assertRegex(part, rf"\n     {name} = .*\n +{re.escape(words)}")


if __name__ == "__main__":
    unittest.main()
