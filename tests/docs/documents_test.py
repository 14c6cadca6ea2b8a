"""Holds all documents to the tree: targets, files and the changelog's layout. What the README shows is
tested by readme_test.py, commands_test.py and queries_test.py."""

import os
import pathlib
import re
import unittest

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "src/*.md", "tests/*.md", "tests/*/*.md", "packaging/*.md")
    for path in TREE.glob(pattern)
)

# Spelled so that this file does not contain them.
FORBIDDEN = [
    ("an unfinished place", re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")),
    ("a path of somebody's machine", re.compile(r"(?<![\w.])/(?:ho" + r"me|ro" + r"ot|wo" + r"rk)/\w")),
]
TEXT_SUFFIXES = {
    "", ".c", ".cc", ".cmake", ".h", ".json", ".js", ".md", ".mjs", ".proto", ".py", ".sh", ".toml",
    ".txt", ".yml", ".html", ".css",
}  # fmt: skip
NOT_OURS = {".git", "build", "node_modules", "__pycache__", "cases"}


def code_blocks(document, language):
    """Returns the fenced blocks of a language in a document."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class CommandsTest(unittest.TestCase):
    def test_each_make_target_in_the_documents_exists(self):
        makefile = (TREE / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
        mentioned = set()
        for document in DOCUMENTS:
            text = document.read_text(encoding="utf-8")
            mentioned.update(re.findall(r"`make ([a-z-]+)", text))
            for block in code_blocks(document, "sh"):
                mentioned.update(re.findall(r"^make ([a-z-]+)", block, re.MULTILINE))
        self.assertLessEqual({"run", "test", "demo"}, mentioned)
        self.assertEqual(mentioned - targets, set())

    def test_each_preset_in_the_documents_exists(self):
        presets = set(
            re.findall(r'"name": "(\w+)"', (TREE / "CMakePresets.json").read_text(encoding="utf-8"))
        )
        for document in DOCUMENTS:
            used = re.findall(r"--preset (\w+)", document.read_text(encoding="utf-8"))
            self.assertEqual(set(used) - presets, set(), document)

    def test_each_file_named_in_the_documents_exists(self):
        for document in DOCUMENTS:
            text = document.read_text(encoding="utf-8")
            links = re.findall(r"\]\(([^)#:]+)\)", text)
            for link in links:
                with self.subTest(document=document.name, link=link):
                    self.assertTrue((document.parent / link).exists())
            # Paths in back quotes begin at the top of the tree.
            for path in re.findall(r"`((?:src|include|tests|etc|packaging|proto|\.ci)/[\w./-]*)`", text):
                with self.subTest(document=document.name, path=path):
                    if "MODULE" not in path and "node_modules" not in path:
                        self.assertTrue((TREE / path).exists())


class ChangelogTest(unittest.TestCase):
    KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

    def setUp(self):
        self.lines = (TREE / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()

    def test_begins_with_unreleased_and_versions_descend(self):
        sections = [line[3:] for line in self.lines if line.startswith("## ")]
        self.assertEqual(sections[0], "[Unreleased]")
        versions = []
        for section in sections[1:]:
            match = re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d{2}-\d{2}", section)
            self.assertIsNotNone(match, section)
            versions.append(tuple(int(part) for part in match.groups()))
        self.assertEqual(versions, sorted(set(versions), reverse=True))

    def test_entries_stand_under_known_kinds(self):
        kind = None
        for line in self.lines:
            if line.startswith("## "):
                kind = None
            elif line.startswith("### "):
                kind = line[4:]
                self.assertIn(kind, self.KINDS)
            elif line.startswith("- "):
                self.assertIsNotNone(kind, line)


class WordsTest(unittest.TestCase):
    def test_no_file_holds_unfinished_places_or_paths_of_a_machine(self):
        found = []
        for directory, names, files in os.walk(TREE):
            names[:] = [name for name in names if name not in NOT_OURS]
            for name in files:
                path = pathlib.Path(directory, name)
                if path.suffix not in TEXT_SUFFIXES or name in NOT_OURS:
                    continue
                text = path.read_text(encoding="utf-8", errors="replace")
                for number, line in enumerate(text.splitlines(), start=1):
                    for what, pattern in FORBIDDEN:
                        if pattern.search(line):
                            found.append(f"{path.relative_to(TREE)}:{number}: {what}: {line.strip()}")
        self.assertEqual("\n".join(found), "")


if __name__ == "__main__":
    unittest.main()
