"""Several tenants in the real process, and what scrapers and tools make of their metrics."""

import re
import subprocess
import time
import unittest

import grpc
import prometheus_client.openmetrics.parser

import harness
import otlp_wire
from prometheus_server import Prometheus

CALLS = "traces_spanmetrics_calls_total"
BUCKET = "traces_spanmetrics_latency_bucket"
TABLES = {
    "tenancy": {"enabled": True, "max_tenants": 2},
    "generator": {"processors": ["span-metrics"]},
    "tenants.b": {"processors": ["span-metrics-latency", "service-graphs", "host-info"]},
    "tenants.b.span_metrics": {"histogram_buckets": [0.5, 2], "dimensions": ["shop"]},
}


def request(*names):
    """Root server spans of 1 s with these names."""
    spans = [otlp_wire.encode_span(name, time.time_ns(), 1.0, attributes={"shop": "north"})
             for name in names]
    return otlp_wire.encode_request({"service.name": "web", "host.id": "h1"}, spans)


class TenantsTest(unittest.TestCase):

    def start(self, tables):
        self.server = harness.Spanmeter(tables)
        self.addCleanup(self.server.close)
        self.server.start()

    def send(self, tenant, *names):
        code, message, _ = self.server.export(request(*names), [("x-scope-orgid", tenant)])
        self.assertEqual((code.name, message), ("OK", ""))

    def own(self, name, **labels):
        return harness.sum_of(self.server.series("/metrics/self"), name, **labels)

    def start_two(self):
        self.start(TABLES)
        self.send("a", "op", "op")
        self.send("b", "op", "op", "op")

    def test_one_scrape_shows_all_tenants_each_with_its_label(self):
        self.start_two()
        a = {"tenant": "a", "service": "web", "span_name": "op", "span_kind": "SPAN_KIND_SERVER",
             "status_code": "STATUS_CODE_UNSET"}
        b = {**a, "tenant": "b", "shop": "north"}
        edge = {"tenant": "b", "client": "user", "server": "web",
                "connection_type": "virtual_node"}
        for path in ("/metrics", "/metrics/generated"):
            series = self.server.series(path)
            self.assertEqual({key: value for key, value in series.items() if key[0] == CALLS},
                             {harness.key_of(CALLS, **a): 2})
            self.assertEqual(
                {dict(labels)["le"]: value for (name, labels), value in series.items()
                 if name == BUCKET and ("tenant", "b") in labels},
                {"0.5": 0, "2.0": 3, "inf": 3})
            self.assertEqual(series[harness.key_of(BUCKET, le="2", **b)], 3)
            # The default buckets: 14 and the one for everything.
            self.assertEqual(sum(name == BUCKET and ("tenant", "a") in labels
                                 for name, labels in series), 15)
            self.assertEqual(series[harness.key_of(BUCKET, le="1.024", **a)], 2)
            self.assertEqual(series[harness.key_of(BUCKET, le="0.512", **a)], 0)
            self.assertEqual(
                series[harness.key_of("traces_service_graph_request_total", **edge)], 3)
            self.assertEqual(series[harness.key_of("traces_host_info", tenant="b",
                                                   grafana_host_id="h1", host_source="host.id")], 1)
        self.assertEqual(self.own("spanmeter_tenants"), 2)
        self.assertEqual(self.own("spanmeter_max_tenants"), 2)
        self.assertEqual(self.own("spanmeter_spans_received_total", tenant="a"), 2)
        self.assertEqual(self.own("spanmeter_spans_received_total", tenant="b"), 3)

    def test_tools_are_content_with_a_scrape_of_tenants_with_different_settings(self):
        self.start_two()
        for accept in (harness.TEXT, harness.OPENMETRICS):
            described = re.findall(r"^# (?:HELP|TYPE) \S+", self.server.scrape("/metrics", accept),
                                   re.M)
            self.assertEqual(len(described), len(set(described)), accept)
            self.assertIn("# TYPE traces_spanmetrics_latency", described)
        result = subprocess.run(["promtool", "check", "metrics"],
                                input=self.server.scrape("/metrics").encode(),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                timeout=60)
        self.assertEqual((result.returncode, result.stdout.decode()), (0, ""))
        families = {
            family.name: family for family in
            prometheus_client.openmetrics.parser.text_string_to_metric_families(
                self.server.scrape("/metrics", harness.OPENMETRICS))}
        self.assertEqual(
            {(sample.labels["tenant"], sample.value)
             for sample in families["traces_spanmetrics_latency"].samples
             if sample.name.endswith("_count")}, {("a", 2), ("b", 3)})
        self.assertEqual([(sample.labels["tenant"], sample.value)
                          for sample in families["traces_spanmetrics_calls"].samples], [("a", 2)])

    def test_one_tenant_can_be_scraped_alone(self):
        self.start_two()
        series = self.server.series("/metrics/generated?tenant=b")
        everything = self.server.series("/metrics/generated")
        self.assertEqual(series, {key: value for key, value in everything.items()
                                  if ("tenant", "b") in key[1]})
        self.assertTrue(series)
        self.assertEqual(self.server.series("/metrics?tenant=b"), series)
        for path in ("/metrics", "/metrics/generated"):
            self.assertEqual(self.server.get(f"{path}?tenant=nobody")[0], 404)
            self.assertEqual(self.server.get(f"{path}?tenant=")[0], 404)

    def test_prometheus_scrapes_all_tenants_or_one(self):
        self.start_two()
        one = ("metrics_path: /metrics/generated", "params: {tenant: [a]}")
        count = "traces_spanmetrics_latency_count"
        with Prometheus(self.server, ["exemplar-storage"]) as of_all, \
                Prometheus(self.server, ["exemplar-storage"], scrape_options=one) as of_one:
            harness.wait_until(lambda: of_all.value(f"sum({count})") == 5, "a scrape of all")
            harness.wait_until(lambda: of_one.value(f"sum({count})") == 2, "a scrape of one")
            for tenant, expected in (("a", 2), ("b", 3)):
                self.assertEqual(of_all.value(f'{count}{{tenant="{tenant}"}}'), expected)
            # Quantiles in (0.512, 1.024] and (0.5, 2].
            for tenant, expected in (("a", 0.768), ("b", 1.25)):
                self.assertAlmostEqual(of_all.value(
                    f'histogram_quantile(0.5, {BUCKET}{{tenant="{tenant}"}})'), expected)
            self.assertEqual(of_all.value("spanmeter_tenants"), 2)
            self.assertEqual(of_one.value(f'{count}{{tenant="a"}}'), 2)
            self.assertIsNone(of_one.value('count({tenant="b"})'))
            for prometheus in (of_all, of_one):
                self.assertEqual(prometheus.target()["lastError"], "")

    def refusal(self, *metadata):
        """The error that a request with this metadata is answered with."""
        with grpc.insecure_channel(self.server.grpc_address) as channel:
            call = channel.unary_unary(harness.EXPORT_METHOD)
            with self.assertRaises(grpc.RpcError) as refused:
                call(request("op"), timeout=harness.DEADLINE_SECONDS, metadata=metadata)
        return refused.exception

    def test_requests_without_a_tenant_that_has_a_place_are_refused_and_counted(self):
        self.start_two()
        before = self.server.series()
        for metadata in ((), (("x-scope-orgid", ""),), (("x-scope-orgid", "a/b"),),
                         (("x-scope-orgid", ".."),), (("x-scope-orgid", "x" * 151),),
                         (("x-scope-orgid", "a"), ("x-scope-orgid", "b"))):
            with self.subTest(metadata):
                self.assertEqual(self.refusal(*metadata).code(), grpc.StatusCode.UNAUTHENTICATED)
        error = self.refusal(("x-scope-orgid", "c"))
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("tenancy.max_tenants = 2", error.details())
        # With details a client would try again, and again in vain.
        self.assertNotIn("grpc-status-details-bin", dict(error.trailing_metadata()))

        for reason, expected in (("missing", 1), ("invalid", 5), ("too_many", 1)):
            self.assertEqual(self.own("spanmeter_tenant_refusals_total", reason=reason), expected)
        self.assertEqual(self.own("spanmeter_otlp_requests_total", code="UNAUTHENTICATED"), 6)
        self.assertEqual(self.own("spanmeter_otlp_requests_total", code="RESOURCE_EXHAUSTED"), 1)
        self.assertEqual(self.own("spanmeter_tenants"), 2)
        self.assertEqual(self.own("spanmeter_spans_received_total"), 5)
        self.assertEqual(self.server.series(), before)

    def test_a_flood_of_one_tenant_changes_nothing_for_another(self):
        self.start({
            "tenancy": {"enabled": True},
            # 19 series a label set: 5 of them.
            "generator": {"max_active_series": 95},
        })
        self.send("quiet", "op", "other")
        self.send("loud", "op")
        quiet = self.server.series("/metrics/generated?tenant=quiet")
        for i in range(10):
            self.send("loud", *(f"op {i} {j}" for j in range(100)))
        self.assertEqual(self.server.series("/metrics/generated?tenant=quiet"), quiet)
        self.assertEqual(self.own("spanmeter_registry_updates_limited_total", tenant="quiet"), 0)
        # There is still a place for the quiet one's next.
        self.send("quiet", "op", "third")
        series = self.server.series("/metrics/generated?tenant=quiet")
        self.assertEqual({dict(labels)["span_name"]: value
                          for (name, labels), value in series.items() if name == CALLS},
                         {"op": 2, "other": 1, "third": 1})

        loud = self.server.series("/metrics/generated?tenant=loud")
        self.assertEqual(harness.sum_of(loud, CALLS), 1001)
        self.assertEqual(harness.sum_of(loud, CALLS, metric_overflow="true"),
                         self.own("spanmeter_registry_updates_limited_total", tenant="loud"))
        self.assertEqual(harness.sum_of(loud, CALLS, metric_overflow="true"), 1001 - 5)
        self.assertEqual(self.own("spanmeter_registry_active_series", tenant="loud"), 95)


if __name__ == "__main__":
    unittest.main()
