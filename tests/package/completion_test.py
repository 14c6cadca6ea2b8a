"""Completion in a real bash: what is offered after what has been typed."""

import os
import pathlib
import subprocess
import tempfile
import unittest

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
COMPLETION = TREE / "packaging" / "completion" / "spanmeter"
SPANMETER = os.environ["SPANMETER"]

# Calls the function as bash does, with the words of the line as its arguments.
DRIVER = """
compopt() { :; }  # it only works while bash itself completes
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_spanmeter
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, directory=None, program=SPANMETER):
    """What is offered for the last of the words, which are split as bash splits them."""
    done = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", str(COMPLETION), program, *words],
                          cwd=directory, capture_output=True, text=True, check=True)
    if done.stderr:
        raise AssertionError(done.stderr)
    return set(done.stdout.split("\n")) - {""}


def flags_of_help():
    """The flags that --help shows, those with a value ending in "=". Read without the shell."""
    text = subprocess.run([SPANMETER, "--help"], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in text.splitlines():
        words = line.split()
        if words and words[0].startswith("--"):
            name, has_value, _ = words[0].partition("=")
            found.add(name + has_value)
    return found


class CompletionTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "spanmeter.toml").touch()
        (self.directory / "state").mkdir()

    def test_all_flags_of_help_are_offered_and_no_others(self):
        self.assertEqual(complete("-"), flags_of_help())
        self.assertLessEqual({"--config.file=", "--storage.path=", "--check-config",
                              "--print-config", "--version", "--help"}, complete("--"))

    def test_a_flag_that_was_begun_is_finished(self):
        self.assertEqual(complete("--conf"), {"--config.file="})
        self.assertEqual(complete("--version", "--check"), {"--check-config"})

    def test_a_configuration_is_a_file(self):
        for words in (["--config.file", "spanm"], ["--config.file", "=", "spanm"]):
            self.assertEqual(complete(*words, directory=self.directory), {"spanmeter.toml"})
        self.assertEqual(complete("--config.file", "=", directory=self.directory),
                         {"spanmeter.toml", "state"})

    def test_a_storage_is_a_directory(self):
        for words in (["--storage.path", ""], ["--storage.path", "="],
                      ["--storage.path", "=", "st"]):
            self.assertEqual(complete(*words, directory=self.directory), {"state"})

    def test_commands_of_help_are_offered_in_the_first_place(self):
        text = subprocess.run([SPANMETER, "--help"], capture_output=True, text=True,
                              check=True).stdout
        lines = text.splitlines()
        usage = lines[[line.startswith("Usage:") for line in lines].index(True):]
        usage = usage[:usage.index("")]
        words = [line.removeprefix("Usage:").split()[1] for line in usage]
        self.assertEqual(complete(""), {word for word in words if word.isalpha()})

    def test_a_command_and_its_file_are_completed(self):
        program = self.directory / "program"
        program.write_text("#!/bin/sh\n"
                           "echo 'spanmeter receives spans'\n"
                           "echo\n"
                           "echo 'Usage: spanmeter [flags]'\n"
                           "echo '       spanmeter convert FILE'\n"
                           "echo\n"
                           "echo 'spanmeter convert prints TOML'\n", encoding="utf-8")
        program.chmod(0o755)
        self.assertEqual(complete("", program=str(program)), {"convert"})
        self.assertEqual(complete("convert", "spanm", directory=self.directory,
                                  program=str(program)), {"spanmeter.toml"})

    def test_a_program_that_cannot_run_offers_nothing(self):
        self.assertEqual(complete("--", program="/nonexistent/spanmeter"), set())


if __name__ == "__main__":
    unittest.main()
