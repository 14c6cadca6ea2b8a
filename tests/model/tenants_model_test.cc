// Tenants that come and go, each with options of its own that change: against a model of maps, one
// step after the other, and with everything happening at once.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/tenants.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::TestResource;
using testing::TestSpan;
using testing::Visit;

constexpr char kCalls[] = "traces_spanmetrics_calls_total";
constexpr char kLatency[] = "traces_spanmetrics_latency";
// The span that filters keep out, where there are any.
constexpr char kNoise[] = "noise";
// What a span's name is in the model when its label set went to overflow.
constexpr char kOverflow[] = "(overflow)";

// By tenant and span name.
using Counts = std::map<std::pair<std::string, std::string>, double>;

FilterPolicy WithoutNoise() {
  FilterPolicy policy;
  policy.exclude = FilterMatch{FilterMatch::Type::kStrict, {{"name", std::string(kNoise)}}};
  return policy;
}

// The value of a label in the text of a label set; empty when there is none.
std::string LabelOf(const std::string& labels, const std::string& name) {
  const std::string before = "," + name + "=\"";
  const std::string text = "," + labels;
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const size_t value = begin + before.size();
  return text.substr(value, text.find('"', value) - value);
}

Counts CallsOf(const CollectingSink& sink) {
  EXPECT_TRUE(sink.repeated().empty());
  Counts calls;
  const auto found = sink.metrics().find(kCalls);
  if (found == sink.metrics().end()) return calls;
  for (const auto& [labels, series] : found->second) {
    const bool overflow = LabelOf(labels, "metric_overflow") == "true";
    calls[{LabelOf(labels, "tenant"), overflow ? kOverflow : LabelOf(labels, "span_name")}] +=
        series.value;
  }
  return calls;
}

class TenantsModelTest : public ::testing::Test {
 protected:
  TenantsModelTest() {
    log_options_.level = LogLevel::kError;
    logger_ = std::make_unique<Logger>(log_options_, &clock_);
    options_.tenancy.enabled = true;
    options_.generator.inject_tenant_id_as = "tenant";
    options_.generator.ingestion_time_range_slack = 0;
    options_.generator.processors = {true, false, false, false, false, false, false};
  }

  void Create() {
    tenants_ = std::make_unique<Tenants>(options_, &clock_, logger_.get(), &metrics_);
  }

  // A request that lasts as long as it likes.
  class Request {
   public:
    Request(std::shared_ptr<Generator> generator, std::vector<TestSpan> spans)
        : generator_(std::move(generator)),
          session_(generator_->BorrowSession()),
          resources_({{{{"service.name", "s"}}, std::move(spans)}}) {
      session_->StartRequest();
      Visit(session_->attributes(), resources_, session_.get());
    }
    // Ends it; `broken`: its last byte turns out to be wrong.
    void End(bool broken) {
      if (!broken) session_->Commit({resources_[0].spans.size(), 0, 1});
      generator_->ReturnSession(std::move(session_));
    }

   private:
    const std::shared_ptr<Generator> generator_;
    std::unique_ptr<GeneratorSession> session_;
    const std::vector<TestResource> resources_;
  };

  // A metric about spanmeter by tenant ("" where it has none), with "/REASON" where it has one.
  std::map<std::string, double> Self(const std::string& name) {
    std::map<std::string, double> values;
    for (const prometheus::MetricFamily& family : metrics_.Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        std::string tenant;
        std::string reason;
        for (const auto& label : metric.label) {
          if (label.name == "tenant") tenant = label.value;
          if (label.name == "reason") reason = "/" + label.value;
        }
        values[tenant + reason] += metric.counter.value + metric.gauge.value;
      }
    }
    return values;
  }

  FakeClock clock_;
  LogOptions log_options_;
  std::unique_ptr<Logger> logger_;
  Options options_;
  SelfMetrics metrics_;
  std::unique_ptr<Tenants> tenants_;
};

