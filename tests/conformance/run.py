#!/usr/bin/python3
"""Replays the recorded cases against the real spanmeter.

    run.py [--family FAMILY]... [CASE]...

Each case gets a fresh process, several at a time. Its settings are mapped to TOML, its requests are
sent in order, and what /metrics/generated shows is compared with the expectation: series as sets,
values as doubles, exemplars from an OpenMetrics scrape, native histograms from a protobuf scrape.
What is pushed by remote write, in both versions of the protocol, must be what a scrape shows.
README.md says how cases and differences are kept.

Exit status: 0 all pass, 1 something fails.
"""

import argparse
import concurrent.futures
import json
import math
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import grpc  # noqa: E402  pylint: disable=wrong-import-position

import harness  # noqa: E402  pylint: disable=wrong-import-position
import native  # noqa: E402  pylint: disable=wrong-import-position
import otlp_wire  # noqa: E402  pylint: disable=wrong-import-position
import pushed  # noqa: E402  pylint: disable=wrong-import-position
import sizes  # noqa: E402  pylint: disable=wrong-import-position

CASES = HERE / "cases"
DIFFERENCES = HERE / "differences"
DIFFERENCES_TEXT = HERE / "DIFFERENCES.md"

# Most cases only wait for edges to expire.
CASES_AT_A_TIME = 12
# Shorter pauses are there to keep the order of requests, which an answer of spanmeter does.
SHORT_PAUSE_MS = 500

COLLECTION_INTERVAL_MS = 1000

# The settings of every recording that case.json does not repeat: fixed times from years ago are
# accepted, but not a missing end time.
BASE_GENERATOR = {"ingestion_time_range_slack": "400000h"}

# Processors with something that happens without a request.
WAITING_PROCESSORS = "service-graphs"


class CaseFailure(Exception):
    """What is shown differs from what is expected; the text says how."""


def merge(base, extra):
    """Overriding settings: tables merge by key, everything else is replaced."""
    result = dict(base)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            value = merge(result[key], value)
        result[key] = value
    return result


def settings(case):
    """The tables of the configuration file for a case."""
    config = case["config"]
    generator = dict(BASE_GENERATOR, processors=case["processors"])
    processor_tables = {}
    for key, value in config.get("generator", {}).items():
        name = {"metrics_ingestion_time_range_slack": "ingestion_time_range_slack"}.get(key, key)
        generator[name] = value
    generator.update(config.get("registry", {}))
    for name in ("span_metrics", "service_graphs", "host_info"):
        processor_tables[name] = config.get(name, {})
    for key, value in config.get("overrides", {}).items():
        if key == "processor":
            for name, table in value.items():
                processor_tables[name] = merge(processor_tables.get(name, {}), table)
        else:
            generator[key] = value
    tables = {"generator": generator}
    for name, table in processor_tables.items():
        tables[f"generator.{name}"] = table
    if case.get("multitenancy"):
        tables["tenancy"] = {"enabled": True}
    for tenant, table in case.get("tenants", {}).items():
        tables[f"tenants.{tenant}"] = table
    return tables


class Expectation:
    """What a case must show: the recorded files, or ours where they differ."""

    def __init__(self, name):
        self.name = name
        self.differences = DIFFERENCES / name
        self._check_differences()

    def _check_differences(self):
        if not self.differences.is_dir():
            return
        files = sorted(path.name for path in self.differences.iterdir())
        if not files:
            raise CaseFailure(f"{self.differences} is empty")
        known = {"expected.txt", "expected_exemplars.txt", "expected_responses.txt",
                 "expected_native.json", "expected_error.txt", "expected_initial.txt"}
        for file in files:
            if file not in known and not file.startswith("expected@"):
                raise CaseFailure(f"{self.differences / file} is no file that is compared")
            recorded = self._read(CASES / self.name / file)
            ours = self._read(self.differences / file)
            if sorted(recorded.split("\n")) == sorted(ours.split("\n")):
                raise CaseFailure(f"{self.differences / file} says what the recording says: "
                                  "remove it")

    @staticmethod
    def _read(path):
        if not path.exists():
            return ""
        return path.read_bytes().decode("utf-8", "surrogateescape")

    def text(self, file):
        """The contents of an expected file, empty when nothing is expected."""
        ours = self.differences / file
        return self._read(ours if ours.exists() else CASES / self.name / file)

    def error(self):
        """The messages with which spanmeter refuses the configuration, or None."""
        text = self.text("expected_error.txt")
        return text.rstrip("\n").split("\n") if text else None

    def series(self):
        return harness.series_of(harness.parse_samples(self.text("expected.txt")))

    def tenants(self):
        """{tenant: series} where there are several."""
        return {path.name[len("expected@"):-len(".txt")]:
                harness.series_of(harness.parse_samples(self.text(path.name)))
                for path in sorted((CASES / self.name).glob("expected@*.txt"))}

    def native(self):
        return native.recorded(self.text("expected_native.json"))

    def exemplars(self):
        """Those on classic buckets, and those of native histograms."""
        exemplars = exemplars_of(harness.parse_samples(self.text("expected_exemplars.txt")))
        of_native = {exemplar for exemplar in exemplars if exemplar[0] in self.native()}
        return exemplars - of_native, of_native

    def responses(self):
        """{file: status}; the messages of the recordings are not compared."""
        expected = {}
        for line in self.text("expected_responses.txt").splitlines():
            file, status, *rest = line.split(" ")
            if status == "HTTP":
                status += " " + rest.pop(0)
            if rest and rest[0].startswith("rejected="):
                status += " " + rest[0]
            expected[file] = status
        return expected


