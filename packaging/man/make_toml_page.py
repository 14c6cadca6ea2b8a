#!/usr/bin/python3
"""Writes the manual page spanmeter.toml(5).

    packaging/man/make_toml_page.py PATH_OF_SPANMETER > packaging/man/spanmeter.toml.5

What an option means and its default come from etc/spanmeter.toml, which a test compares with the
program; types and ranges come from the program itself (options.py). The page is kept in the tree,
so that a build needs no Python, and a test makes it anew and compares.
"""

import pathlib
import re
import sys
import textwrap

import options

TREE = pathlib.Path(__file__).resolve().parents[2]

HEAD = r""".\" Made by packaging/man/make_toml_page.py from etc/spanmeter.toml and the program: change those.
.Dd November 25, 2026
.Dt SPANMETER.TOML 5
.Os spanmeter
.Sh NAME
.Nm spanmeter.toml
.Nd configuration of spanmeter
.Sh SYNOPSIS
.Pa /etc/spanmeter/spanmeter.toml
.Sh DESCRIPTION
This file tells
.Xr spanmeter 8
where spans come in, which metrics are made of them and where these go.
It is written in TOML.
Every option has a default, so that an empty file works.
A mistake keeps the program from starting, and a running one from taking the
file over; all mistakes are reported at once, each with its line.
"""

TAIL = r""".Sh FILES
.Bl -tag -width Ds
.It Pa /etc/spanmeter/spanmeter.toml
the configuration that is read when
.Fl Fl config.file
names no other.
.El
.Sh EXAMPLES
Two processors, one more label and a limit; everything is pushed to one receiver as well:
.Bd -literal -offset indent
[generator]
processors = ["span-metrics", "service-graphs"]
max_active_series = 200000
span_metrics.dimensions = ["http.request.method"]

[storage]
path = "/var/lib/spanmeter"

[[remote_write]]
url = "https://metrics.example.com/api/v1/write"
name = "central"
.Ed
.Sh SEE ALSO
.Xr spanmeter 8
"""

# What the keys of tables inside of lists are for, where the comments of etc/spanmeter.toml only
# show them.
INNER = {
    "otlp.grpc.tokens[]": {
        "file": "the file that holds the token.",
        "tenant": "the only tenant whose spans may be sent with it; without, it is good for all.",
    },
    "otlp.http.tokens[]": {
        "file": "the file that holds the token.",
        "tenant": "the only tenant whose spans may be sent with it; without, it is good for all.",
    },
    "http.users[]": {
        "name": "the name to log in with.",
        "password_hash": "the bcrypt hash of the password.",
        "password_hash_file": "a file that holds the hash, instead.",
        "role": "what the user may ask for.",
    },
    "http.tokens[]": {
        "name": "the name for logs.",
        "file": "the file that holds the token.",
        "role": "what its bearer may ask for.",
    },
    "remote_write[].basic_auth": {
        "username": "the user.",
        "password": "the password.",
        "password_file": "a file that holds it, instead.",
    },
    "remote_write[].authorization": {
        "type": "the scheme; Bearer when not given.",
        "credentials": "what follows the scheme.",
        "credentials_file": "a file that holds it, instead.",
    },
    "remote_write[].oauth2": {
        "client_id": "who asks for the token.",
        "client_secret": "its secret.",
        "client_secret_file": "a file that holds it, instead.",
        "scopes": "what the token shall be good for.",
        "token_url": "where tokens are to be had.",
        "endpoint_params": "further parameters of that request.",
    },
    "relabel rule": {
        "source_labels": "labels whose values, joined by separator, are matched against regex.",
        "separator": "what stands between them.",
        "regex": "a regular expression (RE2) that has to match the whole text.",
        "modulus": "for hashmod: the hash of the text modulo this number is the label's value.",
        "target_label": "the label that is set.",
        "replacement": "its value, in which $1 stands for the first group of regex.",
        "action": "what to do.",
    },
    "generator.span_metrics.dimension_mappings[]": {
        "name": "the label.",
        "source_labels": "the attributes whose values are joined.",
        "join": "what stands between them.",
    },
    "filter policy": {
        "match_type": "how values are compared.",
        "attributes[]": "what has to match, all of it.",
        "attributes[].key": "which property of the span, see above.",
        "attributes[].value": "the value, or the regular expression.",
    },
}