// The tenants as maps.
class ModelTenants {
 public:
  explicit ModelTenants(const Options& options) : options_(options) {}

  // A request for `tenant`; the model knows when it begins and when it ends.
  struct Request {
    std::string tenant;
    bool filters = false;    // noise
    bool restarted = false;  // its tenant's metrics have begun anew since it began
  };

  // Null when it is refused.
  std::unique_ptr<Request> Begin(const std::string& tenant, int64_t now) {
    if (!tenants_.contains(tenant) && tenants_.size() >= options_.tenancy.max_tenants) {
      ++refused;
      return nullptr;
    }
    Tenant& known = tenants_[tenant];
    known.last_request = now;
    auto request = std::make_unique<Request>();
    request->tenant = tenant;
    request->filters = !OptionsOf(tenant).span_metrics.filter_policies.empty();
    known.requests.insert(request.get());
    return request;
  }
  void End(Request* request, const std::vector<std::string>& names, bool broken, int64_t now) {
    Tenant& tenant = tenants_.at(request->tenant);
    tenant.requests.erase(request);
    tenant.last_request = now;
    if (broken) return;
    tenant.received += static_cast<double>(names.size());
    if (request->restarted) ++lost;
    if (request->restarted) return;
    const uint64_t most = OptionsOf(request->tenant).max_active_series;
    for (const std::string& name : names) {
      if (name == kNoise && request->filters) continue;
      const bool counts = tenant.calls.contains(name) || most == 0 || SeriesOf(tenant) < most;
      if (!counts) ++tenant.limited;
      Calls& calls = tenant.calls[counts ? name : kOverflow];
      calls.count += 1;
      calls.last_update = now;
    }
  }

  // Returns what begins anew.
  std::vector<std::string> Reload(const Options& options) {
    std::vector<std::string> restarted;
    const Options before = std::exchange(options_, options);
    for (auto& [name, tenant] : tenants_) {
      const auto table = before.tenants.find(name);
      const GeneratorOptions& was =
          table == before.tenants.end() ? before.generator : table->second;
      if (was.span_metrics.intrinsic_dimensions ==
          OptionsOf(name).span_metrics.intrinsic_dimensions) {
        continue;
      }
      restarted.push_back(name + "/" + kCalls);
      tenant.calls.clear();
      for (Request* request : tenant.requests) request->restarted = true;
    }
    return restarted;
  }

  void Maintain(int64_t now) {
    for (auto& [name, tenant] : tenants_) {
      const int64_t stale = OptionsOf(name).stale_duration;
      std::erase_if(tenant.calls, [now, stale](const auto& calls) {
        return now - calls.second.last_update >= stale;
      });
    }
    gone += std::erase_if(tenants_, [&](const auto& tenant) {
      return tenant.second.requests.empty() && SeriesOf(tenant.second) == 0 &&
             now - tenant.second.last_request >= OptionsOf(tenant.first).stale_duration;
    });
  }

  Counts AllCalls() const {
    Counts all;
    for (const auto& [name, tenant] : tenants_) {
      for (const auto& [span, calls] : tenant.calls) all[{name, span}] = calls.count;
    }
    return all;
  }
  std::map<std::string, double> Received() const {
    std::map<std::string, double> received;
    for (const auto& [name, tenant] : tenants_) received[name] = tenant.received;
    return received;
  }
  std::map<std::string, double> Limited() const {
    std::map<std::string, double> limited;
    for (const auto& [name, tenant] : tenants_) limited[name] = tenant.limited;
    return limited;
  }

  double refused = 0;
  size_t gone = 0;
  size_t lost = 0;  // requests whose series were replaced before they ended

 private:
  struct Calls {
    double count = 0;
    int64_t last_update = 0;
  };
  struct Tenant {
    int64_t last_request = 0;
    double received = 0;
    double limited = 0;
    std::map<std::string, Calls> calls;
    std::set<Request*> requests;
  };

