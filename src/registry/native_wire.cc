#include "spanmeter/native_wire.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "spanmeter/wire_writer.h"

namespace spanmeter {

namespace {

// Whether a number may stand in an integer field.
bool IsCount(double count) {
  constexpr double kBeyondDelta = 9223372036854775808.0;  // 2^63
  return count >= 0 && count < kBeyondDelta &&
         count == static_cast<double>(static_cast<int64_t>(count));
}

// The buckets' indices: runs of consecutive ones, each with its distance from the one before.
char* PutSpans(char tag, std::span<const NativeBucket> buckets, char* out) {
  int64_t next = 0;
  for (size_t begin = 0; begin < buckets.size();) {
    size_t end = begin + 1;
    while (end < buckets.size() && buckets[end].index == buckets[end - 1].index + 1) ++end;
    out = PutMessage(tag, 1, out, [&](char* span) {
      *span++ = wire::Varint(1);
      span = PutSigned(buckets[begin].index - next, span);
      *span++ = wire::Varint(2);
      return PutVarint(end - begin, span);
    });
    next = int64_t{buckets[end - 1].index} + 1;
    begin = end;
  }
  return out;
}

}  // namespace

bool HasFloatCounts(const HistogramPoint& point) {
  const std::span<const NativeBucket> buckets = point.native->buckets;
  return !IsCount(point.count()) || !IsCount(point.native->zero_count) ||
         !std::all_of(buckets.begin(), buckets.end(),
                      [](const NativeBucket& bucket) { return IsCount(bucket.count); });
}

char* PutNative(int schema_field, const NativeHistogramPoint& native, bool float_counts,
                char* out) {
  *out++ = wire::Varint(schema_field);
  out = PutSigned(native.schema, out);
  out = PutDouble(wire::Fixed64(schema_field + 1), native.zero_threshold, out);
  if (float_counts) {
    out = PutDouble(wire::Fixed64(schema_field + 3), native.zero_count, out);
  } else {
    *out++ = wire::Varint(schema_field + 2);
    out = PutVarint(static_cast<uint64_t>(native.zero_count), out);
  }
  // Between them are the fields of negative buckets.
  out = PutSpans(wire::Delimited(schema_field + 7), native.buckets, out);
  if (native.buckets.empty()) return out;
  if (float_counts) {
    return PutMessage(wire::Delimited(schema_field + 9), 2, out, [&native](char* counts) {
      for (const NativeBucket& bucket : native.buckets) {
        std::memcpy(counts, &bucket.count, sizeof bucket.count);
        counts += sizeof bucket.count;
      }
      return counts;
    });
  }
  return PutMessage(wire::Delimited(schema_field + 8), 1, out, [&native](char* deltas) {
    int64_t before = 0;
    for (const NativeBucket& bucket : native.buckets) {
      const auto count = static_cast<int64_t>(bucket.count);
      deltas = PutSigned(count - before, deltas);
      before = count;
    }
    return deltas;
  });
}

}  // namespace spanmeter
