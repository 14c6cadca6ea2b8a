"""Checks the structure of the source tree: which module includes what, and how long files are.

    python3 layering.py TREE

prints one line per violation and exits 1 when there are any. src/ARCHITECTURE.md explains the
order of the modules; the tables below are that order in a form that can be checked.
"""

import pathlib
import re
import sys

# What each module may include headers of, besides its own.
ALLOWED = {
    "base": set(),
    "http_client": {"base"},
    "queue": {"base"},
    "registry": {"base"},
    "processors": {"base", "registry"},
    "generator": {"base", "registry", "processors"},
    "otlp": {"base", "registry", "processors", "generator"},
    "forward": {"base", "processors", "otlp", "http_client", "queue"},
    "exposition": {"base", "registry"},
    "http": {"base", "registry", "exposition"},
    "remote_write": {"base", "registry", "http_client", "queue"},
    "config": {"base", "registry", "processors"},
    "convert": {"base", "config"},
    "admin": {
        "base",
        "registry",
        "processors",
        "generator",
        "exposition",
        "forward",
        "remote_write",
        "config",
    },
    "app": {
        "base",
        "registry",
        "processors",
        "generator",
        "otlp",
        "forward",
        "exposition",
        "http",
        "remote_write",
        "config",
        "convert",
        "admin",
    },
}

# A public header belongs to the module that has a source file of the same name. These have none:
# all is in the header, or the module's other files implement it.
HOMES = {
    "api_reply": "base",
    "client_options": "base",
    "family_appender": "base",
    "key_hash": "registry",
    "mutex": "base",
    "options": "base",
    "relabel_options": "base",
    "remote_write_options": "base",
    "trace_id": "base",
    "two_generation_map": "base",
    "wire_reader": "base",
    "wire_writer": "base",
    "block": "queue",
    "drop_reason": "queue",
    "send_thread": "queue",
    "filter_options": "base",
    "forward_options": "base",
    "http_client": "http_client",
    "request_tee": "otlp",
    "label_reader": "registry",
    "sample_sink": "registry",
    "any_value": "processors",
    "processor": "processors",
    "span_view": "processors",
    "exposition": "exposition",
    "http_server": "http",
}

# Libraries that only some modules may include, by a pattern for the path of their headers. What is
# not listed may be included anywhere.
LIBRARIES = [
    ("gRPC", re.compile(r"grpc(pp|\+\+)?/|.*\.grpc\.pb\.h$"), {"otlp", "forward"}),
    ("libprotobuf", re.compile(r"google/protobuf/|.*\.pb\.h$"), {"otlp"}),
    ("Boost", re.compile(r"boost/"), {"otlp"}),
    ("RapidJSON", re.compile(r"rapidjson/"), {"otlp"}),
    ("CivetWeb", re.compile(r"civetweb\.h$|CivetServer\.h$"), {"http"}),
    ("libcurl", re.compile(r"curl/"), {"http_client"}),
    ("SQLite", re.compile(r"sqlite3\.h$"), {"queue"}),
    ("snappy", re.compile(r"snappy"), {"remote_write"}),
    ("libsystemd", re.compile(r"systemd/"), {"app"}),
    ("toml++", re.compile(r"toml\+\+/|toml\.hpp?$"), {"config"}),
    ("yaml-cpp", re.compile(r"yaml-cpp/"), {"convert"}),
    # Its types would put a lock and an allocation behind every update.
    (
        "prometheus-cpp",
        re.compile(r"prometheus/"),
        {
            "base",
            "generator",
            "otlp",
            "forward",
            "exposition",
            "http",
            "remote_write",
            "app",
        },
    ),
]

CODE_SUFFIXES = {".cc", ".h", ".py", ".js", ".mjs", ".sh", ".proto"}
MAX_LINES = 600
MAX_TEST_LINES = 800

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
MODULE_CALL = re.compile(r"spanmeter_module\(\s*(\w+)([^)]*)\)")