  // As the limits count them.
  static uint64_t SeriesOf(const Tenant& tenant) {
    return tenant.calls.size() - (tenant.calls.contains(kOverflow) ? 1 : 0);
  }
  const GeneratorOptions& OptionsOf(const std::string& tenant) const {
    const auto table = options_.tenants.find(tenant);
    return table == options_.tenants.end() ? options_.generator : table->second;
  }

  Options options_;
  std::map<std::string, Tenant> tenants_;
};

TEST_F(TenantsModelTest, EachPresentsWhatTheModelPresents) {
  std::mt19937 random(20260131);
  const auto below = [&random](unsigned bound) { return static_cast<unsigned>(random()) % bound; };
  const auto change = [&](GeneratorOptions* options) {
    options->stale_duration = (30 + 10 * below(4)) * kNanosPerSecond;
    options->max_active_series = below(3) == 0 ? 0 : below(8);
    options->span_metrics.filter_policies.clear();
    if (below(2) == 0) options->span_metrics.filter_policies.push_back(WithoutNoise());
    if (below(5) == 0) {
      bool& kind = options->span_metrics.intrinsic_dimensions.span_kind;
      kind = !kind;
    }
  };
  options_.tenancy.max_tenants = 4;
  Create();
  ModelTenants model(options_);
  size_t restarted = 0;
  double limited = 0;
  struct InFlight {
    std::unique_ptr<Request> request;
    std::unique_ptr<ModelTenants::Request> modelled;
    std::vector<std::string> names;
    int last_step;
  };
  std::vector<InFlight> in_flight;
  const auto maintain = [&] {
    tenants_->Maintain();
    model.Maintain(clock_.MonotonicNanos());
  };
  for (int step = 0; step < 1000; ++step) {
    // Long enough that stale series are removed every time.
    clock_.Advance(static_cast<int64_t>(5 + below(10)) * kNanosPerSecond);
    const int64_t now = clock_.MonotonicNanos();
    maintain();
    if (below(6) == 0) {
      options_.tenancy.max_tenants = 3 + below(4);
      change(&options_.generator);
      for (const char* name : {"t0", "t1"}) {
        if (below(4) == 0) options_.tenants.erase(name);
        if (below(3) == 0) options_.tenants[name] = options_.generator;
        if (options_.tenants.contains(name)) change(&options_.tenants[name]);
      }
      const std::vector<std::string> anew = tenants_->Reload(options_);
      ASSERT_EQ(anew, model.Reload(options_)) << "step " << step;
      restarted += anew.size();
    }
    maintain();
    for (unsigned i = below(5); i > 0; --i) {
      // Some send always, some seldom.
      const std::string tenant = "t" + std::to_string(below(1 + below(8)));
      std::vector<std::string> names;
      std::vector<TestSpan> spans;
      for (unsigned s = below(6); s > 0; --s) {
        names.push_back(below(5) == 0 ? kNoise : "n" + std::to_string(below(1 + below(12))));
        spans.emplace_back().name = names.back();
      }
      const Tenants::Found found = tenants_->Find({tenant});
      auto modelled = model.Begin(tenant, now);
      ASSERT_EQ(found.generator != nullptr, modelled != nullptr)
          << "step " << step << ", " << tenant << " " << found.message;
      if (modelled == nullptr) continue;
      auto request = std::make_unique<Request>(found.generator, std::move(spans));
      // Most end soon; few last for longer than a tenant without requests does.
      const int last_step = step + (below(8) == 0 ? static_cast<int>(below(20)) : 0);
      in_flight.push_back({std::move(request), std::move(modelled), std::move(names), last_step});
    }
    std::erase_if(in_flight, [&](InFlight& one) {
      if (one.last_step > step) return false;
      const bool broken = below(8) == 0;
      one.request->End(broken);
      model.End(one.modelled.get(), one.names, broken, now);
      return true;
    });
    CollectingSink sink;
    ASSERT_TRUE(tenants_->Visit(&sink));
    ASSERT_EQ(CallsOf(sink), model.AllCalls()) << "step " << step;
    ASSERT_EQ(Self("spanmeter_spans_received_total"), model.Received()) << "step " << step;
    ASSERT_EQ(Self("spanmeter_registry_updates_limited_total"), model.Limited()) << "step " << step;
    ASSERT_EQ(Self("spanmeter_tenants").at(""), model.Received().size()) << "step " << step;
    ASSERT_EQ(Self("spanmeter_tenant_refusals_total").at("/too_many"), model.refused);
    for (const auto& [tenant, count] : model.Limited()) limited = std::max(limited, count);
  }
  // Whether the run has met what it is for.
  EXPECT_GT(model.refused, 20);
  EXPECT_GT(model.gone, 50u);
  EXPECT_GT(restarted, 20u);
  EXPECT_GT(model.lost, 5u);
  EXPECT_GT(limited, 20);
}