# Options that share a comment with the one before them, or are in no need of one there.
SHORT = {
    "remote_write[].send_exemplars": "Whether exemplars are sent.",
    "remote_write[].tls_config.key_file": "The private key of the certificate.",
    "remote_write[].metadata_config.send": "Whether they are sent.",
    "remote_write[].queue_config.max_backoff": "The longest such pause.",
    "forward[].tls_config.key_file": "The private key of the certificate.",
    "forward[].queue_config.max_backoff": "The longest such pause.",
    "generator.max_label_value_length": "The same for values.",
    "generator.native_histogram_min_reset_duration":
        "The shortest time between two such fresh starts; \"0s\": there are none.",
    "generator.span_metrics.intrinsic_dimensions.service": "The resource attribute service.name.",
    "generator.span_metrics.intrinsic_dimensions.span_name": "The name of the span.",
    "generator.service_graphs.enable_tracestate_span_multiplier": "As for span metrics.",
    "generator.service_graphs.filter_policies": "As for span metrics.",
}

# Where the same table stands in several places.
SHARED = [
    (r"(generator\.relabel|remote_write\[\]\.write_relabel_configs)\[\]", "relabel rule"),
    (r"(?:generator\.\w+|forward\[\])\.filter_policies\[\]\.(include|include_any|exclude)", "filter policy"),
]

# One rule that is valid and sets as little as possible: what is printed beside it are defaults.
LEAST_RULE = 'generator.relabel = [{target_label = "a"}]\n'


class Item:
    """An option as etc/spanmeter.toml has it."""

    def __init__(self, name, default, text):
        self.name = name
        self.default = default
        self.text = text


class Section:
    """A table of etc/spanmeter.toml."""

    def __init__(self, name, text):
        self.name = name
        self.text = text  # lines of comment
        self.items = []
        self.aside = []  # lines of comment that stand alone between two items
        self.rest = []  # lines of comment that follow the last item


def is_rule(line):
    return re.fullmatch(r"# -+", line) is not None


def sections_of(text):
    """Returns the comments before the first table, and the tables, of etc/spanmeter.toml."""
    intro, sections, pending, in_example = [], [], [], False

    def close():
        if pending:
            (sections[-1].rest if sections else intro).extend(pending)
            pending.clear()

    for line in text.splitlines() + [""]:
        # The examples of lists of receivers are comments; their keys are three columns further in.
        if line in ("#   [[remote_write]]", "#   [[forward]]"):
            while pending and not pending[-1].strip():
                pending.pop()
            sections.append(Section(line[4:], list(pending)))
            pending.clear()
            in_example = True
            continue
        if in_example and (match := re.fullmatch(r"#   \[((?:remote_write|forward)\.\w+)\]", line)):
            sections.append(Section(f"[{match.group(1)}]", list(pending)))
            pending.clear()
            continue
        if in_example and line.startswith("#   ") and not line.startswith("#    "):
            line = line[4:]
        if not line:
            close()
            in_example = False
        elif in_example and line == "#":
            sections[-1].aside += pending
            pending.clear()
        elif is_rule(line):
            close()
        elif line.startswith("#"):
            pending.append(line[2:])
        elif line.startswith("["):
            sections.append(Section(line, list(pending)))
            pending.clear()
        else:
            name, default = line.split(" = ", 1)
            sections[-1].items.append(Item(name, default, list(pending)))
            pending.clear()
    return intro, sections


def escaped(text):
    text = text.replace("\\", "\\e").replace('"', "\\(dq")
    return "\\&" + text if text.startswith((".", "'")) else text


def body(lines):
    """Comments as roff: text is filled, what is indented or sets something stays as it is."""
    out, literal, text = [], False, []

    def end_text():
        # Each sentence begins on a line of its own.
        for sentence in re.split(r"(?<=\.) +", " ".join(text)) if text else []:
            out.extend(escaped(part) for part in
                       textwrap.wrap(sentence, 78, break_long_words=False, break_on_hyphens=False))
        text.clear()

    def end_literal():
        nonlocal literal
        if literal:
            # A line that is empty in the comment ends it, and is not shown.
            while out[-1] == "":
                out.pop()
            out.append(".Ed")
            literal = False

    for line in lines:
        if line.startswith("  ") or re.match(r"\w+ = ", line):
            end_text()
            if not literal:
                while out and out[-1] == ".Pp":
                    out.pop()
                out.append(".Bd -literal -offset indent")
                literal = True
            out.append(escaped(re.sub(r"^  ", "", line)))
        elif not line:
            end_text()
            if literal:
                out.append("")
            elif out:
                out.append(".Pp")
        else:
            was_literal = literal
            end_literal()
            if was_literal:
                out.append(".Pp")
            text.append(line)
    end_text()
    end_literal()
    while out and out[-1] == ".Pp":
        out.pop()
    return out


