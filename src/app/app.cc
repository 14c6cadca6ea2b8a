#include "app/app.h"

#include <map>
#include <thread>
#include <utility>

#include "spanmeter/process_metrics.h"

namespace spanmeter {

namespace {

// Requests in flight get this long to be answered at a stop. Clients send for at most a few seconds
// as a rule, and service managers wait longer before they kill.
constexpr int64_t kStopGraceNanos = 10 * kNanosPerSecond;

// And what has been collected, or is to be passed on, this long to be taken by its receivers.
constexpr int64_t kFlushNanos = 10 * kNanosPerSecond;

std::vector<CollectedTenant> TenantsToCollect(const Tenants& tenants) {
  std::vector<CollectedTenant> collected;
  for (const auto& generator : tenants.All()) {
    const CollectionOptions options = generator->collection_options();
    collected.push_back({generator->tenant(), generator->registry(), options.interval_nanos,
                         options.disabled, generator->restored_until_ms()});
  }
  return collected;
}

// Nothing before the server has started.
std::vector<AdminScrape> LastScrapes(const HttpServer* http) {
  std::vector<AdminScrape> scrapes;
  if (http == nullptr) return scrapes;
  for (const ScrapeRecord& record : http->last_scrapes()) {
    scrapes.push_back({record.path, record.format, record.time_ms, record.duration_seconds,
                       record.bytes, record.peer});
  }
  return scrapes;
}

// The names of the settings in which the options differ although only a restart changes them.
std::vector<std::string> RestartOnlyChanges(const Options& before, const Options& after) {
  std::vector<std::string> names;
  const auto check = [&names](bool same, const char* name) {
    if (!same) names.emplace_back(name);
  };
  check(before.log.format == after.log.format, "log.format");
  check(before.otlp_grpc == after.otlp_grpc, "otlp.grpc");
  check(before.otlp_http == after.otlp_http, "otlp.http");
  check(before.http == after.http, "http");
  check(before.tenancy.enabled == after.tenancy.enabled, "tenancy.enabled");
  check(before.storage == after.storage, "storage");
  return names;
}

// How many OTLP requests were answered, by code, over all transports.
std::map<std::string, uint64_t> CountRequests(SelfMetrics* metrics) {
  std::map<std::string, uint64_t> counts;
  for (const prometheus::MetricFamily& family : metrics->registry().Collect()) {
    if (family.name != "spanmeter_otlp_requests_total") continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      for (const auto& label : metric.label) {
        if (label.name != "code") continue;
        counts[label.value] += static_cast<uint64_t>(metric.counter.value);
      }
    }
  }
  return counts;
}

}  // namespace

App::App(const Options& options, std::string config_file, ConfigOverrides overrides,
         const std::string& version)
    : config_file_(std::move(config_file)),
      overrides_(std::move(overrides)),
      logger_(options.log, &clock_),
      reload_metrics_(&clock_, &metrics_),
      tenants_(options, &clock_, &logger_, &metrics_),
      remote_write_(
          options, version, [this] { return TenantsToCollect(tenants_); }, &clock_, &logger_,
          &metrics_),
      forward_(options, version, &clock_, &logger_, &metrics_),
      state_(options.storage.path, &clock_, &logger_, &metrics_),
      options_(options),
      admin_(MakeAdminParts(version, options.tenancy.enabled)) {
  AddBuildInfo(version, &metrics_);
  AddProcessMetrics(&metrics_);
}

App::~App() { Stop(); }

bool App::Start() {
  Options options;
  {
    const MutexLock lock(&reload_mutex_);
    options = options_;
  }
  LogRemarks(options);
  std::string error;

  // The start list. First what the former process has left: whoever asks is to find all of it.
  state_.Restore(&tenants_);
  // HTTP comes before the ports for spans, so that none is acknowledged by a process that then
  // finds a port taken; until the end of the list /-/ready says no.
  HttpContent content;
  content.visit_generated = [this](const std::optional<std::string>& tenant, SampleSink* sink) {
    return tenant ? tenants_.Visit(*tenant, sink) : tenants_.Visit(sink);
  };
  content.has_tenant = [this](const std::string& tenant) { return tenants_.Has(tenant); };
  content.api = [this](const std::string& path, const std::string& query) {
    return admin_.Answer(path, query);
  };
  content.reload = [this] { return Reload(); };
  content.ready = [this] { return ready_.load(); };
  http_ = HttpServer::Start(options.http, content, &clock_, &logger_, &metrics_, &error);
  if (http_ == nullptr) {
    logger_.Error("cannot start", {{"port", "http"}, {"error", error}});
    state_.PutBack();
    return false;
  }
  started_http_ = http_.get();
  remote_write_.Start();
  forward_.Start();
  // Of the ports for spans one is opened before the other serves, for the same reason.
  if (options.otlp_http.enabled) {
    otlp_http_ = OtlpHttpServer::Open(options.otlp_http, &tenants_, &clock_, &logger_, &metrics_,
                                      &error, &forward_);
    if (otlp_http_ == nullptr) {
      logger_.Error("cannot start", {{"port", "otlp_http"}, {"error", error}});
      Stop();
      state_.PutBack();
      return false;
    }
  }
  grpc_ = OtlpGrpcServer::Start(options.otlp_grpc, &tenants_, &clock_, &logger_, &metrics_, &error,
                                &forward_);
  if (grpc_ == nullptr) {
    logger_.Error("cannot start", {{"port", "otlp_grpc"}, {"error", error}});
    Stop();
    state_.PutBack();
    return false;
  }
  // Nothing can fail any more.
  if (otlp_http_ != nullptr) otlp_http_->Serve();
  state_.Forget();
  ready_ = true;

  // Only now, because what failed to start never listened.
  logger_.Info(
      "listening",
      {{"port", "http"}, {"address", http_->address()}, {"tls", options.http.tls ? "on" : "off"}});
  if (otlp_http_ != nullptr) {
    logger_.Info("listening", {{"port", "otlp_http"},
                               {"address", otlp_http_->address()},
                               {"tls", options.otlp_http.tls ? "on" : "off"}});
  }
  logger_.Info("listening", {{"port", "otlp_grpc"},
                             {"address", grpc_->address()},
                             {"tls", options.otlp_grpc.tls ? "on" : "off"}});
  return true;
}

