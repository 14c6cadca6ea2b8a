"""The queries of Jaeger's Monitor tab find their metrics, with naming = "otel".

Jaeger is not run. Its reader of Prometheus puts three queries together, for latencies, call rates
and error rates, by service or by service and operation; here are queries of the same form, which a
real Prometheus answers from scrapes of the real process. Jaeger is told with normalize_calls and
normalize_duration that names have their suffixes, as they have behind the Collector's exporter.
"""

import time
import unittest

import harness
import otlp_wire
from prometheus_server import Prometheus

SERVER, CLIENT = 2, 3
OK, ERROR = 0, 2

# (service, operation, kind, status): durations in seconds.
SPANS = {
    # Half in (10, 50] ms, half in (100, 200] ms, and a quarter of as many failures in between.
    ("checkout", "POST /order", SERVER, OK): [0.03] * 2 + [0.15] * 2,
    ("checkout", "POST /order", SERVER, ERROR): [0.06],
    ("checkout", "GET /cart", SERVER, OK): [0.003] * 3,
    # Not asked for: it is of another kind.
    ("checkout", "pay", CLIENT, OK): [1.2] * 2,
    ("shipping", "GET /quote", SERVER, OK): [0.009] * 12,
}
# They come once, and then so many times.
TIMES = 25
CALLS = "traces_span_metrics_calls_total"
LOOKBACK = "10m"


class Monitor:
    """Builds the queries and asks Prometheus over a range, as Jaeger does."""

    def __init__(self, prometheus, unit, services, by_operation):
        self._prometheus = prometheus
        self._duration = f"traces_span_metrics_duration_{unit}"
        kinds = "SPAN_KIND_SERVER"
        self._filters = f'service_name =~ "{"|".join(services)}"', f'span_kind =~ "{kinds}"'
        self._groups = ["service_name"] + (["span_name"] if by_operation else [])

    def _rate(self, metric, *more, groups=()):
        service, kind = self._filters
        selector = ", ".join([service, *more, kind])
        by = ",".join([*self._groups, *groups])
        return f"sum(rate({metric}{{{selector}}}[{LOOKBACK}])) by ({by})"

    def latencies(self, quantile):
        buckets = self._rate(f"{self._duration}_bucket", groups=["le"])
        return self._ask(f"histogram_quantile({quantile:.2f}, {buckets})")

    def call_rates(self):
        return self._ask(self._rate(CALLS))

    def error_rates(self):
        failed = self._rate(CALLS, 'status_code = "STATUS_CODE_ERROR"')
        return self._ask(f"{failed} / {self._rate(CALLS)}")

    def _ask(self, query):
        """The newest value of each line of the graph, by its labels in order."""
        now = time.time()
        result = self._prometheus.api("query_range", query=query, start=now - 60, end=now, step=5)
        return {tuple(line["metric"].get(group, "") for group in self._groups):
                float(line["values"][-1][1]) for line in result["result"]}


def send(server, spans):
    now = time.time_ns()
    for (service, name, kind, status), durations in spans.items():
        encoded = [otlp_wire.encode_span(name, now, seconds, kind=kind, status=status)
                   for seconds in durations]
        code, message, _ = server.export(
            otlp_wire.encode_request({"service.name": service}, encoded))
        if code.name != "OK":
            raise AssertionError(f"spans are refused: {code} {message}")


class JaegerMonitorTest(unittest.TestCase):

    def check(self, program, unit, long_unit, per_second):
        tables = {"generator": {"naming": "otel"},
                  "generator.span_metrics": {"histogram_unit": unit}}
        with harness.Spanmeter(tables) as server, \
                Prometheus(server, ["exemplar-storage"], program) as prometheus:
            # First samples, from which the others are counted. rate() extrapolates by the ratio
            # of the two, so that it is the same for all.
            once = sum(map(len, SPANS.values()))
            send(server, SPANS)
            harness.wait_until(lambda: prometheus.value(f"sum({CALLS})") == once,
                               "the first scrape")
            send(server, {key: durations * TIMES for key, durations in SPANS.items()})
            harness.wait_until(lambda: prometheus.value(f"sum({CALLS})") == once * (1 + TIMES),
                               "the second scrape")
            by_service = Monitor(prometheus, long_unit, ["checkout", "shipping"], False)
            by_operation = Monitor(prometheus, long_unit, ["checkout"], True)
            self.check_rates(by_service, by_operation)
            self.check_latencies(by_service, by_operation, per_second)

    def check_rates(self, by_service, by_operation):
        services = by_service.call_rates()
        self.assertEqual(set(services), {("checkout",), ("shipping",)})
        self.assertAlmostEqual(services["checkout",] / services["shipping",], 8 / 12)
        self.assertGreaterEqual(services["shipping",] * 600, 12 * TIMES - 0.01)
        operations = by_operation.call_rates()
        self.assertEqual(set(operations),
                         {("checkout", "POST /order"), ("checkout", "GET /cart")})
        self.assertAlmostEqual(
            operations["checkout", "POST /order"] / operations["checkout", "GET /cart"], 5 / 3)
        # Services without a failure are not there: Jaeger makes zeros of that.
        self.assertAlmostEqual(by_service.error_rates().pop(("checkout",)), 1 / 8)
        self.assertEqual(set(by_service.error_rates()), {("checkout",)})
        self.assertAlmostEqual(by_operation.error_rates()["checkout", "POST /order"], 1 / 5)

    def check_latencies(self, by_service, by_operation, per_second):
        for quantile, expected_ms in (
                # Half of those in (10, 50], half of those in (50, 100], seven eighths of those in
                # (100, 200].
                (0.20, 30), (0.50, 75), (0.95, 187.5)):
            found = by_operation.latencies(quantile)["checkout", "POST /order"]
            self.assertAlmostEqual(found, expected_ms / 1000 * per_second, places=6)
        # All in (8, 10].
        self.assertAlmostEqual(by_service.latencies(0.5)["shipping",], 9 / 1000 * per_second,
                               places=6)

    def test_milliseconds_which_are_the_default_of_both(self):
        for program in ("prometheus", "prometheus3"):
            with self.subTest(program):
                self.check(program, "ms", "milliseconds", 1000)

    def test_seconds(self):
        self.check("prometheus", "s", "seconds", 1)


if __name__ == "__main__":
    unittest.main()
