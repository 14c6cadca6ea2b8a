"""Reads etc/dashboards and etc/rules for tests, and fills in variables as Grafana does."""

import json
import os
import pathlib
import re
import sys

import yaml

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
sys.path.insert(0, str(TREE / "tests" / "e2e"))

RULES = TREE / "etc" / "rules"
# Grafana writes a variable in three ways, with a format or without.
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?:\.[\w.]+)?(?::(\w+))?\}|\[\[(\w+)(?::\w+)?\]\]")
# Metrics of ours and of the process, and what rules record.
METRIC = re.compile(r"\b(?:traces|spanmeter|process)_\w+|\bup\b|\b\w+(?::\w+)+")


class Dashboard:
    """One file of etc/dashboards."""

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.model = json.loads(path.read_text(encoding="utf-8"))
        self.variables = self.model["templating"]["list"]

    def __repr__(self):
        return self.name

    def panels(self):
        """All panels but the headings of rows."""
        return [panel for panel in self.model["panels"] if panel["type"] != "row"]

    def queries(self):
        """(panel, target) of each query."""
        return [(panel, target) for panel in self.panels() for target in panel["targets"]]


def load():
    """All dashboards."""
    return [Dashboard(path) for path in sorted((TREE / "etc" / "dashboards").glob("*.json"))]


def metrics_of(expression):
    """The names of metrics in a PromQL expression."""
    return set(METRIC.findall(re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)))


def matchers_of(expression):
    """(metric, label, value) of what an expression selects by other than a variable."""
    return {(metric, label, value)
            for metric, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression)
            for label, values in re.findall(r'(\w+)[=!]=?~?"([^"$]+)"', matchers)
            for value in values.split("|")}


def variables_of(text):
    """The names of the variables that a text uses, Grafana's own left out."""
    names = {next(filter(None, (match[1], match[2], match[4])))
             for match in VARIABLE.finditer(text)}
    # A number is a group of label_replace(), which Grafana leaves alone.
    return {name for name in names if not name.startswith("__") and not name.isdigit()}


def escape(value):
    """A chosen value as the data source writes it into a regular expression in PromQL."""
    return re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", value.replace("\\", "\\\\\\\\"))


def interpolate(text, values):
    """Fills in `values`: {variable: text, or the list of values that are chosen}."""
    def replace(match):
        name = next(filter(None, (match[1], match[2], match[4])))
        if name not in values:
            return match[0]
        value = values[name]
        if isinstance(value, list):
            escaped = [escape(one) for one in value]
            return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"
        return value
    return VARIABLE.sub(replace, text)


def defaults(dashboard):
    """What the variables have when the dashboard is opened: all, or what is saved as chosen."""
    values = {}
    for variable in dashboard.variables:
        if variable["type"] == "datasource":
            continue
        current = variable["current"]["value"]
        values[variable["name"]] = variable["allValue"] if current == ["$__all"] else current
    return values


class Rule:
    """One rule of etc/rules: `record` or `alert` is its name, the other one is None."""

    def __init__(self, rule, group):
        self.record = rule.get("record")
        self.alert = rule.get("alert")
        self.expression = rule["expr"]
        self.labels = rule.get("labels", {})
        self.annotations = rule.get("annotations", {})
        self.group = group


def rules():
    """All rules, in order."""
    return [Rule(rule, group["name"]) for path in sorted(RULES.glob("*.yml"))
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
            for rule in group["rules"]]
