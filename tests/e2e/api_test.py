"""The JSON API of the real process, held against its own OpenAPI document."""

import json
import os
import pathlib
import time
import unittest
import urllib.parse

import jsonschema

import harness
import otlp_wire
import span_sink
from loadgen import Loadgen
from write_receiver import Receiver

API = "/api/v1/"
# What people, or those who wish them ill, put into names.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "a\"b'c`d\\e",
    "newlines": "line one\nline two\r\n\ttab",
    "right to left": "abc\u202egnp.exe",
    "long": "x" * 2048,
    "emoji": "\U0001f6d2 \U0001f469\u200d\U0001f4bb",
    "controls": "\x01\x7f\u2028",
    "percent": "100%25 & a=b#c?d/e",
}
DOCUMENT = json.loads(
    (pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"]) / "src/admin/openapi.json").read_text(
        encoding="utf-8"))


def quote(text):
    return urllib.parse.quote(text, safe="")


def plain_schema(node):
    """OpenAPI 3.0's schemas as JSON Schema: what is nullable may be null."""
    if isinstance(node, list):
        return [plain_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: plain_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable"):
        plain["type"] = [node["type"], "null"]
    return plain


SCHEMAS = plain_schema(DOCUMENT["components"])


def check(schema, value):
    jsonschema.Draft4Validator({**plain_schema(schema), "components": SCHEMAS}).validate(value)


def template_of(path):
    """The path of the document that `path` is an instance of."""
    parts = path.split("/")
    for template in DOCUMENT["paths"]:
        wanted = template[1:].split("/")
        if len(wanted) == len(parts) and all(
                w == p or w.startswith("{") for w, p in zip(wanted, parts)):
            return template
    raise AssertionError(f"the document does not know {path}")


class ApiTest(unittest.TestCase):
    maxDiff = None

    def start(self, tables):
        self.server = harness.Spanmeter(tables)
        self.addCleanup(self.server.close)
        self.server.start()

    def ask(self, path, status=200, **parameters):
        """The answer to a question, which must be as the document has it."""
        query = "?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
        got, headers, body = self.server.get(API + path + query)
        self.assertEqual((got, headers["Content-Type"]), (status, "application/json"),
                         (path, body[:500]))
        answer = json.loads(body)
        responses = DOCUMENT["paths"][template_of(path)]["get"]["responses"]
        check(responses[str(status)]["content"]["application/json"]["schema"], answer)
        if status != 200:
            self.assertEqual(answer["error"]["status"], status)
        return answer

    def about(self, what, tenant="single-tenant", status=200, **parameters):
        return self.ask(f"tenants/{quote(tenant)}/{what}", status, **parameters)

    def send(self, *names, tenant=None, service="web", **attributes):
        """Root server spans of 1 s with these names."""
        spans = [otlp_wire.encode_span(name, time.time_ns(), 1.0, attributes=attributes)
                 for name in names]
        code, message, _ = self.server.export(
            otlp_wire.encode_request({"service.name": service}, spans),
            [("x-scope-orgid", tenant)] if tenant else [])
        self.assertEqual((code.name, message), ("OK", ""))

    def ask_everything(self, tenant):
        for what in ("options", "metrics", "labels", "labels/service/values", "top", "series",
                     "overflow", "span-names", "cost", "service-graph"):
            self.about(what, tenant)
        for what in ("overview", "tenants", "remote-write", "forward", "config",
                     "openapi.json"):
            self.ask(what)

    def test_every_question_is_answered_as_documented_before_any_span(self):
        self.start({})
        self.ask_everything("single-tenant")
        overview = self.ask("overview")
        self.assertEqual((overview["spans"]["received"], overview["tenants"],
                          overview["warnings"], overview["history"]["times_ms"]), (0, 1, [], []))

    def test_the_document_is_served_as_it_is_kept(self):
        self.start({})
        self.assertEqual(self.ask("openapi.json"), DOCUMENT)

    def test_every_question_is_answered_as_documented_under_load(self):
        with Receiver() as receiver:
            self.start({
                "generator": {"processors": ["span-metrics", "service-graphs", "host-info"],
                              "generate_native_histograms": "both",
                              "span_name_sanitization": "enabled", "collection_interval": "1s"},
                "generator.span_metrics": {"enable_target_info": True},
                "remote_write": [{"name": "there", "url": receiver.url}],
            })
            with Loadgen(self.server, "--scenario", "shop", "--rate", "2000") as load:
                harness.wait_until(
                    lambda: self.about("service-graph")["edges"] and self.about("top")["entries"]
                    and self.ask("remote-write")["receivers"][0]["samples"]["sent"],
                    "traffic in every part of the API")
                self.ask_everything("single-tenant")
                graph = self.about("service-graph")
                self.assertTrue(all(edge["rate"] > 0 for edge in graph["edges"]))
                kinds = {node["kind"] for node in graph["nodes"]}
                self.assertLessEqual({"service", "database", "virtual"}, kinds)
                center = graph["edges"][0]["client"]
                near = self.about("service-graph", service=center, depth=1)
                self.assertTrue(all(center in (edge["client"], edge["server"]) or
                                    edge in graph["edges"] for edge in near["edges"]))
                self.assertLessEqual(len(near["nodes"]), len(graph["nodes"]))
                load.stop()
            status = self.ask("remote-write")["receivers"][0]
            self.assertEqual((status["name"], status["protocol"], status["healthy"]),
                             ("there", "2.0", True))
            self.assertGreater(self.ask("overview")["spans"]["received"], 0)

    def test_a_receiver_that_does_not_answer_is_not_healthy(self):
        self.start({"generator": {"collection_interval": "1s"},
                    "remote_write": [{"name": "away", "url": "http://u:hunter2@127.0.0.1:1/x?y=z"}]})
        self.send("op")

        def failing():
            self.send("op")
            status = self.ask("remote-write")["receivers"][0]
            return status if status["last_error"] and status["samples"]["pending"] else None
        status = harness.wait_until(failing, "the first failure")
        self.assertEqual((status["healthy"], status["last_success_ms"], status["url"]),
                         (False, None, "http://127.0.0.1:1/x"))
        self.assertAlmostEqual(status["last_error_ms"] / 1000, time.time(), delta=30)
        self.assertGreater(status["queue"]["bytes"], 0)
        overview = self.ask("overview")
        self.assertFalse(overview["remote_write"][0]["healthy"])
        self.assertIn("pushing to away fails", overview["warnings"][0]["text"])
        self.assertNotIn("hunter2", json.dumps(overview) + json.dumps(status))

    def test_backends_are_shown_and_those_that_fail_are_warned_of(self):
        with span_sink.Sink("http") as sink:
            self.start({"forward": [
                {"name": "there", "endpoint": sink.endpoint, "protocol": "http"},
                {"name": "away", "endpoint": "http://127.0.0.1:1", "required": True}]})
            self.send("a", "b")

            def settled():
                receivers = self.ask("forward")["receivers"]
                there, away = receivers
                return receivers if there["spans"]["sent"] == 2 and away["last_error"] else None
            there, away = harness.wait_until(settled, "an answer of each")
            self.assertEqual((there["name"], there["protocol"], there["healthy"],
                              there["required"], there["endpoint"]),
                             ("there", "http", True, False, sink.endpoint))
            self.assertEqual(there["spans"],
                             {"queued": 2, "sent": 2, "rejected": 0, "pending": 0})
            self.assertAlmostEqual(there["last_success_ms"] / 1000, time.time(), delta=30)
            self.assertEqual((away["protocol"], away["healthy"], away["required"],
                              away["last_success_ms"], away["queue"]["requests"]),
                             ("grpc", False, True, None, 1))
            self.assertIn("passing spans on to away fails",
                          self.ask("overview")["warnings"][0]["text"])

    def test_hostile_names_come_back_as_they_were_sent(self):
        self.start({"generator": {"processors": ["span-metrics", "service-graphs"]},
                    "generator.span_metrics": {"dimensions": ["evil"]}})
        for name, text in HOSTILE.items():
            with self.subTest(name):
                self.send(text, service=text, evil=text)
        self.ask_everything("single-tenant")
        texts = set(HOSTILE.values())
        for label in ("service", "span_name", "evil"):
            values = self.about(f"labels/{label}/values")
            self.assertEqual({value["value"] for value in values["values"]}, texts)
            self.assertEqual(values["distinct"], len(texts))
        top = self.about("top", by="operation")["entries"]
        self.assertEqual({(entry["service"], entry["span_name"]) for entry in top},
                         {(text, text) for text in texts})
        graph = self.about("service-graph")
        self.assertEqual({node["id"] for node in graph["nodes"]}, texts | {"user"})
        for name, text in HOSTILE.items():
            with self.subTest(name):
                quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace(
                    "\n", "\\n") + '"'
                found = self.about(
                    "series", match='traces_spanmetrics_calls_total{evil=' + quoted + "}")
                self.assertEqual([(s["labels"]["service"], s["value"]) for s in found["series"]],
                                 [(text, 1)])
                near = self.about("service-graph", service=text)
                self.assertEqual({node["id"] for node in near["nodes"]}, {text, "user"})

    def test_tenants_are_listed_page_by_page(self):
        self.start({"tenancy": {"enabled": True}})
        names = [f"t!{i}*'()" for i in range(5)]
        for name in names:
            self.send("op", tenant=name)
        seen, cursor = [], {}
        for _ in range(len(names)):
            page = self.ask("tenants", limit=2, **cursor)
            seen.append([tenant["name"] for tenant in page["tenants"]])
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        self.assertEqual(seen, [names[:2], names[2:4], names[4:]])
        for name in names:
            self.ask_everything(name)

    def test_options_say_where_they_come_from(self):
        self.start({"tenancy": {"enabled": True},
                    "generator": {"max_active_series": 500, "stale_duration": "5m"},
                    "tenants.a": {"stale_duration": "7m"}})

        def sources(tenant):
            return {option["key"]: (option["value"], option["source"])
                    for option in self.about("options", tenant)["options"]}
        self.about("options", "b", status=404)
        self.send("op", tenant="b")
        a, b = sources("a"), sources("b")
        self.assertEqual(a["max_active_series"], ("500", "generator"))
        self.assertEqual(a["stale_duration"], ('"7m"', "tenant"))
        self.assertEqual(b["stale_duration"], ('"5m"', "generator"))
        self.assertEqual(b["limiter_type"], ('"series"', "default"))
        self.assertEqual(a["inject_tenant_id_as"], ('"tenant"', "default"))

    def test_overflow_shows_what_was_folded_into_a_label_value(self):
        self.start({"generator": {"processors": ["span-metrics-count"],
                                  "max_cardinality_per_label": 3}})
        for i in range(30):
            self.send("op", service=f"s{i}")
        overflow = self.about("overflow")
        self.assertEqual((overflow["series_overflow"], overflow["metrics"]), (False, []))
        labels = {label["name"]: label for label in overflow["labels"]}
        self.assertEqual((labels["service"]["limit"], labels["service"]["values"],
                          labels["service"]["replaced"]), (3, 3, 27))
        self.assertAlmostEqual(labels["service"]["demand"], 30, delta=3)
        rows = {label["name"]: label for label in self.about("labels")["labels"]}
        self.assertEqual((rows["service"]["limited"], rows["service"]["overflow_label_sets"]),
                         (27, 1))
        self.assertTrue(any("max_cardinality_per_label" in warning["text"]
                            for warning in self.ask("overview")["warnings"]))

    def test_overflow_shows_what_the_limit_of_series_refused(self):
        self.start({"generator": {"processors": ["span-metrics-count"], "max_active_series": 3}})
        for i in range(10):
            self.send("op", service=f"s{i}")
        overflow = self.about("overflow")
        self.assertEqual((overflow["series_overflow"], overflow["limited_updates"]), (True, 7))
        self.assertEqual(overflow["metrics"],
                         [{"metric": "traces_spanmetrics_calls_total", "value": 7}])
        overview = self.ask("overview")
        self.assertEqual((overview["series"]["active"], overview["series"]["limit"]), (3, 3))
        self.assertAlmostEqual(overview["series"]["demand"], 10, delta=1)
        self.assertEqual([warning["severity"] for warning in overview["warnings"]], ["critical"])

    def test_span_name_templates_come_page_by_page(self):
        self.start({"generator": {"span_name_sanitization": "dry_run"}})
        for i in range(200):
            self.send(f"GET /cart/{i}", f"POST /order/{i}/item", f"load user {i}")
        whole = self.about("span-names")
        self.assertEqual(whole["mode"], "dry_run")
        self.assertGreaterEqual(len(whole["templates"]), 3)
        first = self.about("span-names", limit=1)
        second = self.about("span-names", limit=1, cursor=first["next"])
        self.assertEqual(first["templates"] + second["templates"], whole["templates"][:2])
        self.about("span-names", status=400, cursor="x")

    def test_bad_questions_are_told_what_is_wrong(self):
        self.start({})
        for path, parameters in (
                ("overview", {"x": 1}), ("tenants", {"limit": 0}), ("tenants", {"limit": 1001}),
                ("tenants", {"limit": "-1"}), ("tenants", {"limit": ["1", "2"]}),
                ("tenants/single-tenant/top", {"by": "color"}),
                ("tenants/single-tenant/top", {"order": ""}),
                ("tenants/single-tenant/series", {"match": "{service=cart}"}),
                ("tenants/single-tenant/series", {"match": '{service=~"("}'}),
                ("tenants/single-tenant/series", {"match": "{" + "a" * 5000}),
                ("tenants/single-tenant/cost", {"add": "x"}),
                ("tenants/single-tenant/cost", {"add": "x:0"}),
                ("tenants/single-tenant/service-graph", {"depth": 11})):
            with self.subTest(path=path, parameters=parameters):
                self.ask(path, 400, **parameters)
        for what in ("metrics", "labels", "top", "series", "overflow", "options", "span-names",
                     "cost", "service-graph", "labels/service/values"):
            for tenant in ("nobody", "<script>", "a/b", ".."):
                with self.subTest(what=what, tenant=tenant):
                    self.about(what, tenant, status=404)

    def test_what_is_not_there_or_cannot_be_read_gets_an_error_in_json(self):
        self.start({})
        for path, status in (("", 404), ("nothing", 404), ("overview/", 404),
                             ("tenants/", 404), ("tenants/single-tenant", 404),
                             ("tenants/single-tenant/nothing", 404),
                             ("tenants/single-tenant/metrics/values", 404),
                             ("tenants/single-tenant/labels/a.b/values", 404),
                             ("tenants/single-tenant/%zz", 400), ("tenants/%ff/metrics", 400),
                             ("tenants/%", 400), ("tenants?limit=%f", 400),
                             ("tenants?cursor=%c0%80", 400)):
            with self.subTest(path):
                got, headers, body = self.server.get(API + path)
                self.assertEqual((got, headers["Content-Type"]), (status, "application/json"))
                check({"$ref": "#/components/schemas/Error"}, json.loads(body))

    def test_the_configuration_is_shown_without_secrets_and_with_its_last_reload(self):
        with Receiver() as receiver:
            receiver_table = {"url": receiver.url, "name": "there",
                              "basic_auth": {"username": "u", "password": "hunter2"}}
            self.start({"remote_write": [receiver_table]})
            config = self.ask("config")
            self.assertNotIn("hunter2", config["toml"])
            self.assertIn("<secret>", config["toml"])
            self.assertEqual((config["last_reload"]["success"], config["restart_needed_for"]),
                             (True, []))
            self.server.configure({"remote_write": [receiver_table],
                                   "http": {"openmetrics_created": True}})
            self.server.hang_up()
            config = harness.wait_until(
                lambda: (lambda c: c if not c["last_reload"]["success"] else None)(
                    self.ask("config")), "the failed reload")
            self.assertEqual(config["restart_needed_for"], ["http"])
            self.assertIn("http", config["last_reload"]["problem"])
            self.assertTrue(any(warning["severity"] == "critical"
                                for warning in self.ask("overview")["warnings"]))

    def test_costs_are_estimated_from_what_is_alive(self):
        self.start({"generator": {"processors": ["span-metrics-count"]}})
        for service in ("a", "b"):
            self.send("x", "y", "z", service=service)
        self.assertEqual(self.about("cost")["current"], {"label_sets": 6, "series": 6})
        self.assertEqual(self.about("cost")["estimate"], {"label_sets": 6, "series": 6})
        self.assertEqual(self.about("cost", keep="service")["estimate"]["series"], 2)
        self.assertEqual(self.about("cost", keep="service", add=["region:5", "zone:3"])["estimate"],
                         {"label_sets": 30, "series": 30})


if __name__ == "__main__":
    unittest.main()
