"""Reloading the configuration of the real process, by SIGHUP and by HTTP."""

import re
import subprocess
import time
import unittest

import harness
import loadgen
import otlp_wire

CALLS = "traces_spanmetrics_calls_total"
RELOADED = "configuration reloaded"


def counted(server, **labels):
    return harness.sum_of(server.series(), CALLS, **labels)


def own(server, name, **labels):
    return harness.sum_of(server.series("/metrics/self"), name, **labels)


def reloads(server, result):
    return own(server, "spanmeter_config_reloads_total", result=result)


class ReloadTest(unittest.TestCase):

    def start(self, tables=None):
        self.tables = {"http": {"enable_lifecycle": True}, **(tables or {})}
        self.server = harness.Spanmeter(self.tables)
        self.addCleanup(self.server.close)
        self.server.start()

    def send(self, *names, attributes=None):
        spans = [otlp_wire.encode_span(name, time.time_ns(), attributes=attributes)
                 for name in names]
        code, message, _ = self.server.export(
            otlp_wire.encode_request({"service.name": "shop", "host.id": "h1"}, spans))
        self.assertEqual((code.name, message), ("OK", ""))

    def configure(self, tables):
        self.server.configure({**self.tables, **tables})

    def hang_up(self, result):
        """Reloads by SIGHUP, which must have this result."""
        before = reloads(self.server, result)
        self.server.hang_up()
        harness.wait_until(lambda: reloads(self.server, result) > before, f"a reload: {result}")

    def post(self):
        status, _, body = self.server.post("/-/reload", X_Requested_With="test")
        return status, body.decode()

    def check_changes(self, reload_now):
        self.start()
        self.send("a", "b")
        self.configure({
            "log": {"level": "error"},
            # 19 series a label set: there is room for the two that are there.
            "generator": {"max_active_series": 38},
            "generator.span_metrics.filter_policies": [
                {"exclude": {"match_type": "strict",
                             "attributes": [{"key": "name", "value": "noise"}]}}],
        })
        reload_now()
        self.assertEqual(counted(self.server), 2)
        self.send("a", "noise", "new")
        self.assertEqual(counted(self.server, span_name="a"), 2)
        self.assertEqual(counted(self.server, span_name="b"), 1)
        self.assertEqual(counted(self.server, span_name="noise"), 0)
        self.assertEqual(counted(self.server, metric_overflow="true"), 1)
        self.assertEqual(own(self.server, "spanmeter_spans_received_total"), 5)
        self.assertEqual(own(self.server, "spanmeter_spans_discarded_total", reason="filtered",
                             processor="span-metrics"), 1)
        self.assertEqual(own(self.server, "spanmeter_registry_max_active_series"), 38)

        # And back. The level of the log has changed in between: it is silent about that reload.
        self.configure({})
        reload_now()
        self.send("a", "noise", "new")
        self.assertEqual(counted(self.server, span_name="a"), 3)
        self.assertEqual(counted(self.server, span_name="noise"), 1)
        self.assertEqual(counted(self.server, span_name="new"), 1)
        self.assertEqual(counted(self.server, metric_overflow="true"), 1)
        self.assertEqual(counted(self.server), 7)
        self.assertEqual(own(self.server, "spanmeter_spans_received_total"), 8)
        self.assertEqual(own(self.server, "spanmeter_spans_discarded_total", reason="filtered",
                             processor="span-metrics"), 1)
        harness.wait_until(lambda: RELOADED in self.server.log(), "a word on the reload")
        self.assertEqual(self.server.log().count(RELOADED), 1)
        self.assertEqual(reloads(self.server, "success"), 2)
        self.assertEqual(reloads(self.server, "failure"), 0)

    def test_sighup_changes_limits_filters_and_log_level_and_keeps_all_counters(self):
        self.check_changes(lambda: self.hang_up("success"))

    def test_http_changes_limits_filters_and_log_level_and_keeps_all_counters(self):
        self.check_changes(lambda: self.assertEqual(self.post(), (200, "reloaded\n")))

    def last_reload(self):
        return (own(self.server, "spanmeter_config_last_reload_successful"),
                own(self.server, "spanmeter_config_last_reload_success_timestamp_seconds"))

    def test_a_broken_file_keeps_the_configuration_and_is_reported_with_file_and_line(self):
        self.start({"generator.span_metrics": {"dimensions": ["shop"]}})
        self.send("a", attributes={"shop": "north"})
        successful, loaded = self.last_reload()
        self.assertEqual(successful, 1)

        self.server.write_config("[http]\n"
                                 "enable_lifecycle = true\n"
                                 "[generator]\n"
                                 "max_active_series = -1\n"
                                 "max_active_serious = 10\n")
        status, body = self.post()
        self.assertEqual(status, 500)
        problems = body.splitlines()
        self.assertEqual(len(problems), 2, body)
        self.assertTrue(problems[0].startswith(f"{self.server.config}:4: "), body)
        self.assertIn("max_active_series", problems[0])
        self.assertTrue(problems[1].startswith(f"{self.server.config}:5: "), body)
        self.assertIn("max_active_serious", problems[1])
        self.assertEqual(self.last_reload(), (0, loaded))
        self.assertEqual(reloads(self.server, "failure"), 1)

        self.hang_up("failure")
        logged = rf"level=error .*cannot reload .*{re.escape(str(self.server.config))}:5: "
        harness.wait_until(lambda: len(re.findall(logged, self.server.log())) == 2,
                           "both failures to be in the log")
        self.assertEqual(self.last_reload(), (0, loaded))
        self.assertEqual(reloads(self.server, "failure"), 2)
        self.send("a", attributes={"shop": "north"})
        self.assertEqual(counted(self.server, shop="north"), 2)

        self.configure({"generator": {"max_active_series": 1000}})
        self.assertEqual(self.post(), (200, "reloaded\n"))
        successful, reloaded = self.last_reload()
        self.assertEqual(successful, 1)
        self.assertGreater(reloaded, loaded)
        self.assertEqual(reloads(self.server, "success"), 1)
        self.assertEqual(own(self.server, "spanmeter_registry_max_active_series"), 1000)
        self.assertEqual(counted(self.server, shop="north"), 2)

    def test_a_file_that_is_gone_keeps_the_configuration(self):
        self.start()
        self.send("a")
        self.server.config.unlink()
        status, body = self.post()
        self.assertEqual(status, 500)
        self.assertIn(str(self.server.config), body)
        self.send("a")
        self.assertEqual(counted(self.server), 2)

    def test_a_change_that_takes_a_restart_is_refused_whole(self):
        self.start()
        for name, tables in (
                ("otlp.grpc", {"otlp.grpc": {"listen": "127.0.0.1:1"}}),
                ("otlp.http", {"otlp.http": {"enabled": False}}),
                ("http", {"http": {"enable_lifecycle": True, "listen": "127.0.0.1:1"}}),
                ("tenancy.enabled", {"tenancy": {"enabled": True}}),
                ("log.format", {"log": {"format": "json"}})):
            with self.subTest(name):
                failures = reloads(self.server, "failure")
                self.configure({**tables, "generator": {"max_active_series": 7}})
                self.assertEqual(self.post(), (500, (
                    f"{self.server.config}: cannot change {name} while running: restart "
                    "spanmeter, or undo the change\n")))
                self.assertEqual(own(self.server, "spanmeter_registry_max_active_series"), 0)
                self.assertEqual(reloads(self.server, "failure"), failures + 1)
                self.assertEqual(self.last_reload()[0], 0)
        self.send("a")
        self.assertEqual(counted(self.server), 1)

    def metrics_that_end(self, times):
        """The metrics that the log names after so many reloads that made some end."""
        named = r'metrics end or begin anew.*metrics=("[^"]*"|\S*)'
        found = harness.wait_until(
            lambda: re.findall(named, self.server.log())[times - 1:], "a word on what ends")
        return set(found[0].strip('"').split(" "))

    def test_a_change_of_dimensions_begins_span_metrics_anew_and_nothing_else(self):
        self.start({"generator": {"processors": ["span-metrics", "service-graphs", "host-info"]}})
        self.send("a", attributes={"peer.service": "browser"})  # no parent: an edge at once
        self.assertEqual(counted(self.server), 1)
        self.configure({"generator.span_metrics": {"dimensions": ["shop"]}})
        self.hang_up("success")
        series = self.server.series()
        self.assertEqual(
            {name for name, _ in series if name.startswith("traces_spanmetrics")}, set())
        self.assertEqual(series[harness.key_of(
            "traces_service_graph_request_total", client="browser", server="shop",
            connection_type="virtual_node")], 1)
        self.assertEqual(harness.sum_of(series, "traces_host_info", grafana_host_id="h1"), 1)
        self.assertEqual(own(self.server, "spanmeter_spans_received_total"), 1)

        self.assertEqual(self.metrics_that_end(1), {
            "single-tenant/traces_spanmetrics_calls_total",
            "single-tenant/traces_spanmetrics_latency",
            "single-tenant/traces_spanmetrics_size_total"})

        self.send("a", attributes={"shop": "north"})
        self.assertEqual(counted(self.server, shop="north"), 1)
        self.assertEqual(counted(self.server), 1)

        # A processor that is taken away takes its series along.
        self.configure({"generator": {"processors": ["span-metrics", "service-graphs"]},
                        "generator.span_metrics": {"dimensions": ["shop"]}})
        self.hang_up("success")
        series = self.server.series()
        self.assertEqual(harness.sum_of(series, "traces_host_info"), 0)
        self.assertEqual(harness.sum_of(series, CALLS), 1)
        self.assertEqual(self.metrics_that_end(2), {"single-tenant/traces_host_info"})

    def test_reloads_under_load_lose_and_double_nothing(self):
        self.start()
        variants = (
            {"generator": {"processors": ["span-metrics", "service-graphs"],
                           "max_active_series": 500}},
            {"generator": {"stale_duration": "1h"},
             "generator.span_metrics.filter_policies": [
                 {"exclude": {"match_type": "regex",
                              "attributes": [{"key": "name", "value": "^no such span$"}]}}]},
            {"generator": {"max_cardinality_per_label": 20, "max_span_multiplier": 10.0}},
            {},
        )
        with loadgen.Loadgen(self.server, "--connections=4", "--batch=50", "--rate=40000",
                             "--spans=120000") as load:
            sent = 0
            while True:
                try:
                    # A signal every 100 ms, until everything is sent.
                    load.process.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    self.configure(variants[sent % len(variants)])
                    self.server.hang_up()
                    sent += 1
            summary = load.summary()
        self.assertEqual((summary["refused"], summary["rejected"]), ({}, 0))
        self.assertEqual(counted(self.server), summary["acknowledged"])
        self.assertEqual(own(self.server, "spanmeter_spans_received_total"),
                         summary["acknowledged"])
        self.assertEqual(reloads(self.server, "failure"), 0)
        # Signals that come while one is pending are one.
        self.assertGreaterEqual(reloads(self.server, "success"), len(variants))

    def test_a_post_that_may_not_reload_changes_nothing(self):
        self.start()
        self.configure({"generator": {"max_active_series": 7}})
        self.assertEqual(self.server.post("/-/reload")[0], 403)
        self.assertEqual(own(self.server, "spanmeter_registry_max_active_series"), 0)
        self.start({"http": {}})
        self.configure({"generator": {"max_active_series": 7}})
        self.assertEqual(self.post()[0], 403)
        self.assertEqual(own(self.server, "spanmeter_registry_max_active_series"), 0)
        self.assertEqual(reloads(self.server, "success"), 0)


if __name__ == "__main__":
    unittest.main()
