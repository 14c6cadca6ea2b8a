"""The configuration that packages install: that of the tree, but for where the state is."""

import os
import pathlib
import subprocess
import tempfile
import unittest

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
SCRIPT = TREE / "packaging" / "packaged_config.cmake"


def package(source, output):
    return subprocess.run(["cmake", f"-DINPUT={source}", f"-DOUTPUT={output}", "-P", str(SCRIPT)],
                          capture_output=True, text=True, check=False)


def in_effect(file):
    return subprocess.run([os.environ["SPANMETER"], f"--config.file={file}", "--print-config"],
                          capture_output=True, text=True, check=True).stdout.splitlines()


class PackagedConfigTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.output = self.directory / "spanmeter.toml"

    def test_it_differs_in_the_path_of_the_storage_only(self):
        done = package(TREE / "etc" / "spanmeter.toml", self.output)
        self.assertEqual(done.returncode, 0, done.stderr)
        before = in_effect(TREE / "etc" / "spanmeter.toml")
        after = in_effect(self.output)
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        self.assertEqual(len(changed), 1, changed)
        old, new = changed[0]
        self.assertRegex(old, r"""^path = (""|'')$""")
        self.assertRegex(new, r"""^path = ["']/var/lib/spanmeter["']$""")

    def test_it_does_not_claim_that_all_values_are_defaults(self):
        package(TREE / "etc" / "spanmeter.toml", self.output)
        text = self.output.read_text(encoding="utf-8")
        self.assertNotIn("an empty file means the same", text)
        self.assertIn("except for storage.path", text)

    def test_a_file_without_the_line_is_refused(self):
        source = self.directory / "other.toml"
        source.write_text("[storage]\n", encoding="utf-8")
        done = package(source, self.output)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot make the packages' configuration", done.stderr.replace("\n  ", " "))
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    unittest.main()
