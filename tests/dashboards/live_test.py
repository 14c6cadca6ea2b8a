"""Asks a real Prometheus that scrapes a real spanmeter all that dashboards and rules ask."""

import contextlib
import json
import math
import re
import time
import unittest
import urllib.parse
import urllib.request

import dashboards
import environments

import harness

# What Grafana puts in for a graph of the last half minute with a scrape a second.
RANGE_SECONDS = 30
GLOBALS = {"__rate_interval": "4s", "__range": f"{RANGE_SECONDS}s", "__interval": "1s"}

# Queries that find nothing, with the reason: (dashboard, panel, refIds).
NO_LIMIT = "there are no limits by default"
NO_TENANTS = "there is only one tenant"
NO_NAMES = "span names are not grouped by default"
NOT_PUSHED = "there is no remote write"
NOT_PASSED_ON = "spans go nowhere else"
EMPTY_IN_SHOP = {
    ("health", "Limit of series", "A"): NO_LIMIT,
    ("health", "Series", "B"): NO_LIMIT,
    ("health", "Label sets", "B"): NO_LIMIT,
    ("health", "Values of labels", "ABC"): NO_LIMIT,
    ("health", "Values of labels replaced", "A"): NO_LIMIT,
    ("health", "Refused because of the tenant", "A"): NO_TENANTS,
    ("health", "Tenants", "B"): NO_TENANTS,
    ("health", "Span names replaced", "AB"): NO_NAMES,
    ("health", "Templates of span names", "AB"): NO_NAMES,
    ("health", "Duration of collections", "A"): NOT_PUSHED,
    ("health", "Remote write lag", "A"): NOT_PUSHED,
    ("health", "Lag", "AB"): NOT_PUSHED,
    ("health", "Samples that wait", "A"): NOT_PUSHED,
    ("health", "Bytes that wait", "AB"): NOT_PUSHED,
    ("health", "Samples collected and delivered", "AB"): NOT_PUSHED,
    ("health", "Samples lost or sent again", "ABC"): NOT_PUSHED,
    ("health", "Requests by status", "A"): NOT_PUSHED,
    ("health", "Duration of requests to receivers", "A"): NOT_PUSHED,
    ("health", "Requests at a time", "AB"): NOT_PUSHED,
    ("health", "Storage", "AB"): NOT_PUSHED,
    ("health", "Storage works", "AB"): NOT_PUSHED,
    ("health", "Spans queued and delivered", "AB"): NOT_PASSED_ON,
    ("health", "Spans lost or sent again", "ABC"): NOT_PASSED_ON,
    ("health", "Bytes that wait for backends", "AB"): NOT_PASSED_ON,
}
EMPTY_VARIABLES_IN_SHOP = {("service_graph", "tenant"), ("services", "tenant")}

SHOP = EVERYTHING = None


def setUpModule():
    global SHOP, EVERYTHING  # pylint: disable=global-statement
    stack = contextlib.ExitStack()
    unittest.addModuleCleanup(stack.close)
    SHOP = stack.enter_context(environments.Shop())
    EVERYTHING = stack.enter_context(environments.Everything())


class VictoriaMetrics:
    """Answers queries like Prometheus."""

    def __init__(self, address):
        self._address = address

    def api(self, path, **parameters):
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]


def has_numbers(result):
    """Whether any value of a result is a number."""
    return any(not math.isnan(float(value))
               for series in result
               for _, value in series.get("values", [series.get("value")]))


def ask(prometheus, target, values):
    """The result of a query as the panel sends it."""
    expression = dashboards.interpolate(target["expr"], {**values, **GLOBALS})
    now = time.time()
    if target["instant"]:
        return prometheus.api("query", query=expression, time=now)["result"]
    return prometheus.api("query_range", query=expression, start=now - RANGE_SECONDS, end=now,
                          step=1)["result"]


def options(prometheus, variable, values):
    """What a variable offers."""
    query = dashboards.interpolate(variable["definition"], values)
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    return prometheus.api(f"label/{label}/values", **{"match[]": selector})


