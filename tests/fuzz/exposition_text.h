// Reads the two text formats by their grammars, line by line, and ends the program where a line is
// none: https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0.

#ifndef SPANMETER_TESTS_FUZZ_EXPOSITION_TEXT_H_
#define SPANMETER_TESTS_FUZZ_EXPOSITION_TEXT_H_

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "fuzz/fuzz_input.h"
#include "fuzz/plain_utf8.h"

namespace spanmeter::testing {

class ExpositionText {
 public:
  // Reads `body`. The samples are found under their name and labels as they were written.
  ExpositionText(std::string_view body, bool openmetrics) : openmetrics_(openmetrics) {
    Check(body.empty() || body.back() == '\n', "the last line does not end");
    while (!body.empty()) {
      const size_t end = body.find('\n');
      Check(!ended_, "something comes after # EOF");
      line_ = body.substr(0, end);
      rest_ = line_;
      body.remove_prefix(end + 1);
      if (rest_.starts_with('#')) {
        ReadComment();
      } else {
        ReadSample();
      }
    }
    CheckThat(ended_ == openmetrics, "# EOF");
    CheckHistograms();
  }

  // The sum of all samples of this name.
  double Sum(const std::string& name) const {
    double sum = 0;
    for (const auto& [key, value] : samples_) {
      if (key.starts_with(name + "{") || key == name) sum += value;
    }
    return sum;
  }
  size_t size() const { return samples_.size(); }

 private:
  void CheckThat(bool ok, const std::string& expected) const {
    Check(ok, "expected " + expected + " in: " + std::string(line_));
  }
  bool Skip(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void Need(std::string_view text) { CheckThat(Skip(text), std::string(text)); }

  std::string_view Name(bool colons) {
    size_t size = 0;
    while (size < rest_.size()) {
      const char c = rest_[size];
      const bool letter =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
      if (!letter && (size == 0 || c < '0' || c > '9')) break;
      ++size;
    }
    CheckThat(size > 0, "a name");
    const std::string_view name = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return name;
  }

  // Up to the next space or the end.
  double Number() {
    const std::string text(rest_.substr(0, rest_.find(' ')));
    rest_.remove_prefix(text.size());
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    CheckThat(!text.empty() && *end == '\0', "a number");
    CheckThat(!std::isnan(value), "a number, not NaN");
    return value;
  }

  // Returns them as they stand there, braces included, without `le`, which goes to *le.
  std::string Labels(std::string* le) {
    std::string labels = "{";
    std::set<std::string_view> names;
    Need("{");
    while (!Skip("}")) {
      if (!names.empty()) Need(",");
      const std::string_view name = Name(/*colons=*/false);
      CheckThat(names.insert(name).second, "no label twice");
      Need("=\"");
      size_t size = 0;
      while (size < rest_.size() && rest_[size] != '"') {
        if (rest_[size] == '\\') {
          ++size;
          CheckThat(size < rest_.size() && std::string_view("\\\"n").find(rest_[size]) < 3,
                    "a legal escape");
        }
        ++size;
      }
      CheckThat(size > 0 && size < rest_.size(), "a value and its closing quote");
      const std::string_view value = rest_.substr(0, size);
      CheckThat(IsPlainUtf8(value), "UTF-8");
      rest_.remove_prefix(size + 1);
      if (le != nullptr && name == "le") {
        *le = value;
      } else {
        labels.append(name).append("=\"").append(value).append("\",");
      }
    }
    return labels + "}";
  }

  void ReadComment() {
    if (line_ == "# EOF") {
      ended_ = openmetrics_;
      return;
    }
    if (Skip("# HELP ")) {
      Name(/*colons=*/true);
      Need(" ");
      CheckThat(IsPlainUtf8(rest_), "UTF-8");
      return;
    }
    Need("# TYPE ");
    const std::string_view name = Name(/*colons=*/true);
    CheckThat(types_.insert(std::string(name)).second, "a metric only once");
    Need(" ");
    static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram", "untyped",
                                                  "unknown"};
    bool known = false;
    for (const std::string_view type : kTypes) known = known || rest_ == type;
    CheckThat(known, "a type");
  }

  void ReadSample() {
    std::string name(Name(/*colons=*/true));
    std::string le;
    std::string labels = "{}";
    if (rest_.starts_with('{')) labels = Labels(&le);
    Need(" ");
    const double value = Number();
    if (openmetrics_ && Skip(" # ")) {
      Labels(nullptr);
      Need(" ");
      Number();
      Need(" ");
      Number();
    }
    CheckThat(rest_.empty(), "the end of the line");
    std::string key = name + labels;
    if (!le.empty()) {
      const double bound = std::strtod(le.c_str(), nullptr);
      CheckThat(buckets_[key].emplace(bound, value).second, "no bucket twice");
      key += le;
    }
    CheckThat(samples_.emplace(std::move(key), value).second, "no sample twice");
  }

  void CheckHistograms() const {
    for (const auto& [key, buckets] : buckets_) {
      const size_t part = key.find("_bucket{");
      Check(part != std::string::npos, "the label le is not a bucket's: " + key);
      double before = 0;
      for (const auto& [bound, count] : buckets) {
        Check(count >= before, "buckets do not add up: " + key);
        before = count;
      }
      Check(std::isinf(buckets.rbegin()->first), "no bucket +Inf: " + key);
      const auto count =
          samples_.find(key.substr(0, part) + "_count" + key.substr(part + sizeof "_bucket" - 1));
      Check(count != samples_.end() && count->second == before,
            "the bucket +Inf is not the count: " + key);
    }
  }

  const bool openmetrics_;
  bool ended_ = false;
  std::string_view line_;
  std::string_view rest_;
  std::set<std::string> types_;
  std::map<std::string, double> samples_;
  std::map<std::string, std::map<double, double>> buckets_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_FUZZ_EXPOSITION_TEXT_H_
