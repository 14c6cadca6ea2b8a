// Random spans and options against a naive model of the labels of span metrics and target_info:
// maps, strings and one rule after the other, as the documentation has them.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"
#include "spanmeter/span_metrics.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::Attributes;
using testing::TestResource;
using testing::TestSpan;

using LabelMap = std::map<std::string, std::string>;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Good enough for the texts of this test: valid characters of 1 to 4 bytes, and bytes 0xff and
// 0x80.
size_t CharacterLength(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc0 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                                       : 4;
  if (length == 0 || first == 0xff || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[at + i])) return 0;
  }
  return length;
}

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string Cut(const std::string& text, size_t limit) {
  if (limit == 0 || text.size() <= limit) return text;
  // The character that the limit splits, if it splits one.
  for (size_t back = 1; back <= 3 && back <= limit; ++back) {
    if (CharacterLength(text, limit - back) > back) return text.substr(0, limit - back);
  }
  return text.substr(0, limit);
}

std::string Sanitize(const std::string& key) {
  std::string name;
  for (size_t at = 0; at < key.size();) {
    const char c = key[at];
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += legal ? c : '_';
    at += std::max<size_t>(CharacterLength(key, at), 1);
  }
  return name;
}

// The label of the service.
std::string ServiceLabel(bool otel) { return otel ? "service_name" : "service"; }

std::string LabelName(const std::string& key, bool own_job, bool otel) {
  const std::set<std::string> intrinsics = {ServiceLabel(otel), "span_name", "span_kind",
                                            "status_code", "status_message"};
  std::string name = Sanitize(key);
  if (intrinsics.contains(name) || (own_job && (name == "job" || name == "instance"))) {
    name = "__" + name;
  }
  if (name[0] >= '0' && name[0] <= '9') return (otel ? "key_" : "_") + name;
  const bool one_underscore = name[0] == '_' && (name.size() == 1 || name[1] != '_');
  return one_underscore && otel ? "key" + name : name;
}

std::string Text(const AnyValue& value) {
  switch (value.type()) {
    case AnyValue::Type::kString:
      return std::string(value.bytes());
    case AnyValue::Type::kBool:
      return value.bool_value() ? "true" : "false";
    case AnyValue::Type::kInt:
      return std::to_string(value.int_value());
    default:
      return "";
  }
}

// The text of the first attribute under `key` that has one.
std::string Find(const Attributes& attributes, const std::string& key) {
  for (const Attribute& attribute : attributes.all()) {
    if (attribute.key == key && !Text(attribute.value).empty()) return Text(attribute.value);
  }
  return "";
}

class Model {
 public:
  explicit Model(const GeneratorOptions& options)
      : options_(options), otel_(options.naming == Naming::kOtel) {}

  void Process(const TestResource& resource) {
    bool accepted = false;
    for (const TestSpan& span : resource.spans) {
      const std::optional<LabelMap> labels = SpanLabels(resource.attributes, span);
      if (!labels) {
        ++discarded_;
        continue;
      }
      ++calls_[Render(*labels)];
      accepted = true;
    }
    if (accepted && options_.span_metrics.enable_target_info) AddTargetInfo(resource.attributes);
  }

  const std::map<std::string, double>& calls() const { return calls_; }
  const std::set<std::string>& target_info() const { return target_info_; }
  uint64_t discarded() const { return discarded_; }

 private:
  std::string Job(const Attributes& resource) const {
    const std::string name = Find(resource, "service.name");
    const std::string space = Find(resource, "service.namespace");
    return name.empty() || space.empty() ? name : space + "/" + name;
  }
  std::string Instance(const Attributes& resource) const {
    return options_.span_metrics.enable_instance_label ? Find(resource, "service.instance.id") : "";
  }

  // Nothing when a value is not UTF-8.
  std::optional<LabelMap> SpanLabels(const Attributes& resource, const TestSpan& span) const {
    const SpanMetricsOptions& options = options_.span_metrics;
    const auto look_up = [&](const std::string& key) {
      const std::string text = Find(resource, key);
      return text.empty() ? Find(span.attributes, key) : text;
    };
    LabelMap labels;
    const auto set = [&](const std::string& name, const std::string& text) {
      if (!text.empty()) labels[name] = text;
    };
    const auto configured = [&](const std::string& key, const std::string& text) {
      const std::string name = LabelName(key, false, otel_);
      if (options_.external_labels.contains(name)) return;
      set(Cut(name, options_.max_label_name_length), Cut(text, options_.max_label_value_length));
    };
    // Later ones replace earlier ones.
    for (const Dimension& dimension : options.dimensions) {
      configured(dimension.name, look_up(dimension.name));
    }
    for (const DimensionMapping& mapping : options.dimension_mappings) {
      std::string joined;
      for (const std::string& key : mapping.source_labels) {
        const std::string text = look_up(key);
        if (text.empty()) continue;
        if (!joined.empty()) joined += mapping.join;
        joined += text;
      }
      configured(mapping.name, joined);
    }
    const auto own = [&](bool enabled, const std::string& name, const std::string& text) {
      if (enabled) set(name, Cut(text, options_.max_label_value_length));
    };
    static constexpr const char* kKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                             "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                             "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
    static constexpr const char* kStatuses[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                "STATUS_CODE_ERROR"};
    own(options.enable_target_info, "job", Job(resource));
    own(options.enable_target_info, "instance", Instance(resource));
    own(options.intrinsic_dimensions.service, ServiceLabel(otel_), Find(resource, "service.name"));
    own(options.intrinsic_dimensions.span_name, "span_name", span.name);
    own(options.intrinsic_dimensions.status_message, "status_message", span.status_message);
    // Enum values are not cut.
    if (options.intrinsic_dimensions.span_kind) {
      labels["span_kind"] = span.kind < 6 ? kKinds[span.kind] : std::to_string(span.kind);
    }
    if (options.intrinsic_dimensions.status_code) {
      labels["status_code"] =
          span.status_code < 3 ? kStatuses[span.status_code] : std::to_string(span.status_code);
    }
    // The last one first, and only where nothing is.
    for (size_t i = options.dimensions.size(); i > 0; --i) {
      const Dimension& dimension = options.dimensions[i - 1];
      const std::string name =
          Cut(LabelName(dimension.name, false, otel_), options_.max_label_name_length);
      if (!labels.contains(name)) configured(dimension.name, dimension.default_value);
    }
    return Finish(std::move(labels));
  }

