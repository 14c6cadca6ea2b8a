#include "config/contradictions.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "spanmeter/host_info.h"
#include "spanmeter/quote.h"
#include "spanmeter/relabel.h"
#include "spanmeter/service_graphs.h"
#include "spanmeter/span_metrics.h"
#include "spanmeter/units.h"

#include "config/access_checks.h"
#include "config/address.h"
#include "config/forward_checks.h"
#include "config/remote_write_checks.h"

namespace spanmeter {

namespace {

// `section` is that of the port, whose options are an OtlpGrpcOptions or OtlpHttpOptions.
template <typename PortOptions>
void CheckSizes(const std::string& section, const PortOptions& port, ConfigReader* reader) {
  if (port.max_in_flight >= port.max_message_size) return;
  reader->LaterProblem(section + ".max_in_flight",
                       " = \"" + FormatByteSize(port.max_in_flight) +
                           "\" is smaller than max_message_size = \"" +
                           FormatByteSize(port.max_message_size) +
                           "\", so the largest requests would never be taken: raise it",
                       section + ".max_message_size");
}

// `section` is that of the port's TLS.
void CheckTls(const std::string& section, std::optional<ServerTlsOptions>* port_tls,
              ConfigReader* reader) {
  if (!*port_tls) return;
  const ServerTlsOptions& tls = **port_tls;
  if (tls.cert_file.empty() && tls.key_file.empty() && tls.client_ca_file.empty()) {
    port_tls->reset();
  } else if (tls.cert_file.empty() && tls.key_file.empty()) {
    reader->LaterProblem(section + ".client_ca_file",
                         " needs cert_file and key_file: clients prove who they are over TLS only");
  } else if (tls.cert_file.empty()) {
    reader->LaterProblem(section + ".key_file",
                         " needs cert_file: set it to the certificate's file");
  } else if (tls.key_file.empty()) {
    reader->LaterProblem(section + ".cert_file",
                         " needs key_file: set it to the private key's file");
  }
}

// Whether a port cannot be opened at `one` while there is one at `other`.
bool Collide(const std::string& one, const std::string& other) {
  std::string error;
  const auto a = ParseListenAddress(one, &error);
  const auto b = ParseListenAddress(other, &error);
  // Port 0 is another one each time.
  if (!a || !b || a->port != b->port || a->port == 0) return false;
  return a->host == b->host || a->IsWildcard() || b->IsWildcard();
}

void CheckPorts(const Options& options, ConfigReader* reader) {
  struct Port {
    const char* key;
    const std::string& listen;
  };
  std::vector<Port> ports = {{"otlp.grpc.listen", options.otlp_grpc.listen}};
  if (options.otlp_http.enabled) ports.push_back({"otlp.http.listen", options.otlp_http.listen});
  ports.push_back({"http.listen", options.http.listen});
  for (size_t i = 0; i < ports.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!Collide(ports[i].listen, ports[j].listen)) continue;
      reader->LaterProblem(ports[i].key,
                           " = " + Quoted(ports[i].listen) + " is taken by " + ports[j].key +
                               " = " + Quoted(ports[j].listen) + ": choose another port",
                           ports[j].key);
    }
  }
}

// An origin as browsers send it: "https://example.com:8443", here with a * for any part of it.
bool IsOriginPattern(const std::string& text) {
  if (text == "*") return true;
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos || scheme == 0) return false;
  return text.size() > scheme + 3 && text.find_first_of("/ \t,", scheme + 3) == std::string::npos;
}

bool IsHeaderName(const std::string& name) {
  return !name.empty() && name.find_first_not_of(
                              "!#$%&'+-.^_`|~0123456789"
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
}

void CheckCors(const CorsOptions& cors, ConfigReader* reader) {
  for (size_t i = 0; i < cors.allowed_origins.size(); ++i) {
    if (IsOriginPattern(cors.allowed_origins[i])) continue;
    reader->LaterProblem(ElementPath("otlp.http.cors.allowed_origins", i),
                         " = " + Quoted(cors.allowed_origins[i]) +
                             " is no origin: write scheme://host, with the port where there is "
                             "one, or \"*\" for any");
  }
  for (size_t i = 0; i < cors.allowed_headers.size(); ++i) {
    const std::string& name = cors.allowed_headers[i];
    if (name == "*" || IsHeaderName(name)) continue;
    reader->LaterProblem(ElementPath("otlp.http.cors.allowed_headers", i),
                         " = " + Quoted(name) +
                             " is no name of a header field: write one like \"X-Scope-OrgID\", or "
                             "\"*\" for any");
  }
}

void CheckStorage(const StorageOptions& storage, ConfigReader* reader) {
  // Without a directory everything is in memory, and max_memory alone counts.
  if (storage.path.empty() || storage.max_memory <= storage.max_size) return;
  reader->LaterProblem("storage.max_memory",
                       " = \"" + FormatByteSize(storage.max_memory) +
                           "\" is larger than max_size = \"" + FormatByteSize(storage.max_size) +
                           "\", which bounds what is in memory as well: lower it",
                       "storage.max_size");
}

std::vector<OptionProblem> ValidateGenerator(const GeneratorOptions& options) {
  std::vector<OptionProblem> problems = ValidateSpanMetrics(options);
  for (const auto validate : {ValidateServiceGraphs, ValidateHostInfo}) {
    const std::vector<OptionProblem> more = validate(options);
    problems.insert(problems.end(), more.begin(), more.end());
  }
  const Relabeler relabeler(options.relabel, "relabel", kLabelsOfTheRegistry, &problems);
  return problems;
}

// Tenants are checked with everything that they inherit; what is wrong with that alone is reported
// where it stands.
void CheckGenerators(const Options& options, ConfigReader* reader) {
  const std::vector<OptionProblem> inherited = ValidateGenerator(options.generator);
  for (const OptionProblem& problem : inherited) {
    reader->LaterProblem("generator." + problem.path, ": " + problem.problem);
  }
  for (const auto& [name, tenant] : options.tenants) {
    for (const OptionProblem& problem : ValidateGenerator(tenant)) {
      if (std::find(inherited.begin(), inherited.end(), problem) != inherited.end()) continue;
      reader->LaterProblem(ChildPath("tenants", name) + "." + problem.path, ": " + problem.problem);
    }
  }
}

}  // namespace

void CheckContradictions(Options* options, ConfigReader* reader) {
  CheckSizes("otlp.grpc", options->otlp_grpc, reader);
  CheckSizes("otlp.http", options->otlp_http, reader);
  CheckTls("otlp.grpc.tls", &options->otlp_grpc.tls, reader);
  CheckTls("otlp.http.tls", &options->otlp_http.tls, reader);
  CheckTls("http.tls", &options->http.tls, reader);
  CheckAccess(*options, reader);
  CheckPorts(*options, reader);
  CheckCors(options->otlp_http.cors, reader);
  CheckStorage(options->storage, reader);
  CheckGenerators(*options, reader);
  CheckRemoteWrite(options, reader);
  CheckForward(options, reader);
}

}  // namespace spanmeter
