"""Lets Grafana's own library transform what live queries return: what would panels get?"""

import contextlib
import json
import math
import pathlib
import subprocess
import time
import unittest

import dashboards
import environments

import harness

GRAFANA = pathlib.Path(__file__).resolve().parent / "grafana"
RANGE_SECONDS = 30


def install():
    """Installs exactly what package-lock.json names, if it is not there."""
    if not (GRAFANA / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=GRAFANA,
                       check=True, timeout=300)


def run(units, panels):
    """See grafana/transform.cjs."""
    result = subprocess.run(
        ["node", "transform.cjs"], cwd=GRAFANA, stdout=subprocess.PIPE, timeout=120, check=True,
        input=json.dumps({"units": units, "panels": panels}).encode())
    return json.loads(result.stdout)


def table(target, result):
    """The result of an instant query as the Prometheus data source hands it on as a table.

    A label that only some series have is empty for the others.
    """
    labels = sorted({label for series in result for label in series["metric"]})
    columns = {label: [series["metric"].get(label, "") for series in result] for label in labels}
    fields = [{"name": "Time", "type": "time",
               "values": [series["value"][0] * 1000 for series in result]}]
    fields += [{"name": label, "type": "string", "values": values}
               for label, values in columns.items()]
    fields.append({"name": f"Value #{target['refId']}", "type": "number",
                   "values": [float(series["value"][1]) for series in result]})
    return {"refId": target["refId"], "fields": fields}


def rows(frame, key="name"):
    """A frame as a list of {column: value}; `key` is "name" or "shown"."""
    columns = {field[key]: field["values"] for field in frame["fields"]}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def panels(*types):
    return [(dashboard, panel) for dashboard in dashboards.load()
            for panel in dashboard.panels() if panel["type"] in types]


class GrafanaTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        install()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.shop = stack.enter_context(environments.Shop())
        cls.everything = stack.enter_context(environments.Everything())
        # What sends no spans is known when nobody has answered in its place, after 10 s.
        for environment, sign in ((cls.shop, 'client="payment",server="bank"'),
                                  (cls.everything, 'tenant="two",client="web"')):
            # Rates take two samples.
            harness.wait_until(lambda e=environment, s=sign: e.prometheus.value(
                f"sum(rate(traces_service_graph_request_total{{{s}}}[{RANGE_SECONDS}s])) > 0"),
                sign)

    def shown(self, environment, dashboard, panel):
        """What a panel gets to show."""
        values = {**dashboards.defaults(dashboard), "__range": f"{RANGE_SECONDS}s"}
        # Long enough ago that no scrape is still on its way: all queries see the same.
        now = time.time() - 2
        frames = [table(target, environment.prometheus.api(
            "query", query=dashboards.interpolate(target["expr"], values), time=now)["result"])
            for target in panel["targets"]]
        output = run([], [{"transformations": panel["transformations"], "frames": frames}])
        self.assertEqual(output["unknownTransformations"], [])
        return output["panels"][0]

    def graph(self, environment):
        """The rows of the nodes and those of the edges."""
        (dashboard, panel), = panels("nodeGraph")
        frames = self.shown(environment, dashboard, panel)
        edges = [frame for frame in frames if any(f["name"] == "source" for f in frame["fields"])]
        nodes = [frame for frame in frames if frame not in edges]
        self.assertEqual((len(nodes), len(edges)), (1, 1))
        # The panel finds some fields by the name that is shown, others by the one in the data.
        return [{**rows(frame, "shown")[i], **row} for frame in nodes
                for i, row in enumerate(rows(frame))], rows(edges[0])

    def check_graph(self, nodes, edges):
        ids = [node["id"] for node in nodes]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(len({edge["id"] for edge in edges}), len(edges))
        for edge in edges:
            # The panel breaks when an end is missing.
            self.assertIn(edge["source"], ids)
            self.assertIn(edge["target"], ids)
            self.assertGreater(edge["mainstat"], 0)
            self.assertGreater(edge["secondarystat"], 0)
        for node in nodes:
            self.assertGreater(node["mainstat"], 0)
            is_called = any(edge["target"] == node["id"] for edge in edges)
            self.assertAlmostEqual(node["arc__failed"] + node["arc__success"],
                                   1 if is_called else 0)
            if is_called:
                self.assertGreater(node["secondarystat"], 0)
                self.assertAlmostEqual(
                    node["mainstat"],
                    sum(e["mainstat"] for e in edges if e["target"] == node["id"]))

    def test_each_unit_is_one_that_grafana_knows(self):
        units = set()
        for dashboard in dashboards.load():
            for panel in dashboard.panels():
                config = panel["fieldConfig"]
                units.add(config["defaults"]["unit"])
                units.update(p["value"] for override in config["overrides"]
                             for p in override["properties"] if p["id"] == "unit")
        self.assertIn("s", units)
        self.assertEqual(run(sorted(units) + ["no unit"], [])["unknownUnits"], ["no unit"])

    def test_the_service_graph_of_the_shop_is_drawn(self):
        nodes, edges = self.graph(self.shop)
        self.check_graph(nodes, edges)
        self.assertLessEqual(
            {("user", "frontend"), ("frontend", "checkout"), ("checkout", "payment"),
             ("checkout", "shipping"), ("cart", "cache.shop.internal")},
            {(edge["source"].strip("/"), edge["target"].strip("/")) for edge in edges})
        self.assertLessEqual({"user", "frontend", "bank"}, {node["title"] for node in nodes})
        self.assertTrue(all("subtitle" not in node for node in nodes))

    def test_the_service_graphs_of_tenants_are_apart(self):
        nodes, edges = self.graph(self.everything)
        self.check_graph(nodes, edges)
        self.assertEqual({(node["id"], node["title"], node["subtitle"]) for node in nodes},
                         {("one/web", "web", "one"), ("one/cart", "cart", "one"),
                          ("two/web", "web", "two"), ("two/cart", "cart", "two")})
        self.assertEqual({(edge["source"], edge["target"]) for edge in edges},
                         {("one/web", "one/cart"), ("two/web", "two/cart")})
        for node in nodes:
            if node["title"] == "cart":
                # Every fifth request fails, each takes 0.04 s.
                self.assertAlmostEqual(node["arc__failed"], 0.2, delta=0.05)
                self.assertAlmostEqual(node["secondarystat"], 40, delta=4)

    def test_tables_have_a_row_for_each_thing(self):
        expected = {
            "Services": ["Service", "Requests", "Errors", "p50", "p95", "p99"],
            "Operations": ["Service", "Operation", "Requests", "Errors", "p50", "p95", "p99"],
            "Requests between services": ["Client", "Server", "Kind", "Requests", "Failed",
                                          "Server p50", "Server p95", "Client p95"],
            "Builds": ["Instance", "Version", "Compiler", "Configuration of"],
        }
        called = ["Service", "Answered", "Answered, failed", "Clients", "Asked", "Asked, failed",
                  "Servers"]
        for dashboard, panel in panels("table"):
            columns = expected[panel["title"]]
            if (dashboard.name, panel["title"]) == ("service_graph", "Services"):
                columns = called
            with self.subTest(dashboard, panel=panel["title"]):
                frame, = self.shown(self.shop, dashboard, panel)
                self.assertEqual([field["shown"] for field in frame["fields"]], columns)
                found = rows(frame, "shown")
                self.assertTrue(found)
                names = [tuple(v for v in row.values() if isinstance(v, str)) for row in found]
                self.assertEqual(len(set(names)), len(names))
                for row in found:
                    self.assertTrue(columns is called or not any(
                        v is None or isinstance(v, float) and math.isnan(v)
                        for v in row.values()), row)

    def test_tables_tell_tenants_apart(self):
        for dashboard, panel in panels("table"):
            if panel["title"] == "Builds":
                continue
            with self.subTest(dashboard, panel=panel["title"]):
                frame, = self.shown(self.everything, dashboard, panel)
                self.assertEqual(frame["fields"][0]["shown"], "Tenant")
                self.assertEqual(set(frame["fields"][0]["values"]), {"one", "two"})


if __name__ == "__main__":
    unittest.main()
