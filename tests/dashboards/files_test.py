"""Holds etc/dashboards to what Grafana needs, and to what makes a dashboard good to use."""

import itertools
import os
import pathlib
import re
import unittest

import dashboards

COLUMNS = 24  # of Grafana's grid
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])


def strings(value):
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


class FilesTest(unittest.TestCase):

    def each(self):
        for dashboard in dashboards.load():
            yield dashboard, self.subTest(dashboard)

    def test_there_is_a_dashboard_for_each_purpose(self):
        self.assertEqual([d.name for d in dashboards.load()],
                         ["health", "service_graph", "services"])

    def test_a_dashboard_can_be_imported_beside_all_others(self):
        """It has a title, an address, a description and tags; and no id of some installation."""
        uids = [d.model["uid"] for d in dashboards.load()]
        self.assertEqual(len(set(uids)), len(uids))
        for dashboard, test in self.each():
            with test:
                model = dashboard.model
                self.assertIsNone(model["id"])
                self.assertRegex(model["uid"], r"^spanmeter-[a-z-]{1,30}$")
                self.assertRegex(model["title"], r"^spanmeter / ")
                self.assertTrue(model["description"].endswith("."))
                self.assertIn("spanmeter", model["tags"])
                self.assertGreaterEqual(model["schemaVersion"], 39)
                self.assertNotIn("__inputs", model)

    def test_dashboards_lead_to_each_other(self):
        uids = {d.model["uid"] for d in dashboards.load()}
        for dashboard, test in self.each():
            with test:
                link, = dashboard.model["links"]
                self.assertEqual((link["type"], link["tags"]), ("dashboards", ["spanmeter"]))
                # The data source and the tenant go along.
                self.assertTrue(link["keepTime"] and link["includeVars"])
                for text in strings(dashboard.model):
                    for uid, query in re.findall(r"/d/([\w-]+)\?(\S+)", text):
                        self.assertIn(uid, uids)
                        target, = [d for d in dashboards.load() if d.model["uid"] == uid]
                        names = {v["name"] for v in target.variables}
                        self.assertLessEqual(set(re.findall(r"\bvar-(\w+)=", query)), names)
                        self.assertLessEqual(set(re.findall(r"\$\{(\w+):queryparam\}", query)),
                                             names)
                        # The data source and the time are kept.
                        self.assertIn("${datasource:queryparam}", query)
                        self.assertIn("${__url_time_range}", query)

    def test_no_data_source_is_named(self):
        """All panels, queries and variables ask the one that is chosen at the top."""
        for dashboard, test in self.each():
            with test:
                first = dashboard.variables[0]
                self.assertEqual((first["name"], first["type"], first["query"]),
                                 ("datasource", "datasource", "prometheus"))
                asked = [panel["datasource"] for panel in dashboard.panels()]
                asked += [target["datasource"] for _, target in dashboard.queries()]
                asked += [v["datasource"] for v in dashboard.variables if v["type"] == "query"]
                for one in asked:
                    self.assertEqual(one, DATA_SOURCE)

    def test_each_variable_that_is_used_is_there_and_each_that_is_there_is_used(self):
        for dashboard, test in self.each():
            with test:
                there = [v["name"] for v in dashboard.variables]
                used = set().union(*map(dashboards.variables_of, strings(dashboard.model)))
                self.assertEqual(used, set(there))
                # A variable depends on earlier ones only.
                for position, variable in enumerate(dashboard.variables):
                    self.assertLessEqual(dashboards.variables_of(variable.get("definition", "")),
                                         set(there[:position]))
                    self.assertTrue(variable["label"])
                    self.assertTrue(variable["description"].endswith("."), variable["name"])

    def test_a_variable_with_all_values_stands_for_a_missing_label_too(self):
        for dashboard, test in self.each():
            with test:
                for variable in dashboard.variables:
                    if variable["type"] != "query":
                        continue
                    self.assertTrue(variable["includeAll"] and variable["multi"])
                    # Edges have both sides; that leaves the overflow series out.
                    sides = variable["name"] in ("client", "server")
                    self.assertEqual(variable["allValue"], ".+" if sides else ".*")
                    self.assertEqual(variable["definition"], variable["query"]["query"])

    def test_each_panel_has_an_id_a_place_and_a_title_of_its_own(self):
        for dashboard, test in self.each():
            with test:
                panels = dashboard.model["panels"]
                ids = [panel["id"] for panel in panels]
                self.assertEqual(len(set(ids)), len(ids))
                titles = [panel["title"] for panel in dashboard.panels()]
                self.assertEqual(len(set(titles)), len(titles))
                for panel in panels:
                    place = panel["gridPos"]
                    self.assertGreaterEqual(min(place.values()), 0)
                    self.assertGreater(min(place["w"], place["h"]), 0)
                    self.assertLessEqual(place["x"] + place["w"], COLUMNS)
                for one, other in itertools.combinations(panels, 2):
                    self.assertFalse(overlap(one["gridPos"], other["gridPos"]),
                                     (one["title"], other["title"]))

    def test_each_panel_has_a_description_and_units(self):
        for dashboard, test in self.each():
            with test:
                for panel in dashboard.panels():
                    self.assertRegex(panel["description"], r"^[A-Z\"\d].*\.$", panel["title"])
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
                    if panel["type"] == "table":
                        self.check_columns(panel)

    def check_columns(self, panel):
        """Each value of a table has a name and a unit."""
        options = panel["transformations"][-1]["options"]
        units = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]
                 if any(p["id"] == "unit" for p in override["properties"])}
        for target in panel["targets"]:
            field = f"Value #{target['refId']}"
            if not options["excludeByName"].get(field):
                self.assertIn(options["renameByName"][field], units)

    def test_queries_have_names_of_their_own_and_legends(self):
        for dashboard, test in self.each():
            with test:
                for panel in dashboard.panels():
                    refs = [target["refId"] for target in panel["targets"]]
                    self.assertEqual(len(set(refs)), len(refs), panel["title"])
                    self.assertTrue(refs, panel["title"])
                for panel, target in dashboard.queries():
                    as_table = panel["type"] in ("table", "nodeGraph")
                    self.assertEqual((target["instant"], target["range"]),
                                     (as_table, not as_table))
                    if as_table:
                        self.assertEqual(target["format"], "table")
                        # What a table shows is the whole range, not its last moments.
                        self.assertNotIn("$__rate_interval", target["expr"])
                    else:
                        self.assertTrue(target["legendFormat"])
                        self.check_legend(panel, target)

    def check_legend(self, panel, target):
        """Each label in a legend is one that the query leaves."""
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            groups = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            if groups:
                self.assertTrue(any(label in re.split(r", *", group) for group in groups),
                                (panel["title"], label))

    def test_rates_follow_the_width_of_the_graph(self):
        """A fixed window would miss what lies between two points, or have too few samples."""
        for dashboard, test in self.each():
            with test:
                for _, target in dashboard.queries():
                    expression = re.sub(r'"[^"]*"', "", target["expr"])
                    for window in re.findall(r"\[([^\]]+)\]", expression):
                        self.assertIn(window, ("$__rate_interval", "$__range"))


class PlaceTest(unittest.TestCase):

    def test_nothing_else_lies_in_the_folder(self):
        tree = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
        found = sorted(path.name for path in (tree / "etc" / "dashboards").iterdir())
        self.assertEqual(found, [d.path.name for d in dashboards.load()])


if __name__ == "__main__":
    unittest.main()
