"""Holds etc/rules to promtool, and to what makes an alert good to get."""

import re
import subprocess
import unittest

import yaml

import dashboards

UNIT_TESTS = sorted((dashboards.TREE / "tests" / "dashboards" / "rules_test").glob("*.yml"))


def promtool(*arguments):
    return subprocess.run(["promtool", *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def alerts():
    return [rule for rule in dashboards.rules() if rule.alert is not None]


def cases():
    """(name, [[labels of what fires], one list for each check]) of the unit tests of alerts."""
    found = []
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            checks = [check["exp_samples"] for check in test["promql_expr_test"]
                      if check["expr"].startswith("ALERTS{")]
            if checks:
                found.append((test["name"], [
                    dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
                    for check in checks for sample in check], checks))
    return found


class RulesTest(unittest.TestCase):
    maxDiff = None

    def test_promtool_finds_nothing_wrong(self):
        result = promtool("check", "rules", *sorted(dashboards.RULES.glob("*.yml")))
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_rules_do_what_their_unit_tests_say(self):
        result = promtool("test", "rules", *UNIT_TESTS)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_each_alert_is_shown_to_fire_and_to_stay_quiet(self):
        for rule in alerts():
            with self.subTest(rule.alert):
                own = [(name, fired, checks) for name, fired, checks in cases()
                       if name.split()[0] == rule.alert]
                fires = [case for case in own if case[1]]
                quiet = [case for case in own if not case[1]]
                self.assertTrue(fires)
                self.assertTrue(quiet)
                self.assertTrue(all(" fires " in name or " counts " in name
                                    for name, _, _ in fires))
                self.assertTrue(all(" stays quiet " in name for name, _, _ in quiet))
                # Some test also shows the moment before.
                self.assertTrue(any(checks[0] == [] for _, _, checks in fires))
        self.assertLessEqual({name.split()[0] for name, _, _ in cases()},
                             {rule.alert for rule in alerts()})

    def test_each_recording_rule_is_tested(self):
        text = (dashboards.TREE / "tests/dashboards/rules_test/recording_test.yml").read_text(
            encoding="utf-8")
        asked = set(re.findall(r"\b\w+(?::\w+)+", "\n".join(
            check["expr"] for test in yaml.safe_load(text)["tests"]
            for check in test["promql_expr_test"])))
        inner = set().union(*(dashboards.metrics_of(rule.expression)
                              for rule in dashboards.rules() if rule.record))
        self.assertEqual({rule.record for rule in dashboards.rules() if rule.record}
                         - asked - inner, set())

    def test_names_are_unique(self):
        names = [rule.alert or rule.record for rule in dashboards.rules()]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_alerts_say_how_bad_it_is_and_what_to_do(self):
        for rule in alerts():
            with self.subTest(rule.alert):
                self.assertRegex(rule.alert, r"^Spanmeter[A-Z]\w+$")
                self.assertIn(rule.labels["severity"], ("warning", "critical"))
                self.assertEqual(set(rule.annotations), {"summary", "description"})
                self.assertTrue(rule.annotations["description"].endswith("."))
                self.assertFalse(rule.annotations["summary"].endswith("."))

    def test_annotations_use_labels_that_the_alert_has(self):
        for rule in alerts():
            used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values())))
            for name, fired, _ in cases():
                for labels in fired:
                    if labels["alertname"] == rule.alert:
                        self.assertLessEqual(used, set(labels), name)

    def test_recorded_names_say_which_labels_are_left(self):
        for rule in dashboards.rules():
            if rule.record is None:
                continue
            with self.subTest(rule.record):
                level, _, operation = rule.record.split(":")
                for by in re.findall(r"\bby \(([^)]*)\)", rule.expression):
                    labels = by.split(", ")
                    # Quantiles consume the buckets.
                    if re.match(r"p\d\d_", operation):
                        labels = [label for label in labels if label != "le"]
                    self.assertEqual("_".join(labels), level)


if __name__ == "__main__":
    unittest.main()
