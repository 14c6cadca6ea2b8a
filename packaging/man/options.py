"""Finds out from the program itself which options its configuration has.

`spanmeter --check-config` names, for an unknown key, the keys that there are, and for a value that
cannot be, what could be there. So its own messages tell every key, type, range and choice, and
nothing has to be written down a second time.
"""

import pathlib
import re
import subprocess
import tempfile

# No option is called or has a value like this, and none is a date.
UNKNOWN = "zzzqqq"
NO_TYPE = "1979-05-27"

# A value beyond each range, by type.
BEYOND = {
    "integer": "-1",
    "number": "-1.0",
    "size": '"200000TiB"',
    "duration": '"36501d"',
    "string": f'"{UNKNOWN}"',
}

# What the program calls the types, and how the manual does.
TYPES = {
    "a boolean": "boolean",
    "a string": "string",
    "a string or a table": "string or table",
    "an integer": "integer",
    "a number": "number",
    "a size in a string": "size",
    "a duration in a string": "duration",
    "a list": "list",
    "a table": "table",
}


class Option:
    """One option. `path` has dots between tables, and [] behind a list of tables."""

    def __init__(self, path, kind, limits="", required=False):
        self.path = path
        self.kind = kind  # boolean, ..., or "list of strings", "list of tables", "table of strings"
        self.limits = limits  # "0 to 10", "at least 1", '"a" or "b"', or nothing
        self.required = required

    @property
    def name(self):
        return self.path.rpartition(".")[2].removesuffix("[]")

    @property
    def table(self):
        return self.path.rpartition(".")[0]


def _assignment(path, value):
    """The line of TOML that sets `path`, and what it is in."""
    first, *others = path.split(".")
    text = value if not others else "{" + _assignment(".".join(others), value) + "}"
    if first.endswith("[]"):
        return f"{first[:-2]} = [{text}]"
    return f"{first} = {text}"


class Program:
    """Asks a spanmeter about configurations."""

    def __init__(self, binary):
        self._binary = str(binary)

    def problems(self, text):
        """What --check-config says of a configuration, a message each."""
        return self._run(text, "--check-config").stderr.splitlines()

    def printed(self, text=""):
        """What --print-config makes of a configuration that is valid."""
        result = self._run(text, "--print-config")
        if result.returncode != 0:
            raise ValueError(f"this is no configuration:\n{text}\n{result.stderr}")
        return result.stdout

    def _run(self, text, flag):
        with tempfile.TemporaryDirectory(prefix="spanmeter-options-") as directory:
            file = pathlib.Path(directory, "f")
            file.write_text(text, encoding="utf-8")
            return subprocess.run([self._binary, f"--config.file={file}", flag], text=True, timeout=60,
                                  capture_output=True, check=False)

    def _message(self, path, value, pattern):
        """The first match of `pattern` in what is said of this value at this place."""
        for problem in self.problems(_assignment(path, value) + "\n"):
            match = re.search(pattern, problem)
            if match:
                return match
        return None

    def _names_in(self, table):
        """The keys that a table may have, and those that it must; None when it may have any."""
        inside = f"{table}.{UNKNOWN}" if table else UNKNOWN
        names, required = None, set()
        for problem in self.problems(_assignment(inside, "1") + "\n"):
            match = re.search(rf"unknown key .*{UNKNOWN}: known here (?:are|is) (.*)$", problem)
            if match:
                names = re.split(r", | and ", match.group(1))
            match = re.search(r" has no (\w+): add it$", problem)
            if match:
                required.add(match.group(1))
        return names, required

    def _type_of(self, path, value):
        index = r"\[0\]" if value.startswith("[") else ""
        name = re.escape(path.rpartition(".")[2]) + index
        match = self._message(path, value, rf"{name} must be (.*?), (?:like .*, )?but is a")
        return match and match.group(1)

    def _limits_of(self, path, kind):
        if kind not in BEYOND:
            return ""
        pattern = r"is out of range: (.*)$" if kind != "string" else r"is unknown: it must be (.*)$"
        match = self._message(path, BEYOND[kind], pattern)
        return match.group(1) if match else ""

    def _in_table(self, table):
        names, required = self._names_in(table)
        for name in names:
            yield from self._at(f"{table}.{name}" if table else name, name in required)

    def _at(self, path, required):
        said = self._type_of(path, NO_TYPE)
        kind = TYPES.get(said, said)
        if kind is None:
            raise ValueError(f"the program does not say what {path} is")
        if kind == "list":
            element = self._type_of(path, f"[{NO_TYPE}]")
            if element == "a table":
                yield Option(path + "[]", "list of tables", required=required)
                yield from self._in_table(path + "[]")
            else:
                elements = TYPES[element].replace(" or ", "s or ") + "s"
                yield Option(path, f"list of {elements}", required=required)
        elif kind == "table":
            if self._names_in(path)[0] is None:
                yield Option(path, "table of strings", required=required)
            else:
                yield from self._in_table(path)
        else:
            yield Option(path, kind, self._limits_of(path, kind), required)

    def refuses(self, path, value):
        """What the program says against a value of TOML at a place, apart from what else is missing."""
        name = path.rpartition(".")[2].removesuffix("[]")
        if path.endswith("[]"):
            path = path.removesuffix("[]")
        pattern = rf"\b{re.escape(name)}(\[\d+\])? (must|=|is|has)\b.*"
        match = self._message(path, value, pattern)
        return match and match.group(0)

    def options(self):
        """All options, in the program's order."""
        return list(self._in_table(""))
