#include <utility>

#include "spanmeter/server_tls.h"

namespace spanmeter {

namespace {

constexpr int64_t kLookNanos = kNanosPerSecond;
constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;

}  // namespace

ServerTlsWatch::ServerTlsWatch(const ServerTlsOptions& options, std::string port,
                               const Clock* clock, const Logger* logger)
    : options_(options),
      port_(std::move(port)),
      clock_(clock),
      logger_(logger),
      throttle_(clock, kLogIntervalNanos) {}

bool ServerTlsWatch::Read(ServerTlsFiles* files, std::string* error) {
  const MutexLock lock(&mutex_);
  next_look_nanos_ = clock_->MonotonicNanos() + kLookNanos;
  // Before reading: what changes in between is read again.
  versions_ = VersionsOfFiles();
  return ReadServerTls(options_, files, error);
}

bool ServerTlsWatch::ReadIfChanged(ServerTlsFiles* files) {
  const MutexLock lock(&mutex_);
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_look_nanos_) return false;
  next_look_nanos_ = now + kLookNanos;
  const Versions versions = VersionsOfFiles();
  if (versions == versions_) return false;
  std::string error;
  if (ReadServerTls(options_, files, &error)) {
    versions_ = versions;
    logger_->Info("took up new certificates", {{"port", port_}, {"file", options_.cert_file}});
    return true;
  }
  uint64_t suppressed = 0;
  if (throttle_.Allow(&suppressed)) {
    logger_->Warn("cannot take up new certificates, the former ones are still used",
                  {{"port", port_}, {"error", error}, {"suppressed", suppressed}});
  }
  return false;
}

ServerTlsWatch::Versions ServerTlsWatch::VersionsOfFiles() const {
  return {FileVersion::OfFile(options_.cert_file), FileVersion::OfFile(options_.key_file),
          options_.client_ca_file.empty() ? FileVersion()
                                          : FileVersion::OfFile(options_.client_ca_file)};
}

}  // namespace spanmeter
