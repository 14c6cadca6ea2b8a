// What the HTTP server counts about itself.

#ifndef SPANMETER_SRC_HTTP_HTTP_METRICS_H_
#define SPANMETER_SRC_HTTP_HTTP_METRICS_H_

#include <array>
#include <cstdint>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>

#include "spanmeter/exposition.h"
#include "spanmeter/self_metrics.h"

#include "http/access.h"

namespace spanmeter {

enum class ScrapeResult : uint8_t {
  kSuccess,
  kAborted,  // the scraper went away, or did not take the answer in time
  kRefused,  // too many at the same time
};

// The name of a format in metrics.
const char* FormatName(ExpositionFormat format);

// What can be scraped, by its path.
enum class ScrapePath : uint8_t { kMetrics, kGenerated, kSelf };
inline constexpr std::array<const char*, 3> kScrapePaths = {"/metrics", "/metrics/generated",
                                                            "/metrics/self"};

// The name of a refusal in metrics and logs.
const char* RefusalName(AccessRefusal refusal);

// Thread-safe.
class HttpMetrics {
 public:
  // `metrics` must outlive this.
  explicit HttpMetrics(SelfMetrics* metrics);

  void CountRequest(int status);
  // REQUIRES: refusal is not kNone.
  void CountAuthFailure(AccessRefusal refusal);
  void CountScrape(ScrapePath path, ExpositionFormat format, ScrapeResult result);
  // For scrapes that were not refused. `bytes` is the size of the body as sent.
  void ObserveScrape(ScrapePath path, double seconds, uint64_t bytes);

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& auth_failures_;
  prometheus::Family<prometheus::Counter>& scrapes_;
  // By path; they belong to the registry.
  std::array<prometheus::Histogram*, kScrapePaths.size()> seconds_;
  std::array<prometheus::Histogram*, kScrapePaths.size()> bytes_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_HTTP_METRICS_H_
