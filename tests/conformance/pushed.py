"""Compares what spanmeter pushes by remote write with what it shows to scrapers."""

import harness
import native
import write_receiver

MINUTE_MS = 60_000
VERSIONS = {"1.0": "prometheus.WriteRequest", "2.0": "io.prometheus.write.v2.Request"}


def settings(receiver):
    """The [[remote_write]] tables: one receiver a version of the protocol."""
    return [{"name": version, "url": f"http://127.0.0.1:{receiver.port}/{version}",
             "protobuf_message": message, "queue_config": {"batch_send_deadline": "0s"}}
            for version, message in VERSIONS.items()]


class Pushed:
    """What one version was sent."""

    def __init__(self, receiver, version):
        self.version = version
        requests = [request for request in receiver.requests() if request.path == f"/{version}"]
        self.points = {}     # {key: [Point]}
        self.exemplars = {}  # {key: [(labels, value)]}
        self.metadata = {}   # {key: (type, help)} in 2.0
        for request in requests:
            for series in request.series:
                self.points.setdefault(series.key, []).extend(series.points)
                self.exemplars.setdefault(series.key, []).extend(
                    (labels, value) for labels, value, _ in series.exemplars)
                self.metadata[series.key] = series.metadata

    def newest_ms(self):
        return max((points[-1].timestamp_ms for points in self.points.values()), default=0)

    def samples(self):
        """{key: [Point]} of samples, without native histograms."""
        return {key: points for key, points in self.points.items()
                if not isinstance(points[-1].value, native.NativeHistogram)}

    def histograms(self):
        return {key: points for key, points in self.points.items()
                if isinstance(points[-1].value, native.NativeHistogram)}

    def last(self, points):
        """The last values, but for series that were told to have ended."""
        return {key: series[-1].value for key, series in points.items() if not series[-1].stale}

    def last_exemplars(self):
        """{(key, labels, value)}: of a bucket the last, of a native histogram all."""
        found = set()
        for key, exemplars in self.exemplars.items():
            is_native = key in self.histograms()
            for labels, value in exemplars if is_native else exemplars[-1:]:
                found.add((key, labels, value))
        return found

    def zeros(self):
        """The series that began with nothing, as expected_initial.txt lists them."""
        found = set()
        for key, points in self.points.items():
            first = points[0].value
            if isinstance(first, native.NativeHistogram):
                if first.count == 0:
                    schema, zero_threshold = first.numbers[:2]
                    found.add((key, f"native zero histogram: schema {schema}, "
                                    f"zero_threshold {zero_threshold:g}"))
            elif first == 0 and len(points) > 1:
                found.add((key, "0"))
        return found

    def problems(self):
        """What is wrong with the order and the beginning of series, whatever the case."""
        problems = []
        for key, points in self.points.items():
            name = f"{self.version} {harness.format_key(key)}"
            times = [point.timestamp_ms for point in points]
            if times != sorted(set(times)):
                problems.append(f"{name}: its times do not grow: {points}")
            begins_with_zero = points[0].value == 0 or (
                isinstance(points[0].value, native.NativeHistogram)
                and points[0].value.count == 0)
            has_zero = self._is_counted(key, points)
            if has_zero and not begins_with_zero:
                problems.append(f"{name}: does not begin with a zero: {points}")
            if has_zero and len(points) > 1:
                minute = points[1].timestamp_ms // MINUTE_MS * MINUTE_MS
                if points[0].timestamp_ms != minute - 1000:
                    problems.append(f"{name}: its zero is not at the end of the minute before: "
                                    f"{points}")
                starts = {point.start_ms for point in points[1:] if not point.stale}
                if self.version == "1.0":
                    starts.discard(0)
                    if starts:
                        problems.append(f"{name}: has start times {starts}")
                elif any(not 0 < start < points[1].timestamp_ms for start in starts):
                    problems.append(f"{name}: has start times {starts}, points {points}")
        return problems

    @staticmethod
    def _is_counted(key, points):
        name, labels = key
        if isinstance(points[0].value, native.NativeHistogram):
            return True
        is_bucket = any(label == "le" for label, _ in labels)
        return is_bucket or name.endswith(("_total", "_count"))


def compare(receiver, version, series, histograms, exemplars, is_equal):
    """What differs from a scrape: {key: value}, {key: NativeHistogram}, {(key, labels, value)}."""
    pushed = Pushed(receiver, version)
    problems = pushed.problems()
    samples = pushed.last(pushed.samples())
    problems += [f"pushed ({version}): {problem}"
                 for problem in _differences(series, samples, is_equal)]
    problems += [f"pushed ({version}): {problem}" for problem in _differences(
        histograms, pushed.last(pushed.histograms()), lambda a, b: a == b)]
    found = pushed.last_exemplars()
    problems += [f"pushed ({version}): exemplar {exemplar} is missing"
                 for exemplar in exemplars - found]
    problems += [f"pushed ({version}): exemplar {exemplar} is unexpected"
                 for exemplar in found - exemplars]
    return problems


def _differences(expected, found, is_equal):
    for key in sorted(expected.keys() | found.keys(), key=str):
        a, b = expected.get(key), found.get(key)
        if a is None or b is None or not is_equal(a, b):
            yield f"{harness.format_key(key)} is {b!r}, a scrape shows {a!r}"


def initial(text):
    """The contents of an expected_initial.txt: {(series, what it begins with)}."""
    found = set()
    for line in text.splitlines():
        if " native zero histogram: " in line:
            series, _, what = line.partition(" native zero histogram: ")
            found.add((harness.parse_sample(series + " 0").key, "native zero histogram: " + what))
        else:
            found.add((harness.parse_sample(line).key, "0"))
    return found


Receiver = write_receiver.Receiver
