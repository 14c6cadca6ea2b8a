#include "app/app.h"

#include <algorithm>

#include "spanmeter/process_metrics.h"

namespace spanmeter {

namespace {

// Requests in flight get this long to be answered at a stop. Clients send for at most a few seconds
// as a rule, and service managers wait longer before they kill.
constexpr int64_t kStopGraceNanos = 10 * kNanosPerSecond;

// Stale series are out of sight at once; how soon their memory is free again follows their
// lifetime.
constexpr int64_t kMaxMaintenanceIntervalNanos = 5 * kNanosPerSecond;
constexpr int64_t kMaintenancePerStaleDuration = 20;

}  // namespace

App::App(const Options& options, const std::string& version)
    : options_(options),
      logger_(options.log, &clock_),
      generator_(std::string(kSingleTenant), options.generator, &clock_, &logger_, &metrics_) {
  AddBuildInfo(version, &metrics_);
  AddProcessMetrics(&metrics_);
}

App::~App() { Stop(); }

bool App::Start() {
  LogRemarks();
  std::string error;

  // The start list. HTTP comes first, so that no span is acknowledged by a process that then finds
  // its second port taken; until the end of the list /-/ready says no.
  HttpContent content;
  content.visit_generated = [this](SampleSink* sink) { return generator_.registry().Visit(sink); };
  content.ready = [this] { return ready_.load(); };
  http_ = HttpServer::Start(options_.http, content, &clock_, &logger_, &metrics_, &error);
  if (http_ == nullptr) {
    logger_.Error("cannot start", {{"port", "http"}, {"error", error}});
    return false;
  }
  grpc_ =
      OtlpGrpcServer::Start(options_.otlp_grpc, &generator_, &clock_, &logger_, &metrics_, &error);
  if (grpc_ == nullptr) {
    logger_.Error("cannot start", {{"port", "otlp_grpc"}, {"error", error}});
    Stop();
    return false;
  }
  ready_ = true;

  // Only now, because what failed to start never listened.
  logger_.Info("listening", {{"port", "http"}, {"address", http_->address()}});
  logger_.Info("listening", {{"port", "otlp_grpc"},
                             {"address", grpc_->address()},
                             {"tls", options_.otlp_grpc.tls ? "on" : "off"}});
  return true;
}

void App::Stop() {
  // The stop list: the other way round. What was acknowledged can be scraped to the end.
  ready_ = false;
  if (grpc_ != nullptr) grpc_->Shutdown(kStopGraceNanos);
  if (http_ != nullptr) http_->Stop();
}

void App::Maintain() { generator_.registry().Expire(); }

int64_t App::MaintenanceIntervalNanos() const {
  return std::min(kMaxMaintenanceIntervalNanos,
                  options_.generator.stale_duration / kMaintenancePerStaleDuration);
}

// Settings that are allowed, but perhaps not meant.
void App::LogRemarks() const {
  const GeneratorOptions& generator = options_.generator;
  if (!generator.processors.span_metrics()) {
    logger_.Warn("no metrics are generated, because generator.processors is empty");
  }
  if (generator.disable_collection) {
    logger_.Warn("generated metrics are not shown, because generator.disable_collection is true");
  }
  const bool by_series = generator.limiter_type == LimiterType::kSeries;
  const uint64_t unused = by_series ? generator.max_active_entities : generator.max_active_series;
  if (unused != 0) {
    const char* key = by_series ? "generator.max_active_entities" : "generator.max_active_series";
    logger_.Warn("a limit has no effect, because generator.limiter_type names the other one",
                 {{"key", key}, {"limiter_type", by_series ? "series" : "entity"}});
  }
}

}  // namespace spanmeter