class LiveTest(unittest.TestCase):
    maxDiff = None

    def check_queries(self, prometheus, empty, values_of=dashboards.defaults):
        """Every query gives numbers sooner or later, but for those in `empty`, which give none."""
        waiting = {}
        for dashboard in dashboards.load():
            values = values_of(dashboard)
            for panel, target in dashboard.queries():
                waiting[dashboard.name, panel["title"], target["refId"]] = (target, values)
        expected = {(name, title, ref) for name, title, refs in empty for ref in refs}
        self.assertEqual(expected - set(waiting), set(), "are no queries")

        def answer_all():
            for key in [key for key, query in waiting.items()
                        if has_numbers(ask(prometheus, *query))]:
                del waiting[key]
            return set(waiting) <= expected

        try:
            harness.wait_until(answer_all, "the queries to find something")
        except AssertionError:
            pass
        self.assertEqual(sorted(waiting), sorted(expected))

    def test_each_query_of_a_default_installation_finds_something_when_a_dashboard_is_opened(self):
        self.check_queries(SHOP.prometheus, EMPTY_IN_SHOP)

    def test_victoria_metrics_finds_the_same(self):
        self.check_queries(VictoriaMetrics(SHOP.victoria_metrics), EMPTY_IN_SHOP)

    def test_each_query_finds_something_with_everything_switched_on(self):
        self.check_queries(EVERYTHING.prometheus, {})

    def test_each_variable_offers_values(self):
        for environment, empty in ((SHOP, EMPTY_VARIABLES_IN_SHOP), (EVERYTHING, set())):
            for dashboard in dashboards.load():
                values = dashboards.defaults(dashboard)
                for variable in dashboard.variables:
                    if variable["type"] != "query":
                        continue
                    with self.subTest(environment, dashboard=dashboard, variable=variable["name"]):
                        key = (dashboard.name, variable["name"])
                        if key in empty:
                            self.assertEqual(options(environment.prometheus, variable, values), [])
                        else:
                            harness.wait_until(
                                lambda v=variable: options(environment.prometheus, v, values),
                                f"values of {key}")

    def test_chosen_values_narrow_what_is_shown(self):
        """Values with characters that mean something in regular expressions, one or several."""
        services, = [d for d in dashboards.load() if d.name == "services"]
        table, = [p for p in services.panels() if p["title"] == "Operations"]
        rate, = [t for t in table["targets"] if t["refId"] == "rate"]
        for operations in (["GET /products/{id}"], ["GET /", "GET /products/{id}"]):
            values = {**dashboards.defaults(services), "operation": operations,
                      "service": ["catalogue", "frontend"], "span_kind": ["SPAN_KIND_SERVER"]}
            harness.wait_until(
                lambda v=values, names=set(operations): names == {
                    series["metric"]["span_name"] for series in ask(SHOP.prometheus, rate, v)},
                f"{operations} and no others")

    def test_each_query_finds_something_when_all_values_are_chosen_by_name(self):
        """Where a label's name is wrong, all its values are chosen too: it has none."""
        def all_by_name(dashboard):
            values = dashboards.defaults(dashboard)
            for variable in dashboard.variables:
                if variable["type"] == "query":
                    values[variable["name"]] = harness.wait_until(
                        lambda v=variable: options(EVERYTHING.prometheus, v, values),
                        f"values of {variable['name']}")
            return values
        self.check_queries(EVERYTHING.prometheus, {}, all_by_name)

    def test_each_query_finds_nothing_when_a_value_is_chosen_that_nothing_has(self):
        for dashboard in dashboards.load():
            for variable in dashboard.variables:
                if variable["type"] != "query":
                    continue
                values = {**dashboards.defaults(dashboard), variable["name"]: ["nobody"]}
                for panel, target in dashboard.queries():
                    if variable["name"] not in dashboards.variables_of(target["expr"]):
                        continue
                    with self.subTest(dashboard, variable=variable["name"], panel=panel["title"],
                                      ref=target["refId"]):
                        self.assertEqual(ask(EVERYTHING.prometheus, target, values), [])

    def test_a_chosen_tenant_is_all_that_is_shown(self):
        for dashboard in dashboards.load():
            for panel, target in dashboard.queries():
                if "tenant" not in dashboards.variables_of(target["expr"]):
                    continue
                with self.subTest(dashboard, panel=panel["title"], ref=target["refId"]):
                    values = {**dashboards.defaults(dashboard), "tenant": ["two"]}
                    found = ask(EVERYTHING.prometheus, target, values)
                    self.assertLessEqual({series["metric"].get("tenant") for series in found},
                                         {"two", None})

    def test_each_metric_in_dashboards_and_rules_exists(self):
        used = set()
        for dashboard in dashboards.load():
            for _, target in dashboard.queries():
                used |= dashboards.metrics_of(target["expr"])
            for variable in dashboard.variables:
                used |= dashboards.metrics_of(variable.get("definition", ""))
        for rule in dashboards.rules():
            used |= dashboards.metrics_of(rule.expression)
        self.assertIn("traces_spanmetrics_calls_total", used)
        harness.wait_until(lambda: not used - (SHOP.names() | EVERYTHING.names()),
                           "all metrics to be there")

    def test_each_label_and_value_that_is_asked_for_exists(self):
        expressions = [target["expr"] for dashboard in dashboards.load()
                       for _, target in dashboard.queries()]
        expressions += [rule.expression for rule in dashboards.rules()]
        matchers = set().union(*map(dashboards.matchers_of, expressions))
        self.assertIn(("spanmeter_otlp_requests_total", "code", "RESOURCE_EXHAUSTED"), matchers)
        for metric, label, value in sorted(matchers):
            with self.subTest(metric, label=label, value=value):
                harness.wait_until(
                    lambda m=metric, l=label, v=value: any(
                        v in environment.prometheus.api(f"label/{l}/values", **{"match[]": m})
                        for environment in (SHOP, EVERYTHING)), "it to be there")

    def evaluated_rules(self, environment):
        """What Prometheus says of its rules, when each has been evaluated."""
        def all_rules():
            rules = [rule for group in environment.prometheus.api("rules")["groups"]
                     for rule in group["rules"]]
            return None if any(rule["health"] == "unknown" for rule in rules) else rules
        return harness.wait_until(all_rules, "the rules to be evaluated")

    def test_each_rule_can_be_evaluated(self):
        for environment in (SHOP, EVERYTHING):
            with self.subTest(environment):
                rules = self.evaluated_rules(environment)
                self.assertEqual(len(rules), len(dashboards.rules()))
                self.assertEqual([rule for rule in rules if rule["health"] != "ok"], [])

    def test_each_recording_rule_records_numbers(self):
        """But for those of the kind of histograms that is not there."""
        native = "tenant_service_span_kind:traces_spanmetrics_latency:rate5m"
        classic = "tenant_service_span_kind_le:traces_spanmetrics_latency_bucket:rate5m"
        others = {SHOP: native, EVERYTHING: classic}
        for environment in (SHOP, EVERYTHING):
            for rule in dashboards.rules():
                if rule.record is None:
                    continue
                with self.subTest(environment, rule=rule.record):
                    if rule.record == others[environment]:
                        self.assertNotIn(rule.record, environment.names())
                        continue
                    # Native histograms are no numbers, and counted instead.
                    value = "count" if rule.record == native else "max"
                    harness.wait_until(lambda e=environment, q=f"{value}({rule.record})":
                                       has_numbers(e.prometheus.api("query", query=q)["result"]),
                                       rule.record)

    def test_a_healthy_installation_with_defaults_causes_no_alert(self):
        self.evaluated_rules(SHOP)
        # Before the first scrape there is none to be found.
        harness.wait_until(lambda: SHOP.prometheus.value("up") == 1, "the first scrape")
        harness.wait_until(lambda: not SHOP.prometheus.api("alerts")["alerts"],
                           "no alert, not even one that waits")

    def test_exemplars_of_the_duration_lead_to_traces(self):
        services, = [d for d in dashboards.load() if d.name == "services"]
        with_exemplars = [t for _, t in services.queries() if t.get("exemplar")]
        self.assertEqual(len(with_exemplars), 1)
        # Prometheus 3.5 keeps the exemplars of one native histogram of a metric only, whichever
        # that is: all kinds of spans are asked for.
        expression = dashboards.interpolate(
            with_exemplars[0]["expr"],
            {**dashboards.defaults(services), "span_kind": ".*", **GLOBALS})
        for environment in (SHOP, EVERYTHING):
            with self.subTest(environment):
                found = harness.wait_until(
                    lambda e=environment: e.prometheus.api(
                        "query_exemplars", query=expression, start=time.time() - 60,
                        end=time.time()), "exemplars")
                for series in found:
                    for exemplar in series["exemplars"]:
                        self.assertRegex(exemplar["labels"]["traceID"], r"^[0-9a-f]{32}$")


if __name__ == "__main__":
    unittest.main()
