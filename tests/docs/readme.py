"""Takes the README apart for the tests: blocks of code, commands, sections, links."""

import os
import pathlib
import re
import textwrap

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
README = TREE / "README.md"


class Block:
    """A fenced block of code. Blocks in lists are indented, which is taken away."""

    def __init__(self, language, text, line):
        self.language = language
        self.text = text
        self.line = line  # where the text begins, counted from 1

    def __repr__(self):
        return f"README.md:{self.line}"


def text():
    return README.read_text(encoding="utf-8")


def blocks(language=None):
    """All blocks, or those of a language."""
    found = []
    pattern = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(text()):
        line = text()[: match.start(3)].count("\n") + 1
        found.append(Block(match.group(2), textwrap.dedent(match.group(3)), line))
    return [block for block in found if language in (None, block.language)]


def prose():
    """The README without blocks of code."""
    return re.sub(r"^( *)```\w*\n.*?^\1```$", "", text(), flags=re.MULTILINE | re.DOTALL)


def commands():
    """The commands of the blocks of shell, without remarks."""
    lines = []
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#.*$", "", line).strip()
            if command and not command.startswith("#"):
                lines.append(command)
    return lines


def manual_commands():
    """The commands among the examples of spanmeter(8)."""
    page = (TREE / "packaging" / "man" / "spanmeter.8").read_text(encoding="utf-8")
    examples = re.search(r"^\.Sh EXAMPLES$(.*?)^\.Sh ", page, re.DOTALL | re.MULTILINE).group(1)
    blocks_of_lines = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed$", examples, re.DOTALL | re.MULTILINE)
    return [line for block in blocks_of_lines for line in block.splitlines()]


def queries():
    """The queries of the blocks of PromQL; an empty line separates them."""
    return [(block, " ".join(query.split()))
            for block in blocks("promql")
            for query in re.split(r"\n\s*\n", block.text) if query.strip()]


def headings(level=None):
    """The headings of a level ("##"), or of all."""
    found = re.findall(r"^(#+) (.*)$", prose(), re.MULTILINE)
    return [title for marks, title in found if level in (None, marks)]


def anchor(title):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def section(title):
    """The text of a section ("## title") without blocks of code."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", prose(), re.MULTILINE | re.DOTALL)
    return match.group(1)


def metric_rows():
    """{name: (type, rest of the row)} of all tables of metrics."""
    return {name: (kind, rest) for name, kind, rest in re.findall(
        r"^\| `((?:traces|spanmeter|process)_\w+)` \| (counter|gauge|histogram) \|(.*)\|$", text(),
        re.MULTILINE)}