class TenantsThreadsTest : public TenantsModelTest {
 protected:
  static constexpr unsigned kSenders = 3;
  static constexpr int kRequests = 1500;
  static constexpr std::array<const char*, 4> kTenants = {"a", "b", "c", "special"};

  // What one sender sent.
  struct Sent {
    Counts calls;
    std::map<std::string, double> spans;  // by tenant
  };

  // Options that neither end the series of span metrics nor turn any of them away.
  Options Variant(unsigned i) const {
    Options options = options_;
    GeneratorOptions& generator = options.generator;
    if (i % 2 == 1) generator.max_active_series = 1'000'000;
    if (i % 3 == 1) {
      generator.limiter_type = LimiterType::kEntity;
      generator.max_active_entities = 1'000'000;
    }
    if (i % 2 == 0) generator.max_cardinality_per_label = 10'000;
    if (i % 4 < 2) generator.span_metrics.filter_policies.push_back(WithoutNoise());
    // Other processors come and go, and with them other families.
    generator.processors.service_graphs_request = i % 3 == 0;
    generator.processors.service_graphs_latency = i % 5 < 3;
    generator.processors.host_info = i % 5 == 0;
    if (i % 5 == 2) generator.service_graphs.histogram_buckets = {1, 2};
    if (i % 7 < 4) {
      options.tenants["special"] = generator;
      options.tenants["special"].stale_duration *= 2;
      options.tenants["special"].span_metrics.filter_policies.clear();
    }
    return options;
  }

  Sent SendAll(unsigned seed) {
    Sent sent;
    std::mt19937 random(seed);
    for (int request = 0; request < kRequests; ++request) {
      const std::string tenant = kTenants[random() % kTenants.size()];
      const bool broken = random() % 8 == 0;
      std::vector<TestSpan> spans(1 + random() % 64);
      for (TestSpan& span : spans) {
        span.name = random() % 8 == 0 ? kNoise : "n" + std::to_string(random() % 30);
        span.kind = random() % 2 == 0 ? kSpanKindServer : kSpanKindClient;
        span.end_nanos = span.start_nanos + random() % 1'000'000'000;
        if (broken) continue;
        sent.calls[{tenant, span.name}] += 1;
        sent.spans[tenant] += 1;
      }
      const Tenants::Found found = tenants_->Find({tenant});
      EXPECT_NE(found.generator, nullptr) << found.message;
      if (found.generator != nullptr) Request(found.generator, std::move(spans)).End(broken);
    }
    return sent;
  }

