// Selects series the way PromQL does
// (https://prometheus.io/docs/prometheus/latest/querying/basics/#instant-vector-selectors).

#ifndef SPANMETER_ADMIN_MATCHERS_H_
#define SPANMETER_ADMIN_MATCHERS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/sample_sink.h"

namespace re2 {
class RE2;
}

namespace spanmeter {

// Not thread-safe: has working memory.
class SeriesSelector {
 public:
  static constexpr size_t kMaxBytes = 4096;
  static constexpr size_t kMaxMatchers = 32;
  static constexpr size_t kMaxRegexBytes = 1024;

  // Parses `metric{label="value",...}`, each part of which may be missing; nothing selects
  // everything. Returns nullopt and says why in *problem when it cannot be read.
  static std::optional<SeriesSelector> Parse(std::string_view text, std::string* problem);

  SeriesSelector(SeriesSelector&&) noexcept;
  SeriesSelector& operator=(SeriesSelector&&) noexcept;
  ~SeriesSelector();

  // A histogram is also found under the names of its parts: NAME_bucket, NAME_count, NAME_sum.
  bool MatchesMetric(const MetricInfo& metric) const;
  // `labels` is a label set as registries present it. A label that is not there is empty.
  bool MatchesLabels(std::string_view labels);

 private:
  struct Matcher {
    std::string name;
    bool is_equal = true;  // else it selects what does not match
    std::string value;     // without a regex
    std::unique_ptr<re2::RE2> regex;

    bool Matches(std::string_view text) const;
  };
  class Parser;

  SeriesSelector();
  bool MatchesName(std::string_view name) const;

  std::vector<Matcher> name_matchers_;
  std::vector<Matcher> label_matchers_;
  std::vector<bool> seen_;
  std::string unescaped_;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_MATCHERS_H_
