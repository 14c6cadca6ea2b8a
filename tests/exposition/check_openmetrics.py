"""Reads OpenMetrics output with the reference parser and checks what it understood.

usage: check_openmetrics.py EXPOSITION_SAMPLE
"""

import subprocess
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def families(program, *args):
    body = subprocess.run(
        [program, "openmetrics", *args], check=True, stdout=subprocess.PIPE).stdout
    return {f.name: f for f in text_string_to_metric_families(body.decode("utf-8"))}


def expect(actual, wanted):
    if actual != wanted:
        sys.exit(f"got {actual!r}, wanted {wanted!r}")


def main():
    program = sys.argv[1]
    found = families(program)
    expect({name: f.type for name, f in found.items()}, {
        "sample_calls": "counter",
        "sample_target_info": "gauge",
        "sample_other": "unknown",
        "sample_size_bytes": "histogram",
        "sample_native_seconds": "histogram",
        "sample_latency_seconds": "histogram",
    })
    calls = found["sample_calls"].samples
    expect([s.name for s in calls], ["sample_calls_total"] * 2)
    expect(calls[0].labels, {"a": 'say "hi" \\ \n {}', "b": "ü😀"})
    expect([s.value for s in calls], [3, 0.1])
    latency = found["sample_latency_seconds"]
    expect(latency.documentation, 'Latency of "calls" \\ \n in s.')
    expect([s.labels["le"] for s in latency.samples if s.name.endswith("_bucket")],
           ["0.002", "1.0", "2.5", "1e+06", "+Inf"])
    exemplars = [(s.labels["le"], s.exemplar) for s in latency.samples if s.exemplar]
    expect(len(exemplars), 1)
    expect(exemplars[0][0], "2.5")
    expect(exemplars[0][1].labels, {"traceID": "ab" + "0" * 30})
    expect(exemplars[0][1].value, 1.75)
    expect(float(exemplars[0][1].timestamp), 1700000000.123)

    native = found["sample_native_seconds"].samples
    expect([(s.name.rpartition("_")[2], s.labels, s.value) for s in native],
           [("bucket", {"le": "+Inf"}, 4), ("sum", {}, 10), ("count", {}, 4)])
    expect(native[0].exemplar.value, 1.75)

    with_created = families(program, "created")
    created = [(s.name, float(s.value)) for f in with_created.values() for s in f.samples
               if s.name.endswith("_created")]
    expect(created, [
        ("sample_calls_created", 1700000000.123),
        ("sample_size_bytes_created", 1700000000.123),
        ("sample_native_seconds_created", 1700000000.123),
        ("sample_latency_seconds_created", 1700000000.123),
    ])


if __name__ == "__main__":
    main()
