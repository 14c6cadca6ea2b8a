// Fuzzes what reads the state that a former process has left. The input is a list of records, as in
// the stream, which get a proper header and checksum, so that everything behind those is reached:
// whatever the records hold, they are refused or restored, what was restored can be used,
// and what it hands on is restored to the same.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "spanmeter/state_stream.h"
#include "spanmeter/tenants.h"

#include "fuzz/fuzz_input.h"
#include "generator/send_spans.h"
#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::ReadFrom;
using testing::SendSpans;
using testing::StateBytes;
using testing::TestResource;
using testing::TestSpan;

// Options with as many kinds of records as there can be.
Options MakeOptions(bool tenancy) {
  Options options;
  options.tenancy.enabled = tenancy;
  GeneratorOptions& generator = options.generator;
  generator.processors = {true, true, true, true, true, false, true};
  generator.inject_tenant_id_as = "tenant";  // as the configuration sees to
  generator.ingestion_time_range_slack = 0;
  generator.generate_native_histograms = HistogramKind::kBoth;
  generator.span_name_sanitization = SpanNameSanitization::kEnabled;
  generator.max_cardinality_per_label = 3;
  generator.max_active_series = 200;
  generator.span_metrics.histogram_buckets = {0.1, 1};
  generator.span_metrics.enable_target_info = true;
  generator.service_graphs.max_items = 3;
  return options;
}

// One process.
struct Process {
  Process(bool tenancy, const Clock* clock, const Logger* logger)
      : tenants(MakeOptions(tenancy), clock, logger, &metrics) {}

  // Sends two spans: a client's and one with a name that is data.
  void Send() {
    const Tenants::Found found = tenants.Find({"a"});
    if (found.generator == nullptr) return;
    TestResource resource = {{{"service.name", "s"}, {"host.id", "h"}}, {}};
    for (const int32_t kind : {kSpanKindClient, kSpanKindServer}) {
      TestSpan& span = resource.spans.emplace_back();
      span.name = "GET /users/" + std::to_string(++sent);
      span.kind = kind;
    }
    SendSpans(found.generator.get(), {resource});
  }

  SelfMetrics metrics;
  Tenants tenants;
  int sent = 0;
};

// The records of the input in a stream, which is right if they are records.
std::string StreamOf(const Clock& clock, std::string_view records) {
  const std::string empty = StateBytes(clock, [](StateWriter* /*writer*/) {});
  // The last record has a kind and a length, both 0.
  constexpr size_t kEndBytes = 2;
  std::string stream = empty.substr(0, empty.size() - kEndBytes - sizeof(XXH128_hash_t));
  stream += records;
  stream.append(kEndBytes, '\0');
  const XXH128_hash_t checksum = XXH3_128bits(stream.data(), stream.size());
  for (const uint64_t half : {checksum.low64, checksum.high64}) {
    stream.append(reinterpret_cast<const char*>(&half), sizeof half);
  }
  return stream;
}

std::string Save(const Clock& clock, const Process& process) {
  return StateBytes(clock, [&](StateWriter* writer) { process.tenants.Save(writer); });
}

void Use(FakeClock* clock, Process* process) {
  process->Send();
  CollectingSink sink;
  process->tenants.Visit(&sink);
  Check(sink.repeated().empty(),
        "a series is there twice: " + (sink.repeated().empty() ? "" : sink.repeated()[0]));
  clock->Advance(kNanosPerSecond * 20);
  process->tenants.Maintain();
  for (const auto& generator : process->tenants.All()) generator->SpanNames(10);
  process->metrics.Collect();
  process->Send();
}

void Run(std::string_view input) {
  FakeClock clock;
  LogOptions quiet;
  quiet.level = LogLevel::kError;
  const Logger logger(quiet, &clock);
  const std::string stream = StreamOf(clock, input);
  if (!CheckState(&clock, ReadFrom(stream)).empty()) return;

  Process process(/*tenancy=*/true, &clock, &logger);
  StateReader reader(&clock, ReadFrom(stream));
  RestoredState restored;
  if (process.tenants.Restore(&reader, &restored)) {
    // What it hands on is what it was given.
    const std::string saved = Save(clock, process);
    Process next(/*tenancy=*/true, &clock, &logger);
    StateReader second(&clock, ReadFrom(saved));
    RestoredState again;
    Check(next.tenants.Restore(&second, &again), "cannot read what was written: " + second.error());
    Check(again.label_sets == restored.label_sets, "label sets were lost");
  } else {
    Check(!reader.ok(), "refused without a reason");
    Check(process.tenants.All().empty(), "something of a refused state is in force");
  }
  Use(&clock, &process);
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