  // Looks at all tenants or one. No series may step back from `last`, none be torn.
  void Look(const char* tenant, std::map<std::string, double>* last) {
    CollectingSink sink;
    EXPECT_TRUE(tenant == nullptr ? tenants_->Visit(&sink) : tenants_->Visit(tenant, &sink));
    for (const std::string& name : sink.repeated()) {
      // Where reloads have reached some tenants but not others, a metric goes on with other
      // buckets.
      EXPECT_TRUE(name.starts_with("traces_service_graph") && name.ends_with("_seconds")) << name;
    }
    const auto latencies = sink.metrics().find(kLatency);
    if (latencies == sink.metrics().end()) return;
    const auto& calls = sink.metrics().at(kCalls);
    EXPECT_EQ(calls.size(), latencies->second.size());
    for (const auto& [labels, latency] : latencies->second) {
      const auto count = calls.find(labels);
      ASSERT_NE(count, calls.end()) << labels;
      EXPECT_EQ(count->second.value, latency.count()) << labels;
      EXPECT_TRUE(std::is_sorted(latency.cumulative.begin(), latency.cumulative.end())) << labels;
      if (tenant != nullptr) {
        EXPECT_EQ(LabelOf(labels, "tenant"), tenant);
      }
      double& before = (*last)[labels];
      EXPECT_GE(latency.count(), before) << labels << " steps back";
      before = latency.count();
    }
  }

  // Runs `turn` with 0, 1, 2, ... in a thread of its own until `done`, once at least.
  static std::thread Repeat(const std::atomic<bool>* done, std::function<void(unsigned)> turn) {
    return std::thread([done, turn = std::move(turn)] {
      unsigned i = 0;
      do turn(i++);
      while (!*done);
    });
  }
};

TEST_F(TenantsThreadsTest, NothingIsLostOrCountedTwiceByReloadsMaintenanceAndVisits) {
  options_.generator.processors.span_metrics_latency = true;
  options_.tenancy.max_tenants = kTenants.size();
  Create();
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  others.push_back(Repeat(&done, [this](unsigned i) {
    for (const std::string& metric : tenants_->Reload(Variant(i))) {
      EXPECT_EQ(metric.find("spanmetrics"), std::string::npos) << metric << " begins anew";
    }
  }));
  others.push_back(Repeat(&done, [this](unsigned i) {
    // Far from the stale duration all in all, but stale series are looked for now and then.
    if (i < 300) clock_.Advance(kNanosPerSecond);
    tenants_->Maintain();
  }));
  std::array<std::map<std::string, double>, 1 + kTenants.size()> last;
  others.push_back(Repeat(&done, [this, &last](unsigned i) {
    const size_t which = i % last.size();
    Look(which == 0 ? nullptr : kTenants[which - 1], &last[which]);
  }));
  std::array<Sent, kSenders> sent;
  std::vector<std::thread> senders;
  for (unsigned i = 0; i < kSenders; ++i) {
    senders.emplace_back([this, &sent, i] { sent[i] = SendAll(i + 1); });
  }
  for (std::thread& sender : senders) sender.join();
  done = true;
  for (std::thread& other : others) other.join();

  Sent total;
  for (const Sent& one : sent) {
    for (const auto& [key, count] : one.calls) total.calls[key] += count;
    for (const auto& [tenant, count] : one.spans) total.spans[tenant] += count;
  }
  for (auto& last_of_tenant : last) Look(nullptr, &last_of_tenant);
  CollectingSink sink;
  ASSERT_TRUE(tenants_->Visit(&sink));
  Counts calls = CallsOf(sink);
  EXPECT_EQ(Self("spanmeter_spans_received_total"), total.spans);
  // Each noise was counted or filtered, as the options were at its time.
  std::map<std::string, double> discarded = Self("spanmeter_spans_discarded_total");
  for (const char* tenant : kTenants) {
    const std::pair<std::string, std::string> noise = {tenant, kNoise};
    EXPECT_EQ(calls[noise] + discarded[std::string(tenant) + "/filtered"], total.calls[noise])
        << tenant;
    calls.erase(noise);
    total.calls.erase(noise);
  }
  EXPECT_EQ(calls, total.calls);

  // Nor is anything left that nobody sees.
  clock_.Advance(4 * options_.generator.stale_duration);
  tenants_->Maintain();
  EXPECT_EQ(Self("spanmeter_tenants").at(""), 0);
}

}  // namespace
}  // namespace spanmeter
