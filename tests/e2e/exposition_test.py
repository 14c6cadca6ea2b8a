"""What other people's tools say of a scrape of the real spanmeter."""

import gzip
import subprocess
import time
import unittest

import prometheus_client.openmetrics.parser
import prometheus_client.parser

import harness
import otlp_wire

# Values that break writers which do not escape.
NAMES = ["plain", 'say "hi"', "back\\slash", "new\nline", "naïve ☃ 😀", "a{b=\"c\"} 1 # x", " ", ""]


class ExpositionTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Spanmeter({"generator.span_metrics": {"enable_target_info": True}})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        spans = [otlp_wire.encode_span(name, time.time_ns(), trace_id=bytes([i + 1] * 16))
                 for i, name in enumerate(NAMES)]
        code, message, _ = cls.server.export(otlp_wire.encode_request(
            {"service.name": "exposed", "host.name": 'h"1"'}, spans))
        if code.name != "OK":
            raise AssertionError(message)

    def check_names(self, families):
        counted = {sample.labels.get("span_name", ""): sample.value for family in families
                   for sample in family.samples
                   if sample.name == "traces_spanmetrics_calls_total"}
        self.assertEqual(counted, {name: 1 for name in NAMES})

    def test_promtool_is_content_with_everything(self):
        for path in ("/metrics", "/metrics/generated", "/metrics/self"):
            text = self.server.scrape(path)
            result = subprocess.run(["promtool", "check", "metrics"], input=text.encode(),
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                    timeout=60)
            self.assertEqual((result.returncode, result.stdout.decode()), (0, ""), path)

    def test_openmetrics_passes_the_reference_parser(self):
        for path in ("/metrics", "/metrics/generated", "/metrics/self"):
            text = self.server.scrape(path, harness.OPENMETRICS)
            families = list(
                prometheus_client.openmetrics.parser.text_string_to_metric_families(text))
            if path != "/metrics/self":
                self.check_names(families)

    def test_openmetrics_has_an_exemplar_for_each_trace(self):
        text = self.server.scrape("/metrics/generated", harness.OPENMETRICS)
        families = prometheus_client.openmetrics.parser.text_string_to_metric_families(text)
        traces = {sample.exemplar.labels["traceID"] for family in families
                  for sample in family.samples if sample.exemplar}
        self.assertEqual(traces, {bytes([i + 1] * 16).hex() for i in range(len(NAMES))})

    def test_the_text_format_passes_the_reference_parser(self):
        families = list(prometheus_client.parser.text_string_to_metric_families(
            self.server.scrape("/metrics/generated")))
        self.check_names(families)

    def test_everything_is_the_sum_of_its_halves(self):
        def names(path):
            return {sample.name for sample in harness.parse_samples(self.server.scrape(path))}
        generated, own = names("/metrics/generated"), names("/metrics/self")
        self.assertFalse(generated & own)
        self.assertEqual(names("/metrics"), generated | own)

    def test_a_compressed_scrape_is_the_same(self):
        status, headers, body = self.server.get("/metrics/generated", Accept=harness.TEXT,
                                                Accept_Encoding="gzip")
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        self.assertEqual(gzip.decompress(body).decode(), self.server.scrape("/metrics/generated"))


if __name__ == "__main__":
    unittest.main()
