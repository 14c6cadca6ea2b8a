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

void CheckSizes(const OtlpGrpcOptions& grpc, ConfigReader* reader) {
  if (grpc.max_in_flight >= grpc.max_message_size) return;
  reader->LaterProblem("otlp.grpc.max_in_flight",
                       " = \"" + FormatByteSize(grpc.max_in_flight) +
                           "\" is smaller than max_message_size = \"" +
                           FormatByteSize(grpc.max_message_size) +
                           "\", so the largest requests would never be taken: raise it",
                       "otlp.grpc.max_message_size");
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

void CheckPorts(const Options& options, ConfigReader* reader) {
  std::string error;
  const auto grpc = ParseListenAddress(options.otlp_grpc.listen, &error);
  const auto http = ParseListenAddress(options.http.listen, &error);
  // Port 0 is another one each time.
  if (!grpc || !http || grpc->port != http->port || grpc->port == 0) return;
  if (grpc->host != http->host && !grpc->IsWildcard() && !http->IsWildcard()) return;
  reader->LaterProblem("http.listen",
                       " = " + Quoted(options.http.listen) + " is taken by otlp.grpc.listen = " +
                           Quoted(options.otlp_grpc.listen) + ": choose another port",
                       "otlp.grpc.listen");
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
  CheckSizes(options->otlp_grpc, reader);
  CheckTls("otlp.grpc.tls", &options->otlp_grpc.tls, reader);
  CheckTls("http.tls", &options->http.tls, reader);
  CheckAccess(*options, reader);
  CheckPorts(*options, reader);
  CheckStorage(options->storage, reader);
  CheckGenerators(*options, reader);
  CheckRemoteWrite(options, reader);
  CheckForward(options, reader);
}

}  // namespace spanmeter