  std::optional<LabelMap> Finish(LabelMap labels) const {
    for (const auto& [name, value] : options_.external_labels) labels.erase(name);
    for (const auto& [name, value] : labels) {
      if (!IsUtf8(value)) return std::nullopt;
    }
    for (const auto& [name, value] : options_.external_labels) labels[name] = value;
    return labels;
  }

  void AddTargetInfo(const Attributes& resource) {
    const std::vector<std::string>& excluded =
        options_.span_metrics.target_info_excluded_dimensions;
    LabelMap labels;
    for (const Attribute& attribute : resource.all()) {
      const std::string key(attribute.key);
      if (key.empty() || (key[0] >= '0' && key[0] <= '9' && !otel_) || key == "service.name" ||
          key == "service.namespace" || key == "service.instance.id" ||
          std::find(excluded.begin(), excluded.end(), key) != excluded.end()) {
        continue;
      }
      std::string name = LabelName(key, true, otel_);
      if (!options_.external_labels.contains(name)) {
        name = Cut(name, options_.max_label_name_length);
      }
      if (name == "le" || name == "__name__" || name == "metric_overflow") continue;
      labels[name] = Cut(Text(attribute.value), options_.max_label_value_length);
    }
    std::set<std::string> identity;
    const auto own = [&](const std::string& name, const std::string& text) {
      if (text.empty()) return;
      labels[name] = Cut(text, options_.max_label_value_length);
      identity.insert(name);
    };
    own("job", Job(resource));
    own("instance", Instance(resource));
    std::erase_if(labels,
                  [](const auto& label) { return label.second.empty() || !IsUtf8(label.second); });
    std::erase_if(identity, [&](const std::string& name) { return !labels.contains(name); });
    if (identity.empty() || labels.size() == identity.size()) return;
    for (const auto& [name, value] : options_.external_labels) labels[name] = value;
    target_info_.insert(Render(labels));
  }

  // As the text format has it; no text of this test needs escapes.
  static std::string Render(const LabelMap& labels) {
    std::string text;
    for (const auto& [name, value] : labels) {
      if (!text.empty()) text += ',';
      text += name + "=\"" + value + "\"";
    }
    return text;
  }

  const GeneratorOptions& options_;
  const bool otel_;
  std::map<std::string, double> calls_;
  std::set<std::string> target_info_;
  uint64_t discarded_ = 0;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  GeneratorOptions Options() {
    for (;;) {
      GeneratorOptions options;
      if (Below(3) == 0) options.naming = Naming::kOtel;
      SpanMetricsOptions& span_metrics = options.span_metrics;
      span_metrics.intrinsic_dimensions = {Likely(), Likely(), Likely(), Likely(), Likely()};
      for (int n = Below(5); n > 0; --n) {
        span_metrics.dimensions.push_back({Key(), Below(3) == 0 ? "other" : ""});
      }
      for (int n = Below(3); n > 0; --n) {
        DimensionMapping mapping{Key(), {Key()}, Below(2) == 0 ? "" : "☃"};
        for (int more = Below(3); more > 0; --more) mapping.source_labels.push_back(Key());
        span_metrics.dimension_mappings.push_back(mapping);
      }
      span_metrics.enable_target_info = Likely();
      span_metrics.enable_instance_label = Likely();
      if (Below(2) == 0) span_metrics.target_info_excluded_dimensions = {Key(), "host_name"};
      if (Below(3) == 0) options.external_labels = {{Below(2) == 0 ? "service" : "a_b", "x"}};
      if (Below(3) == 0) options.external_labels["job"] = "y";
      if (Below(2) == 0) options.max_label_name_length = 3 + static_cast<uint64_t>(Below(8));
      if (Below(2) == 0) options.max_label_value_length = 1 + static_cast<uint64_t>(Below(9));
      // The model says nothing about external names that only a cut name meets.
      bool meets = false;
      for (const Dimension& dimension : span_metrics.dimensions) {
        meets |= Meets(options, dimension.name);
      }
      for (const DimensionMapping& mapping : span_metrics.dimension_mappings) {
        meets |= Meets(options, mapping.name);
      }
      if (!meets && ValidateSpanMetrics(options).empty()) return options;
    }
  }

