"""What the dashboards and rules are tried on: real processes with traffic, and a Prometheus."""

import contextlib
import itertools
import os
import signal
import threading
import time

import dashboards

# The helpers of the tests in tests/e2e.
import harness
import loadgen
import otlp_wire
import span_sink
import prometheus_server
import victoria_metrics
import write_receiver

CLIENT, SERVER = 3, 2
ERROR = 2
PARENT = b"\x22\x08"  # tag and length of Span.parent_span_id


class Environment:
    """A spanmeter, a Prometheus that scrapes it and evaluates all rules every second, and traffic.

    Use as a context manager; the traffic goes on until the end.
    """

    def __init__(self, name, tables, features, program):
        self.name = name
        self._tables = tables
        self._features = features
        self._program = program
        self._stack = contextlib.ExitStack()
        self.server = self.prometheus = None

    def __repr__(self):
        return self.name

    def __enter__(self):
        with self._stack:
            self.server = self._stack.enter_context(harness.Spanmeter(self.tables()))
            self.prometheus = self._stack.enter_context(
                prometheus_server.Prometheus(self.server, self._features, self._program))
            self._configure_prometheus()
            self._start_traffic(self._stack)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def tables(self):
        """The configuration of spanmeter."""
        return self._tables

    def further_config(self):
        """Further lines of that of Prometheus."""
        return ""

    def _start_traffic(self, stack):
        raise NotImplementedError

    def _configure_prometheus(self):
        """Adds the rules and what else there is to what it was started with."""
        config = f"{self.prometheus.directory}/prometheus.yml"
        with open(config, encoding="utf-8") as file:
            text = file.read().replace(
                "scrape_interval: 1s\n", "scrape_interval: 1s\n  evaluation_interval: 1s\n", 1)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text + f"rule_files: ['{dashboards.RULES}/*.yml']\n" + self.further_config())
        os.kill(self.prometheus.process.pid, signal.SIGHUP)
        harness.wait_until(lambda: self.prometheus.api("rules")["groups"], "the rules")

    def names(self):
        """The names of all metrics that Prometheus has."""
        return set(self.prometheus.api("label/__name__/values"))


class Shop(Environment):
    """The defaults, and service graphs: one tenant, classic histograms, no limits, only scraped.

    By Debian 12's Prometheus, which hands everything on to a VictoriaMetrics.
    """

    def __init__(self):
        super().__init__("shop", {"generator": {"processors": ["span-metrics", "service-graphs"]}},
                         ["exemplar-storage"], "prometheus")
        self._victoria = self._stack.enter_context(victoria_metrics.VictoriaMetrics())

    @property
    def victoria_metrics(self):
        """Where VictoriaMetrics answers queries."""
        return self._victoria.address

    def further_config(self):
        return f"remote_write:\n  - url: http://{self._victoria.address}/api/v1/write\n"

    def _start_traffic(self, stack):
        stack.enter_context(
            loadgen.Loadgen(self.server, "--scenario", "shop", "--rate", "1500"))


class Everything(Environment):
    """All that has metrics of its own: two tenants, native histograms, limits, remote write,
    a backend for traces.

    With a Prometheus 3, because the older one takes no exemplars of native histograms.
    """

    def __init__(self):
        super().__init__("everything", {
            "tenancy": {"enabled": True},
            "generator": {
                "processors": ["span-metrics", "service-graphs", "host-info"],
                "generate_native_histograms": "native",
                "collection_interval": "1s",
                "max_active_series": 5000,
                "max_cardinality_per_label": 20,
                "span_name_sanitization": "enabled",
            },
            "tenants.two": {"span_name_sanitization": "dry_run", "limiter_type": "entity",
                            "max_active_series": 0, "max_active_entities": 1000},
        }, ["exemplar-storage", "native-histograms"], "prometheus3")
        self._receiver = self._stack.enter_context(write_receiver.Receiver())
        self._backend = self._stack.enter_context(span_sink.Sink("grpc"))

    def tables(self):
        return {**self._tables, "remote_write": [
            {"name": "receiver", "url": self._receiver.url,
             "queue_config": {"batch_send_deadline": "0s"}}],
            "forward": [{"name": "backend", "endpoint": self._backend.endpoint}]}

    def _start_traffic(self, stack):
        done = threading.Event()
        thread = threading.Thread(target=self._send, args=(done,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(done.set)

    def _send(self, done):
        """Requests from "web" to "cart" for both tenants; every fifth fails, names have ids."""
        for number in itertools.count():
            for tenant in ("one", "two"):
                for service, span in self._call(number, 100 if tenant == "one" else 101):
                    self.server.export(otlp_wire.encode_request(
                        {"service.name": service, "host.id": "h1"}, [span]),
                        [("x-scope-orgid", tenant)])
            if done.wait(0.02):
                return

    @staticmethod
    def _call(number, tenant):
        now = time.time_ns()
        trace_id = number.to_bytes(8, "big") + tenant.to_bytes(8, "big")
        client_id, server_id = ((number * 2 + i).to_bytes(8, "big") for i in (1, 2))
        status = ERROR if number % 5 == 0 else 0
        name = f"GET /carts/{number % 50}"
        client = otlp_wire.encode_span(name, now, 0.05, trace_id, client_id, CLIENT, status)
        server = otlp_wire.encode_span(name, now, 0.04, trace_id, server_id, SERVER, status)
        return [("web", client), ("cart", server + PARENT + client_id)]
