// The JSON API for people and for the page: what a running spanmeter is doing, tenant by tenant.
// src/admin/openapi.json describes it.

#ifndef SPANMETER_ADMIN_API_H_
#define SPANMETER_ADMIN_API_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spanmeter/api_reply.h"
#include "spanmeter/clock.h"
#include "spanmeter/forward.h"
#include "spanmeter/options.h"
#include "spanmeter/remote_write.h"
#include "spanmeter/tenants.h"

namespace spanmeter {

// The last scrape of a path by a peer.
struct AdminScrape {
  std::string path;
  std::string format;
  int64_t time_ms = 0;  // since the Unix epoch
  double duration_seconds = 0;
  uint64_t bytes = 0;
  std::string peer;
};

// The configuration in force, and the last attempt to change it.
struct AdminConfig {
  std::string file;
  Options options;
  int64_t reload_ms = 0;  // since the Unix epoch
  bool reload_success = true;
  std::string reload_problem;
  // The settings that only a restart changes and that the last attempt would have changed.
  std::vector<std::string> restart_needed_for;
};

// Where the answers come from. The functions are called from any thread, several at a time.
struct AdminParts {
  std::string version;
  bool tenancy = false;
  const Clock* clock = nullptr;
  const Tenants* tenants = nullptr;
  std::function<AdminConfig()> config;
  std::function<RemoteWriteStatus()> remote_write;
  std::function<ForwardStatus()> forward;
  // How many OTLP requests were answered, by code.
  std::function<std::map<std::string, uint64_t>()> requests;
  std::function<std::vector<AdminScrape>()> scrapes;
};

// Thread-safe. Costly questions walk a tenant's registry: one at a time for each tenant, within
// bounds of time and memory, and their answers are kept for a few seconds, longer the more they
// cost.
class AdminApi {
 public:
  // What the parts point at must outlive this. Functions that are not set answer nothing.
  explicit AdminApi(AdminParts parts);
  ~AdminApi();
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  // Answers GET /api/v1/PATH?QUERY; neither is decoded.
  ApiReply Answer(const std::string& path, const std::string& query);

  // To be called every few seconds at least: notes how things stand, for curves and rates.
  void Maintain();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_API_H_
