#include "config/forward_checks.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/filter_policy.h"
#include "spanmeter/quote.h"
#include "spanmeter/units.h"

#include "config/client_keys.h"
#include "config/url.h"

namespace spanmeter {

namespace {

// Each has a thread and a queue of its own.
constexpr size_t kMaxReceivers = 16;

std::optional<Url> EndpointUrl(const std::string& text) {
  constexpr std::array<std::string_view, 2> kSchemes = {"http", "https"};
  std::string error;
  return ParseUrl(text, kSchemes, &error);
}

void CheckProtocol(const ForwardOptions& receiver, const std::string& at, ConfigReader* reader) {
  if (receiver.protocol == ForwardProtocol::kHttp) return;
  const std::optional<Url> url = EndpointUrl(receiver.endpoint);
  if (url && !url->path.empty() && url->path != "/") {
    reader->LaterProblem(at + ".endpoint",
                         " has a path, which gRPC does not know: remove it, or write protocol = "
                         "\"http\"");
  }
  if (receiver.tls_config.min_version == TlsVersion::kTls13) {
    reader->LaterProblem(at + ".tls_config.min_version",
                         " = \"TLS13\" is not possible with gRPC: remove it, or write protocol = "
                         "\"http\"");
  }
}

void CheckTls(const ForwardOptions& receiver, const std::string& at, ConfigReader* reader) {
  const std::string section = at + ".tls_config";
  CheckClientCertificate(receiver.tls_config, section, reader);
  if (receiver.endpoint.starts_with("https:") || receiver.tls_config == ClientTlsOptions()) return;
  reader->LaterProblem(
      section, " has no effect, because endpoint begins with http: write https, or remove it",
      at + ".endpoint");
}

void CheckQueue(const ForwardOptions& receiver, const std::string& at, bool has_path,
                ConfigReader* reader) {
  const ForwardQueueOptions& queue = receiver.queue_config;
  const std::string section = at + ".queue_config.";
  if (queue.min_backoff > queue.max_backoff) {
    reader->LaterProblem(section + "min_backoff",
                         " = \"" + FormatDuration(queue.min_backoff) +
                             "\" is longer than max_backoff = \"" +
                             FormatDuration(queue.max_backoff) + "\": lower it, or raise the other",
                         section + "max_backoff");
  }
  if (!queue.spill) return;
  if (!has_path) {
    reader->LaterProblem(section + "spill", " needs a directory: set storage.path, or remove it");
  }
  if (queue.max_memory > queue.max_size) {
    reader->LaterProblem(section + "max_memory",
                         " = \"" + FormatByteSize(queue.max_memory) +
                             "\" is larger than max_size = \"" + FormatByteSize(queue.max_size) +
                             "\", which bounds what is in memory as well: lower it",
                         section + "max_size");
  }
}

// A sender on the port of `port_key` would be told to send it again for ever.
void CheckRoom(const ForwardOptions& receiver, const std::string& at, const std::string& port_key,
               uint64_t max_message_size, ConfigReader* reader) {
  const uint64_t max_memory = receiver.queue_config.max_memory;
  if (!receiver.required || max_memory >= max_message_size) return;
  reader->LaterProblem(at + ".queue_config.max_memory",
                       " = \"" + FormatByteSize(max_memory) + "\" is smaller than " + port_key +
                           ".max_message_size = \"" + FormatByteSize(max_message_size) +
                           "\", so with required = true the largest requests would never be taken: "
                           "raise it",
                       port_key + ".max_message_size");
}

void CheckReceiver(const ForwardOptions& receiver, const std::string& at, bool has_path,
                   ConfigReader* reader) {
  CheckProtocol(receiver, at, reader);
  CheckTls(receiver, at, reader);
  CheckQueue(receiver, at, has_path, reader);
  const std::string org_id = HeaderPath(receiver.headers, at, "X-Scope-OrgID");
  if (receiver.add_org_id_header && !org_id.empty()) {
    reader->LaterProblem(org_id,
                         " is what the senders' own goes on under: remove it, or set "
                         "add_org_id_header to false",
                         at + ".add_org_id_header");
  }
  std::vector<OptionProblem> problems;
  AttributeIndex index;
  const FilterPolicies filters(receiver.filter_policies, "filter_policies", &index, &problems);
  for (const OptionProblem& problem : problems) {
    reader->LaterProblem(at + "." + problem.path, ": " + problem.problem);
  }
}

// Makes the names that are missing, and sees that all are distinct.
void SettleNames(std::vector<ForwardOptions>* receivers, ConfigReader* reader) {
  std::map<std::string, size_t> owners;
  for (size_t i = 0; i < receivers->size(); ++i) {
    ForwardOptions& receiver = (*receivers)[i];
    const bool is_made = receiver.name.empty();
    if (is_made) {
      const std::optional<Url> url = EndpointUrl(receiver.endpoint);
      if (!url) continue;  // reported already
      receiver.name = NameFromUrl(*url);
    }
    const auto [owner, is_new] = owners.emplace(receiver.name, i);
    if (is_new) continue;
    const std::string at = ElementPath("forward", i);
    const std::string other = ElementPath("forward", owner->second);
    reader->LaterProblem(at + ".name",
                         " = " + Quoted(receiver.name) +
                             (is_made ? ", made from the endpoint," : "") + " is the name of " +
                             other + " as well: give them distinct names",
                         other + ".name");
  }
}

}  // namespace

void CheckForward(Options* options, ConfigReader* reader) {
  std::vector<ForwardOptions>& receivers = options->forward;
  for (size_t i = 0; i < receivers.size(); ++i) {
    const std::string at = ElementPath("forward", i);
    CheckReceiver(receivers[i], at, !options->storage.path.empty(), reader);
    CheckRoom(receivers[i], at, "otlp.grpc", options->otlp_grpc.max_message_size, reader);
    if (options->otlp_http.enabled) {
      CheckRoom(receivers[i], at, "otlp.http", options->otlp_http.max_message_size, reader);
    }
  }
  SettleNames(&receivers, reader);
  if (receivers.size() > kMaxReceivers) {
    reader->LaterProblem(
        ElementPath("forward", kMaxReceivers),
        " is one receiver too many: at most " + std::to_string(kMaxReceivers) + " are allowed");
  }
}

void CheckForwardFiles(const Options& options, ConfigReader* reader) {
  for (size_t i = 0; i < options.forward.size(); ++i) {
    const ForwardOptions& receiver = options.forward[i];
    CheckClientFiles(receiver.tls_config, receiver.headers, ElementPath("forward", i), reader);
  }
}

}  // namespace spanmeter