void App::Stop() {
  // The stop list: the other way round. What was acknowledged can be scraped to the end.
  const bool was_running = ready_.exchange(false);
  ShutdownReceivers();
  // Nothing is counted or passed on any more.
  forward_.BeginStop(clock_.MonotonicNanos() + kFlushNanos);
  remote_write_.StopCollecting();
  if (was_running) {
    const MutexLock lock(&reload_mutex_);  // no reload meanwhile
    state_.Save(tenants_);
  }
  // The state comes before what takes long, so that it is there when somebody loses patience.
  remote_write_.Stop(clock_.MonotonicNanos() + kFlushNanos);
  forward_.Stop();
  if (http_ != nullptr) http_->Stop();
}

// All at once, so that the grace is the same for all of them.
void App::ShutdownReceivers() {
  std::thread http([this] {
    if (otlp_http_ != nullptr) otlp_http_->Shutdown(kStopGraceNanos);
  });
  if (grpc_ != nullptr) grpc_->Shutdown(kStopGraceNanos);
  http.join();
}

std::string App::Reload() {
  const MutexLock lock(&reload_mutex_);
  ConfigResult config = LoadConfig(config_file_, overrides_);
  std::string problem = FormatProblems(config_file_, config.problems);
  if (problem.empty()) {
    restart_needed_for_ = RestartOnlyChanges(options_, config.options);
    std::string fixed;
    for (const std::string& name : restart_needed_for_) {
      fixed.append(fixed.empty() ? "" : ", ").append(name);
    }
    if (!fixed.empty()) {
      problem = config_file_ + ": cannot change " + fixed +
                " while running: restart spanmeter, or undo the change\n";
    }
  } else {
    restart_needed_for_.clear();
  }
  if (!problem.empty()) {
    reload_metrics_.CountFailure(problem);
    logger_.Error("cannot reload the configuration, the former one stays in force",
                  {{"config", config_file_}, {"problems", problem}});
    return problem;
  }

  // From here on nothing can fail.
  options_ = std::move(config.options);
  logger_.SetLevel(options_.log.level);
  std::string restarted;
  for (const std::string& metric : tenants_.Reload(options_)) {
    restarted.append(restarted.empty() ? "" : " ").append(metric);
  }
  remote_write_.Reload(options_);
  forward_.Reload(options_);
  // Only now: who sees the counter move may rely on it.
  reload_metrics_.CountSuccess();
  logger_.Info("configuration reloaded", {{"config", config_file_}});
  if (!restarted.empty()) {
    logger_.Warn("metrics end or begin anew, because processors, labels or buckets changed",
                 {{"metrics", restarted}});
  }
  LogRemarks(options_);
  return "";
}

AdminParts App::MakeAdminParts(const std::string& version, bool tenancy) {
  AdminParts parts;
  parts.version = version;
  parts.tenancy = tenancy;
  parts.clock = &clock_;
  parts.tenants = &tenants_;
  parts.config = [this] { return DescribeConfig(); };
  parts.remote_write = [this] { return remote_write_.status(); };
  parts.forward = [this] { return forward_.status(); };
  parts.requests = [this] { return CountRequests(&metrics_); };
  parts.scrapes = [this] { return LastScrapes(started_http_); };
  return parts;
}

AdminConfig App::DescribeConfig() {
  const MutexLock lock(&reload_mutex_);
  const ReloadMetrics::Last last = reload_metrics_.last();
  return {config_file_, options_, last.time_ms, last.success, last.problem, restart_needed_for_};
}

// Settings that are allowed, but perhaps not meant.
void App::LogRemarks(const Options& options) const {
  const auto has_readable_secrets = [](bool has_secrets, bool has_tls, const std::string& listen) {
    return has_secrets && !has_tls && !listen.starts_with("127.") && !listen.starts_with("[::1]:");
  };
  if (has_readable_secrets(options.http.has_credentials(), options.http.tls.has_value(),
                           options.http.listen)) {
    logger_.Warn("passwords and tokens can be read on their way, because http.tls is off");
  }
  if (has_readable_secrets(!options.otlp_grpc.tokens.empty(), options.otlp_grpc.tls.has_value(),
                           options.otlp_grpc.listen)) {
    logger_.Warn("tokens can be read on their way, because otlp.grpc.tls is off");
  }
  if (options.otlp_http.enabled &&
      has_readable_secrets(!options.otlp_http.tokens.empty(), options.otlp_http.tls.has_value(),
                           options.otlp_http.listen)) {
    logger_.Warn("tokens can be read on their way, because otlp.http.tls is off");
  }
  const GeneratorOptions& generator = options.generator;
  if (!generator.processors.any()) {
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