def described_type(option):
    text = {"size": "A size", "duration": "A duration", "integer": "An integer", "number": "A number",
            "boolean": "true or false", "true or false": "true or false", "string": "A string",
            }.get(option.kind, "A " + option.kind if option.kind.split()[0] not in ("a", "an") else option.kind)
    if option.limits:
        if option.kind == "string":
            text = "One of " + option.limits
        elif option.limits.startswith("at least"):
            text += f" of {option.limits}"
        else:
            text += f" from {option.limits}"
    return text[0].upper() + text[1:] + "."


def inner_items(path, all_options, defaults):
    """The keys inside a list of tables or a table that is given as a whole, as a list of roff."""
    inner = [o for o in all_options if o.path.startswith(path + ".")]
    if not inner:
        return []
    out = [".Bl -tag -width Ds"]
    for option in inner:
        table, name = path, option.path[len(path) + 1:]
        for pattern, shared in SHARED:
            if match := re.match(pattern + r"\.", option.path):
                table, name = shared, option.path[match.end():]
        parent = "filter policy" if table == "filter policy" else table
        if parent not in INNER or name not in INNER[parent]:
            raise SystemExit(f"make_toml_page.py: cannot describe {option.path}: add it to INNER")
        shown = option.path[len(path) + 1:].replace("[]", "")
        default = defaults.get(name) if table == "relabel rule" else None
        out.append(f".It Ic {escaped(shown)}" + (f" = {escaped(default)}" if default else ""))
        out += body([described_type(option) + (" Must be there." if option.required else "")])
        out.append(escaped(INNER[parent][name][0].upper() + INNER[parent][name][1:]))
    return out + [".El"]


def rule_defaults(program):
    """The defaults of a relabelling rule, as the program prints them."""
    rule = re.search(r"relabel = \[\s*\{(.*)\},?\s*\]", program.printed(LEAST_RULE)).group(1)
    defaults = dict(re.findall(r'(\w+) = ("(?:[^"\\]|\\.)*"|\[\]|\d+)', rule))
    defaults.pop("target_label")
    return defaults


def page(program, all_options):
    by_path = {option.path: option for option in all_options}
    defaults = rule_defaults(program)
    intro, sections = sections_of((TREE / "etc" / "spanmeter.toml").read_text(encoding="utf-8"))
    # The first paragraph says what this page says above.
    out = body(intro[intro.index("Every key is listed here with its default value, so an empty file "
                                 "means the same as this one.") + 2:])
    out.append(".Sh OPTIONS")
    seen = set()
    for section in sections:
        prefix = re.sub(r"^(remote_write|forward)", r"\1[]", section.name.strip("[]")) + "."
        out.append(f".Ss {section.name}")
        if section.name == "[generator.external_labels]":
            seen.add("generator.external_labels")
            out.append("A table of strings.")
        out += body(section.text)
        if section.items:
            out.append(".Bl -tag -width Ds")
        for item in section.items:
            path = prefix + item.name
            option = by_path.get(path) or by_path.get(path + "[]")
            if option is None:
                raise SystemExit(f"make_toml_page.py: the program has no {path}")
            seen.add(option.path)
            required = section.name.startswith("[[") and option.required
            out.append(f".It Ic {item.name}" + ("" if required else f" = {escaped(item.default)}"))
            out += body([described_type(option) + (" Must be there." if required else "")])
            text = item.text or SHORT.get(path, "").splitlines()
            if not text:
                raise SystemExit(f"make_toml_page.py: nothing says what {path} is for: add it to SHORT")
            if text != [option.limits + "."]:
                out += body(text)
            inner = inner_items(option.path, all_options, defaults)
            seen.update(o.path for o in all_options if o.path.startswith(option.path + "."))
            out += inner
        if section.name == "[[remote_write]]":
            for table in ("basic_auth", "authorization", "oauth2"):
                out.append(f".It Ic {table}")
                out.append("A table, absent by default.")
                if table == "basic_auth":
                    out += body(section.aside)
                out += inner_items(prefix + table, all_options, defaults)
                seen.update(o.path for o in all_options if o.path.startswith(prefix + table + "."))
        if section.items:
            out.append(".El")
        if section.rest:
            out += [".Pp"] if section.items else []
            out += body(section.rest)
    missing = [path for path in by_path if path not in seen and path not in ("remote_write[]", "forward[]")]
    if missing:
        raise SystemExit(f"make_toml_page.py: etc/spanmeter.toml has no {', '.join(missing)}")
    return HEAD + "\n".join(out) + "\n" + TAIL


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    program_ = options.Program(sys.argv[1])
    sys.stdout.write(page(program_, program_.options()))