def code_files(tree, *roots):
    """Yields the files with code below the given directories of the tree, sorted."""
    for root in roots:
        for path in sorted((tree / root).rglob("*")):
            if path.suffix in CODE_SUFFIXES and "node_modules" not in path.parts:
                yield path


def header_owners(tree):
    """Returns a dict from the stem of each public header to its module, and the problems."""
    owners = {}
    problems = []
    for header in sorted((tree / "include" / "spanmeter").glob("*.h")):
        stem = header.stem
        homes = [module for module in ALLOWED if (tree / "src" / module / f"{stem}.cc").exists()]
        if stem in HOMES and not homes:
            homes = [HOMES[stem]]
        name = header.relative_to(tree)
        if not homes:
            problems.append(
                f"{name}: belongs to no module: there is no src/<module>/{stem}.cc, and HOMES in"
                " tests/layering/layering.py does not name it"
            )
            continue
        if len(homes) > 1:
            problems.append(f"{name}: belongs to several modules: {', '.join(homes)}")
        owners[stem] = homes[0]
    return owners, problems


def includes(path):
    """Yields (line number, '"' or '<', included path) of each include of a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def check_include(module, quote, target, owners):
    """Returns what is wrong when `module` includes `target`, or None."""
    for library, pattern, homes in LIBRARIES:
        if pattern.match(target):
            if module in homes:
                return None
            return f"{library} may only be used in {', '.join(sorted(homes))}"
    if target.startswith("spanmeter/"):
        stem = target[len("spanmeter/") :].removesuffix(".h")
        if quote == "<":
            return "headers of the project are included in quotes"
        owner = owners.get(stem)
        if owner is None:
            return "there is no such public header"
        if owner != module and owner not in ALLOWED[module]:
            return f"the module {module} may not use the module {owner}"
        return None
    if quote == "<":
        return None
    if ".." in target.split("/"):
        return "paths of includes begin at include/ or src/"
    owner = target.split("/")[0]
    if owner in ALLOWED and owner != module:
        return f"this header is private to the module {owner}"
    return None


def check_includes(tree, owners):
    problems = []
    for path in code_files(tree, "include", "src"):
        if path.suffix not in {".cc", ".h"}:
            continue
        relative = path.relative_to(tree)
        if relative.parts[0] == "include":
            module = owners.get(path.stem)
        else:
            module = relative.parts[1]
            if module not in ALLOWED:
                problems.append(f"{relative}: {module} is not a module that the order knows")
                continue
        if module is None:
            continue  # Reported by header_owners().
        for number, quote, target in includes(path):
            problem = check_include(module, quote, target, owners)
            if problem:
                problems.append(f"{relative}:{number}: cannot include {target}: {problem}")
            elif relative.parts[0] == "include" and quote == '"' and "spanmeter/" not in target:
                problems.append(
                    f"{relative}:{number}: cannot include {target}: a public header includes no"
                    " private one"
                )
    return problems


def check_link_order(tree):
    """The libraries that CMake links to a module follow the same order as its includes."""
    problems = []
    for path in sorted((tree / "src").glob("*/CMakeLists.txt")):
        for module, arguments in MODULE_CALL.findall(path.read_text(encoding="utf-8")):
            for used in re.findall(r"\bspanmeter_(\w+)", arguments):
                if module in ALLOWED and used in ALLOWED and used not in ALLOWED[module]:
                    problems.append(
                        f"{path.relative_to(tree)}: the module {module} may not depend on {used}"
                    )
    return problems


def check_lengths(tree):
    problems = []
    for limit, roots in ((MAX_LINES, ("include", "src")), (MAX_TEST_LINES, ("tests",))):
        for path in code_files(tree, *roots):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > limit:
                problems.append(
                    f"{path.relative_to(tree)}: has {lines} lines, more than {limit}: divide it"
                )
    return problems


def check_tree(tree):
    """Returns all violations in the tree, each as one line."""
    tree = pathlib.Path(tree)
    owners, problems = header_owners(tree)
    return problems + check_includes(tree, owners) + check_link_order(tree) + check_lengths(tree)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    problems = check_tree(arguments[0])
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
