"""The rule for traces_spanmetrics_size_total.

The recordings have the size of a span after it was encoded anew; spanmeter counts the bytes of the
Span message as it was received. So the recorded values are not compared. Which series exist is
compared, and their values with the requests:

  A span belongs to the series whose labels service, span_name, span_kind and status_code, as far as
  the series has them, say what the span says (texts may be cut to max_label_value_length), and to
  the overflow series when there is no other. Series that a span cannot be told apart by are added
  up. Their value is the sum of the sizes of their spans.
"""

import otlp_wire

METRIC = "traces_spanmetrics_size_total"
DEFAULT_MAX_LABEL_VALUE_LENGTH = 2048


def _says(label, text, limit):
    if label == text:
        return True
    # A cut at the last character boundary that fits takes at most 3 bytes more than necessary.
    length = len(label.encode("utf-8", "surrogateescape"))
    return bool(text) and limit > 0 and limit - 3 <= length <= limit and text.startswith(label)


def _matches(labels, span, limit):
    for name, text, cut in (("service", span.service, limit), ("span_name", span.name, limit),
                            ("span_kind", span.kind, 0), ("status_code", span.status, 0)):
        if name in labels and not _says(labels[name], text, cut):
            return False
    return True


def _groups(keys, spans, limit):
    """[(series, bytes)]: sets of series that share spans, and the size of these spans."""
    overflow = [key for key in keys if ("metric_overflow", "true") in key[1]]
    ordinary = [(key, dict(key[1])) for key in keys if key not in overflow]
    groups = [({key}, 0) for key in keys]
    for span in spans:
        mine = {key for key, labels in ordinary if _matches(labels, span, limit)} or set(overflow)
        if not mine:
            continue  # not counted: a filter, a time out of range
        together, size = set(mine), span.size
        rest = []
        for group, group_size in groups:
            if group & mine:
                together |= group
                size += group_size
            else:
                rest.append((group, group_size))
        groups = rest + [(together, size)]
    return groups


def split(expected, found, requests, case):
    """Returns `expected` and `found` with the sizes replaced: sums of groups of series."""
    registry = dict(case["config"].get("registry", {}))
    limit = registry.get("max_label_value_length", DEFAULT_MAX_LABEL_VALUE_LENGTH)
    keys = [key for key in expected if key[0] == METRIC]
    found_keys = [key for key in found if key[0] == METRIC]
    if set(keys) != set(found_keys) or not keys:
        return expected, found  # the sets differ, which the comparison shows
    spans = [span for request in requests for span in otlp_wire.spans(request)]
    expected, found = dict(expected), dict(found)
    for group, size in _groups(keys, spans, limit):
        first, *others = sorted(group, key=str)
        expected[first] = size
        found[first] = sum(found[key] for key in group)
        for key in others:
            del expected[key], found[key]
    return expected, found