  std::vector<TestResource> Request() {
    std::vector<TestResource> resources(1 + static_cast<size_t>(Below(3)));
    for (TestResource& resource : resources) {
      if (Likely()) resource.attributes.Add("service.name", Value());
      if (Likely()) resource.attributes.Add("service.namespace", Value());
      if (Likely()) resource.attributes.Add("service.instance.id", Value());
      for (int n = Below(5); n > 0; --n) Add(&resource.attributes);
      resource.spans.resize(static_cast<size_t>(Below(6)));
      for (TestSpan& span : resource.spans) {
        span.name = Value();
        span.status_message = Value();
        span.kind = Below(7);
        span.status_code = Below(4);
        for (int n = Below(6); n > 0; --n) Add(&span.attributes);
      }
    }
    return resources;
  }

 private:
  int Below(int end) { return static_cast<int>(random_() % static_cast<uint64_t>(end)); }
  bool Likely() { return Below(4) != 0; }

  std::string Key() {
    static constexpr const char* kKeys[] = {"a.b",       "a_b",         "a-b",      "host.name",
                                            "host_name", "host.names",  "service",  "service.name",
                                            "span.kind", "job",         "instance", "1st",
                                            "ключ",      "servicetier", "\xff.x",   "status_codes",
                                            "jobs",      "_x",          "__x"};
    return kKeys[Below(std::size(kKeys))];
  }
  std::string Value() {
    static constexpr const char* kValues[] = {
        "", "a", "bb", "value-1", "☃☃☃", "é1é2é3", "😀x😀", "x\xff", "ab\x80\x80", "longer-value-✓"};
    // Mostly short valid values, so that most spans count and label sets repeat.
    return kValues[Below(3) == 0 ? Below(std::size(kValues)) : Below(4)];
  }
  void Add(Attributes* attributes) {
    const std::string key = Key();
    switch (Below(6)) {
      case 0:
        attributes->Add(key, AnyValue::Int(Below(3)));
        return;
      case 1:
        attributes->Add(key, AnyValue::Bool(Below(2) == 0));
        return;
      case 2:
        attributes->Add(key, AnyValue::Bytes("b"));
        return;
      default:
        attributes->Add(key, Value());
    }
  }
  static bool Meets(const GeneratorOptions& options, const std::string& key) {
    return options.external_labels.contains(
        Cut(LabelName(key, false, options.naming == Naming::kOtel), options.max_label_name_length));
  }

  std::mt19937_64 random_;
};

TEST(SpanMetricsModelTest, RandomSpansHaveTheLabelsOfTheModel) {
  uint64_t label_sets = 0;
  uint64_t infos = 0;
  uint64_t discarded = 0;
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(seed);
    Generator generator(seed);
    const GeneratorOptions options = generator.Options();
    FakeClock clock;
    Registry registry(options, &clock);
    AttributeIndex index;
    const std::unique_ptr<Processor> processor =
        NewSpanMetrics(options, &index, &registry, &clock, nullptr);
    const std::unique_ptr<ProcessorSession> session = processor->NewSession();
    Model model(options);
    uint64_t invalid_utf8 = 0;
    for (int request = 0; request < 5; ++request) {
      const std::vector<TestResource> resources = generator.Request();
      for (const TestResource& resource : resources) model.Process(resource);
      const ProcessorCounts counts = testing::Process(index, resources, session.get());
      invalid_utf8 += counts.discarded[static_cast<size_t>(DiscardReason::kInvalidUtf8)];
    }

    const bool otel = options.naming == Naming::kOtel;
    const std::string calls_name =
        otel ? "traces_span_metrics_calls_total" : "traces_spanmetrics_calls_total";
    const std::string target_info_name = otel ? "target_info" : "traces_target_info";
    CollectingSink sink;
    ASSERT_TRUE(registry.Visit(&sink));
    std::map<std::string, double> calls;
    std::set<std::string> target_info;
    for (const auto& [name, series] : sink.metrics()) {
      for (const auto& [labels, point] : series) {
        if (name == calls_name) calls[labels] = point.value;
        if (name == target_info_name) target_info.insert(labels);
      }
    }
    ASSERT_EQ(calls, model.calls());
    ASSERT_EQ(target_info, model.target_info());
    ASSERT_EQ(invalid_utf8, model.discarded());
    ASSERT_TRUE(sink.repeated().empty());
    label_sets += calls.size();
    infos += target_info.size();
    discarded += invalid_utf8;
  }
  // The random spans must reach what they are meant to reach.
  EXPECT_GT(label_sets, 10000U);
  EXPECT_GT(infos, 1000U);
  EXPECT_GT(discarded, 1000U);
}

}  // namespace
}  // namespace spanmeter