def exemplars_of(samples):
    return {(sample.key, frozenset(sample.exemplar[0].items()), sample.exemplar[1])
            for sample in samples if sample.exemplar}


def check_refused(case, expected):
    """Fails unless spanmeter refuses the configuration with these messages, one a line.

    Only their beginnings are given: hints may change as there is more to choose from.
    """
    status, messages = check_config(case)
    if status != 1:
        raise CaseFailure(f"the configuration must be refused with exit status 1, not {status}")
    # Paths and lines are tests/config's business.
    found = [re.sub(r"^\S+?\.toml:(\d+: )?", "", line).strip() for line in messages]
    if len(found) != len(expected) or not all(map(str.startswith, found, expected)):
        raise CaseFailure("the configuration is refused with\n  " + "\n  ".join(found)
                          + "\nexpected is\n  " + "\n  ".join(expected))


def check_config(case):
    """Runs spanmeter --check-config; returns its exit status and what it says."""
    server = harness.Spanmeter(settings(case))
    try:
        result = subprocess.run(
            [harness.spanmeter_binary(), f"--config.file={server.config}", "--check-config"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        return result.returncode, result.stdout.decode().splitlines()
    finally:
        server.close()


def send(case, directory, server):
    """Sends the requests of a case; returns [(file, status)] and the requests that counted."""
    responses = []
    sent = []
    for request in case["requests"]:
        body = (directory / request["file"]).read_bytes()
        if case.get("relative_time"):
            body = otlp_wire.shift_times(body, time.time_ns() - case["time_base_unix_nano"])
        metadata = request.get("metadata", {})
        if request.get("transport") == "http":
            http_status, _, reply = server.export_http(body, **metadata)
            status, accepted = f"HTTP {http_status}", http_status == 200
        else:
            code, _, reply = server.export(
                body, [(key.lower(), value) for key, value in metadata.items()])
            status, accepted = code.name, code == grpc.StatusCode.OK
        rejected = otlp_wire.rejected_spans(reply)
        if rejected:
            status += f" rejected={rejected}"
        if accepted:
            sent.append(body)
        responses.append((request["file"], status))
        pause_ms = request["pause_after_ms"]
        # The recordings of initial zeros had to wait for more than a minute; ours need not.
        if pause_ms > SHORT_PAUSE_MS and not case.get("record_initial_zero"):
            time.sleep(pause_ms / 1000)
    return responses, sent


def settle(case):
    """Waits until edges that wait for their other side have expired."""
    if any(name.startswith(WAITING_PROCESSORS) for name in case["processors"]):
        time.sleep(case["settle_ms"] / 1000)


def equal(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def compare_series(expected, found):
    problems = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        if key not in found:
            problems.append(f"missing    {harness.format_key(key)} {expected[key]!r}")
        elif key not in expected:
            problems.append(f"unexpected {harness.format_key(key)} {found[key]!r}")
        elif not equal(expected[key], found[key]):
            problems.append(f"wrong      {harness.format_key(key)} {found[key]!r}, "
                            f"expected {expected[key]!r}")
    return problems


def compare_exemplars(expected, found):
    def show(exemplar):
        key, labels, value = exemplar
        return f"{harness.format_key(key)} # {dict(labels)} {value!r}"
    return ([f"missing exemplar    {show(e)}" for e in sorted(expected - found, key=str)]
            + [f"unexpected exemplar {show(e)}" for e in sorted(found - expected, key=str)])


def run_case(name):
    directory = CASES / name
    case = json.loads((directory / "case.json").read_text(encoding="utf-8"))
    expectation = Expectation(name)
    listed = f"`{name}`" in DIFFERENCES_TEXT.read_text(encoding="utf-8")
    if listed != expectation.differences.is_dir():
        raise CaseFailure("DIFFERENCES.md and differences/ do not agree on this case")
    if expectation.error() is not None:
        check_refused(case, expectation.error())
        return
    with pushed.Receiver() as receiver:
        run_with(receiver, case, directory, expectation)


def run_with(receiver, case, directory, expectation):
    tables = settings(case)
    tables["generator"]["collection_interval"] = f"{COLLECTION_INTERVAL_MS}ms"
    # With a storage, since a process without one keeps its zeros behind its own start.
    tables["storage"] = {"path": "storage"}
    tables["remote_write"] = pushed.settings(receiver)
    with harness.Spanmeter(tables) as server:
        responses, sent = send(case, directory, server)
        settle(case)
        wait_for_push(receiver, server)
        openmetrics = harness.parse_samples(server.scrape(accept=harness.OPENMETRICS))
        text = harness.parse_samples(server.scrape(accept=harness.TEXT))
        protobuf = native.scraped(server.get("/metrics/generated", Accept=native.PROTOBUF)[2])
        tenants = {tenant: server.series(f"/metrics/generated?tenant={tenant}")
                   for tenant in expectation.tenants()}
    problems = [f"{file}: {status}, expected {expectation.responses().get(file)}"
                for file, status in responses if expectation.responses().get(file) != status]
    series = harness.series_of(text)
    shown = dict(series)
    problems += ["OpenMetrics and text differ: " + problem
                 for problem in compare_series(series, harness.series_of(openmetrics))]
    for tenant, expected in expectation.tenants().items():
        problems += compare_series(expected, tenants[tenant])
    classic_exemplars, native_exemplars = expectation.exemplars()
    problems += compare_native(expectation.native(), protobuf[0])
    problems += compare_exemplars(native_exemplars, protobuf[1])
    if is_native_only(case):
        problems += check_text_of_native(protobuf[0], series)
        openmetrics = [sample for sample in openmetrics if sample.labels.get("le") != "+Inf"]
    problems += compare_series(*sizes.split(expectation.series(), series, sent, case))
    problems += compare_exemplars(classic_exemplars, exemplars_of(openmetrics))
    if is_native_only(case):
        check_text_of_native(protobuf[0], shown)  # which remote write does not have
    for version in pushed.VERSIONS:
        problems += pushed.compare(receiver, version, shown, protobuf[0],
                                   exemplars_of(openmetrics) | protobuf[1], equal)
        if case.get("record_initial_zero"):
            zeros = pushed.Pushed(receiver, version).zeros()
            expected = pushed.initial(expectation.text("expected_initial.txt"))
            problems += [f"{version}: begins with {what}: {key}" for key, what in zeros - expected]
            problems += [f"{version}: does not begin with {what}: {key}"
                         for key, what in expected - zeros]
    if problems:
        raise CaseFailure("\n".join(problems))


def wait_for_push(receiver, server):
    """Waits until everything that is there now has been pushed, in both versions."""
    # Tenants are collected at different times of the interval, new ones from the next but one on.
    past_ms = time.time_ns() // 1_000_000 + 2 * COLLECTION_INTERVAL_MS
    if not server.series():
        return  # an empty collection is not sent
    for version in pushed.VERSIONS:
        harness.wait_until(lambda v=version: pushed.Pushed(receiver, v).newest_ms() > past_ms,
                           f"a push in version {version}")


def is_native_only(case):
    return case["config"].get("overrides", {}).get("generate_native_histograms") == "native"


def check_text_of_native(histograms, series):
    """Takes what the text formats show of native histograms out of `series`, having checked it."""
    problems = []
    for (name, labels), histogram in histograms.items():
        shown = {(name + "_count", labels): histogram.count, (name + "_sum", labels): histogram.sum,
                 (name + "_bucket", labels | {("le", repr(math.inf))}): histogram.count}
        problems += compare_series(shown, {key: series.pop(key) for key in shown if key in series})
    return problems


def compare_native(expected, found):
    problems = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        if expected.get(key) != found.get(key):
            problems.append(f"native {harness.format_key(key)}\n  is       {found.get(key)}"
                            f"\n  expected {expected.get(key)}")
    return problems


def failure_of(name):
    """Runs a case; returns what is wrong, or None."""
    try:
        run_case(name)
        return None
    except (AssertionError, CaseFailure, harness.ExpositionError) as error:
        return str(error)


def family(name):
    return name.split("-")[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    names = sorted(path.name for path in CASES.iterdir())
    if arguments.family:
        names = [name for name in names if family(name) in arguments.family]
    if arguments.cases:
        names = [name for name in names
                 if any(name == case or name.split("-")[0] == case for case in arguments.cases)]
    if not names:
        parser.error("there is no such case")
    with concurrent.futures.ThreadPoolExecutor(CASES_AT_A_TIME) as pool:
        failures = list(pool.map(failure_of, names))
    for name, failure in zip(names, failures):
        print(f"passed  {name}" if failure is None else f"FAILED  {name}\n{failure}\n")
    failed = sum(failure is not None for failure in failures)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
