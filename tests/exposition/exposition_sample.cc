// Writes a body with everything that the formats can be asked to carry to standard output, for
// independent parsers:
//
//   exposition_sample text|openmetrics|protobuf [gzip] [created] [weighted]
//
// `weighted` adds fractional counts, which OpenMetrics knows in gauge histograms only.

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "spanmeter/exposition.h"

namespace spanmeter {
namespace {

MetricInfo Info(std::string name, MetricType type, std::string help) {
  MetricInfo info;
  info.name = std::move(name);
  info.help = std::move(help);
  info.type = type;
  return info;
}

bool VisitAll(bool with_weighted, SampleSink* sink) {
  constexpr int64_t kCreatedMs = 1'700'000'000'123;
  MetricInfo latency =
      Info("sample_latency_seconds", MetricType::kHistogram, "Latency of \"calls\" \\ \n in s.");
  latency.bounds = {0.002, 1, 2.5, 1e6};
  const std::array<double, 5> counts = {1, 1, 3, 7, 7};
  const std::array<double, 5> weighted = {0.5, 0.5, 2.25, 2.25, 3};
  Exemplar exemplar;
  exemplar.bucket = 2;
  exemplar.value = 1.75;
  exemplar.timestamp_ms = kCreatedMs;
  exemplar.trace_id[0] = 0xab;
  const std::array<Exemplar, 1> exemplars = {exemplar};
  MetricInfo bare = Info("sample_size_bytes", MetricType::kHistogram, "Only +Inf.");
  const std::array<double, 1> one = {4};
  MetricInfo native_only = Info("sample_native_seconds", MetricType::kHistogram, "Native only.");
  native_only.classic = false;
  const std::array<NativeBucket, 2> buckets = {{{-3, 1}, {5, 3}}};
  NativeHistogramPoint native;
  native.buckets = buckets;
  native.exemplars = exemplars;
  Exemplar newest = exemplar;
  newest.bucket = 0;
  const std::array<Exemplar, 1> at_infinity = {newest};

  return sink->BeginMetric(Info("sample_calls_total", MetricType::kCounter, "Calls.")) &&
         sink->Number(R"(a="say \"hi\" \\ \n {}",b="ü😀")", 3, kCreatedMs) &&
         sink->Number(R"(a="2")", 0.1, 0) &&
         sink->BeginMetric(Info("sample_target_info", MetricType::kGauge, "A target.")) &&
         sink->Number(R"(job="x")", 1, kCreatedMs) &&
         sink->BeginMetric(Info("sample_other", MetricType::kUntyped, "Of no type.")) &&
         sink->Number("", -1.5e-300, 0) && sink->BeginMetric(bare) &&
         sink->Histogram("", {one, 10, {}}, kCreatedMs) && sink->BeginMetric(native_only) &&
         sink->Histogram("", {one, 10, at_infinity, &native}, kCreatedMs) &&
         sink->BeginMetric(latency) &&
         sink->Histogram(R"(service="a")", {counts, 12.25, exemplars}, kCreatedMs) &&
         (!with_weighted || sink->Histogram(R"(service="b")", {weighted, 2.5, {}}, kCreatedMs));
}

int Main(int argc, char** argv) {
  EncoderOptions options;
  bool weighted = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "openmetrics") {
      options.format = ExpositionFormat::kOpenMetrics;
    } else if (arg == "protobuf") {
      options.format = ExpositionFormat::kProtobuf;
    } else if (arg == "gzip") {
      options.gzip = true;
    } else if (arg == "created") {
      options.created = true;
    } else if (arg == "weighted") {
      weighted = true;
    } else if (arg != "text") {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  const std::unique_ptr<Encoder> encoder = NewEncoder(options, [](std::string_view chunk) {
    return std::fwrite(chunk.data(), 1, chunk.size(), stdout) == chunk.size();
  });
  return VisitAll(weighted, encoder.get()) && encoder->Finish() ? 0 : 1;
}

}  // namespace
}  // namespace spanmeter

int main(int argc, char** argv) { return spanmeter::Main(argc, argv); }
