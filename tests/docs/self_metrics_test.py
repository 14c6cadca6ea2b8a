"""Compares the README's table of self metrics with what the running program exposes."""

import os
import pathlib
import re
import sys
import unittest

from prometheus_client.parser import text_string_to_metric_families

TREE = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
sys.path.insert(0, str(TREE / "tests" / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

ROW = re.compile(r"^\| `((?:spanmeter|process)_\w+)` \| (\w+) \|(.*?)\| (.+) \|$", re.MULTILINE)


# All that has metrics of its own is switched on. Span names are grouped for one tenant, the other
# only sees what grouping would do.
EVERYTHING = {
    "tenancy": {"enabled": True},
    "generator": {
        "processors": ["span-metrics", "service-graphs", "host-info"],
        "max_cardinality_per_label": 10,
        "span_name_sanitization": "enabled",
        "ingestion_time_range_slack": "0s",
        "collection_interval": "1s",
    },
    "storage": {"path": "storage"},
    # Nobody is there, which is counted as well.
    "remote_write": [{"url": "http://127.0.0.1:1/api/v1/write",
                      "queue_config": {"batch_send_deadline": "0s"}}],
    "forward": [{"endpoint": "http://127.0.0.1:1", "name": "nobody",
                 "queue_config": {"spill": True}}],
    "tenants.two": {"span_name_sanitization": "dry_run"},
}

# One span with the ids and the name that it takes to be counted: ExportTraceServiceRequest >
# ResourceSpans > ScopeSpans > Span.
SPAN = b"\x0a\x27\x12\x25\x12\x23\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + b"\x2a\x05a b c"


def documented():
    """Returns {name: (type, labels)} from the table."""
    table = {}
    for name, kind, labels, _ in ROW.findall((TREE / "README.md").read_text(encoding="utf-8")):
        if name in table:
            raise AssertionError(f"{name} stands in the README twice")
        table[name] = (kind, frozenset(re.findall(r"`(\w+)`", labels)))
    return table


def exposed(text):
    """Returns {name: (type, labels)} of a scrape in the text format."""
    families = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = set()
        for sample in family.samples:
            labels.update(sample.labels)
        families[name] = (family.type, frozenset(labels - {"le"}))
    return families


class SelfMetricsTableTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with harness.Spanmeter(EVERYTHING) as spanmeter:
            # One good and one broken request for each tenant, so that everything that counts them
            # is there; and a scrape before the one that is compared.
            for tenant in ("one", "two"):
                for request in (SPAN, b"\xff"):
                    spanmeter.export(request, [("x-scope-orgid", tenant)])
            spanmeter.scrape("/metrics")
            harness.wait_until(lambda: "_sent_batch_" in spanmeter.scrape("/metrics/self"),
                               "an attempt to push")
            cls.exposed = exposed(spanmeter.scrape("/metrics/self"))

    def test_each_exposed_metric_is_documented_with_its_type_and_labels(self):
        self.assertEqual({}, dict(self.exposed.items() - documented().items()))

    def test_each_documented_metric_is_exposed(self):
        self.assertEqual({}, dict(documented().items() - self.exposed.items()))

    def test_the_table_was_found(self):
        self.assertGreater(len(documented()), 20)
        self.assertIn("spanmeter_spans_received_total", documented())


if __name__ == "__main__":
    unittest.main()
