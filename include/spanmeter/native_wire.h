// Native histograms in the wire formats of Prometheus: the messages for scraping and for remote
// write have the same fields under numbers that are shifted
// (https://prometheus.io/docs/specs/native_histograms/).

#ifndef SPANMETER_NATIVE_WIRE_H_
#define SPANMETER_NATIVE_WIRE_H_

#include <cstddef>

#include "spanmeter/sample_sink.h"

namespace spanmeter {

// Upper bounds of what PutNative() writes: per bucket, and besides.
inline constexpr size_t kNativeBucketBytes = 32;
inline constexpr size_t kNativeHeadBytes = 64;

// Whether the histogram's counts are to be written as floats: one of them is no whole number, or
// too large. REQUIRES: `point` has a native histogram.
bool HasFloatCounts(const HistogramPoint& point);

// Writes everything from the schema to the buckets, but not the count and the sum, and returns its
// end. `schema_field` is the schema's number: 5 in io.prometheus.client, 4 in remote write.
char* PutNative(int schema_field, const NativeHistogramPoint& native, bool float_counts, char* out);

}  // namespace spanmeter

#endif  // SPANMETER_NATIVE_WIRE_H_
