#include "http/http_metrics.h"

#include <string>

namespace spanmeter {
namespace {

size_t Index(ScrapePath path) { return static_cast<size_t>(path); }

const char* Name(ScrapeResult result) {
  switch (result) {
    case ScrapeResult::kAborted:
      return "aborted";
    case ScrapeResult::kRefused:
      return "refused";
    case ScrapeResult::kSuccess:
      break;
  }
  return "success";
}

prometheus::Labels ScrapeLabels(const char* path, ExpositionFormat format, ScrapeResult result) {
  return {{"path", path}, {"format", FormatName(format)}, {"result", Name(result)}};
}

}  // namespace

const char* FormatName(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::kOpenMetrics:
      return "openmetrics";
    case ExpositionFormat::kProtobuf:
      return "protobuf";
    case ExpositionFormat::kText:
      break;
  }
  return "text";
}

const char* RefusalName(AccessRefusal refusal) {
  switch (refusal) {
    case AccessRefusal::kMissing:
      return "missing";
    case AccessRefusal::kMalformed:
      return "malformed";
    case AccessRefusal::kWrong:
      return "wrong";
    case AccessRefusal::kLimited:
      return "limited";
    case AccessRefusal::kForbidden:
      return "forbidden";
    case AccessRefusal::kPeer:
      return "peer";
    case AccessRefusal::kHost:
      return "host";
    case AccessRefusal::kNone:
      break;
  }
  return "";
}

HttpMetrics::HttpMetrics(SelfMetrics* metrics)
    : requests_(prometheus::BuildCounter()
                    .Name("spanmeter_http_requests_total")
                    .Help("HTTP requests answered, by status code.")
                    .Register(metrics->registry())),
      auth_failures_(
          prometheus::BuildCounter()
              .Name("spanmeter_http_auth_failures_total")
              .Help("HTTP requests refused because of who asked, by reason: missing (no password "
                    "or token), malformed, wrong, limited (too many passwords were being checked), "
                    "forbidden (needs the role admin), peer (needs to come from this machine) or "
                    "host (asked for a name that is not this machine's).")
              .Register(metrics->registry())),
      scrapes_(prometheus::BuildCounter()
                   .Name("spanmeter_scrapes_total")
                   .Help("Scrapes, by path, format and result: success, aborted (the scraper went "
                         "away or was too slow) or refused (too many at the same time).")
                   .Register(metrics->registry())) {
  auto& seconds = prometheus::BuildHistogram()
                      .Name("spanmeter_scrape_duration_seconds")
                      .Help("Time from the request of a scrape to the last byte of the answer.")
                      .Register(metrics->registry());
  auto& bytes = prometheus::BuildHistogram()
                    .Name("spanmeter_scrape_size_bytes")
                    .Help("Size of the answers to scrapes as sent, compressed or not.")
                    .Register(metrics->registry());
  const prometheus::Histogram::BucketBoundaries seconds_bounds = {0.001, 0.005, 0.025, 0.1, 0.25,
                                                                  0.5,   1,     2.5,   5,   10};
  const prometheus::Histogram::BucketBoundaries bytes_bounds = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

  // Series that everybody will have exist from the start, so that rates see their first increment.
  requests_.Add({{"code", "200"}});
  for (const AccessRefusal refusal :
       {AccessRefusal::kMissing, AccessRefusal::kMalformed, AccessRefusal::kWrong,
        AccessRefusal::kLimited, AccessRefusal::kForbidden, AccessRefusal::kPeer,
        AccessRefusal::kHost}) {
    auth_failures_.Add({{"reason", RefusalName(refusal)}});
  }
  for (size_t i = 0; i < kScrapePaths.size(); ++i) {
    for (const ExpositionFormat format :
         {ExpositionFormat::kText, ExpositionFormat::kOpenMetrics, ExpositionFormat::kProtobuf}) {
      scrapes_.Add(ScrapeLabels(kScrapePaths[i], format, ScrapeResult::kSuccess));
    }
    seconds_[i] = &seconds.Add({{"path", kScrapePaths[i]}}, seconds_bounds);
    bytes_[i] = &bytes.Add({{"path", kScrapePaths[i]}}, bytes_bounds);
  }
}

void HttpMetrics::CountRequest(int status) {
  requests_.Add({{"code", std::to_string(status)}}).Increment();
}

void HttpMetrics::CountAuthFailure(AccessRefusal refusal) {
  auth_failures_.Add({{"reason", RefusalName(refusal)}}).Increment();
}

void HttpMetrics::CountScrape(ScrapePath path, ExpositionFormat format, ScrapeResult result) {
  scrapes_.Add(ScrapeLabels(kScrapePaths[Index(path)], format, result)).Increment();
}

void HttpMetrics::ObserveScrape(ScrapePath path, double seconds, uint64_t bytes) {
  seconds_[Index(path)]->Observe(seconds);
  bytes_[Index(path)]->Observe(static_cast<double>(bytes));
}

}  // namespace spanmeter
