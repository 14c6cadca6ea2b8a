#include "config/remote_write_checks.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/quote.h"
#include "spanmeter/relabel.h"
#include "spanmeter/units.h"

#include "config/client_keys.h"
#include "config/secret_key.h"
#include "config/url.h"

namespace spanmeter {

namespace {

// Each has a thread and a queue of its own.
constexpr size_t kMaxReceivers = 32;

std::optional<Url> HttpUrl(const std::string& text) {
  constexpr std::array<std::string_view, 2> kSchemes = {"http", "https"};
  std::string error;
  return ParseUrl(text, kSchemes, &error);
}

// At most one thing may say who is sending.
void CheckCredentials(const RemoteWriteOptions& receiver, const std::string& at,
                      ConfigReader* reader) {
  std::vector<std::string> paths;
  if (receiver.basic_auth) paths.push_back(at + ".basic_auth");
  if (receiver.authorization) paths.push_back(at + ".authorization");
  if (receiver.oauth2) paths.push_back(at + ".oauth2");
  const std::string header = HeaderPath(receiver.headers, at, "Authorization");
  if (!header.empty()) paths.push_back(header);
  const std::optional<Url> url = HttpUrl(receiver.url);
  if (url && url->has_user) paths.push_back(at + ".url");
  for (size_t i = 1; i < paths.size(); ++i) {
    const std::string what = paths[i] == at + ".url" ? " names a user" : " says who is sending";
    reader->LaterProblem(paths[i], what + ", as does " + paths[0] + ": remove one of them",
                         paths[0]);
  }
}

void CheckSecrets(const RemoteWriteOptions& receiver, const std::string& at, ConfigReader* reader) {
  // An empty password is one.
  if (receiver.basic_auth) {
    CheckSecret(receiver.basic_auth->password, at + ".basic_auth.password", false, reader);
  }
  if (receiver.authorization) {
    CheckSecret(receiver.authorization->credentials, at + ".authorization.credentials", true,
                reader);
  }
  if (receiver.oauth2) {
    CheckSecret(receiver.oauth2->client_secret, at + ".oauth2.client_secret", true, reader);
  }
}

void CheckTls(const RemoteWriteOptions& receiver, const std::string& at, ConfigReader* reader) {
  const ClientTlsOptions& tls = receiver.tls_config;
  const std::string section = at + ".tls_config";
  CheckClientCertificate(tls, section, reader);
  const bool uses_tls = receiver.url.starts_with("https:") ||
                        (receiver.oauth2 && receiver.oauth2->token_url.starts_with("https:"));
  if (uses_tls || tls == ClientTlsOptions()) return;
  reader->LaterProblem(section,
                       " has no effect, because url begins with http: write https, or remove it",
                       at + ".url");
}

void CheckBackoff(const QueueOptions& queue, const std::string& at, ConfigReader* reader) {
  if (queue.min_backoff <= queue.max_backoff) return;
  reader->LaterProblem(at + ".queue_config.min_backoff",
                       " = \"" + FormatDuration(queue.min_backoff) +
                           "\" is longer than max_backoff = \"" +
                           FormatDuration(queue.max_backoff) + "\": lower it, or raise the other",
                       at + ".queue_config.max_backoff");
}

void CheckReceiver(const RemoteWriteOptions& receiver, const std::string& at, bool by_tenant,
                   ConfigReader* reader) {
  CheckCredentials(receiver, at, reader);
  CheckSecrets(receiver, at, reader);
  CheckTls(receiver, at, reader);
  CheckBackoff(receiver.queue_config, at, reader);
  const std::string org_id = HeaderPath(receiver.headers, at, "X-Scope-OrgID");
  if (by_tenant && receiver.add_org_id_header && !org_id.empty()) {
    reader->LaterProblem(org_id,
                         " is set by add_org_id_header while there is tenancy: remove it, or set "
                         "add_org_id_header to false",
                         at + ".add_org_id_header");
  }
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(receiver.write_relabel_configs, "write_relabel_configs", {}, &problems);
  for (const OptionProblem& problem : problems) {
    reader->LaterProblem(at + "." + problem.path, ": " + problem.problem);
  }
}

// Makes the names that are missing, and sees that all are distinct.
void SettleNames(std::vector<RemoteWriteOptions>* receivers, ConfigReader* reader) {
  std::map<std::string, size_t> owners;
  for (size_t i = 0; i < receivers->size(); ++i) {
    RemoteWriteOptions& receiver = (*receivers)[i];
    const bool is_made = receiver.name.empty();
    if (is_made) {
      const std::optional<Url> url = HttpUrl(receiver.url);
      if (!url) continue;  // reported already
      receiver.name = NameFromUrl(*url);
    }
    const auto [owner, is_new] = owners.emplace(receiver.name, i);
    if (is_new) continue;
    const std::string at = ElementPath("remote_write", i);
    const std::string other = ElementPath("remote_write", owner->second);
    reader->LaterProblem(at + ".name",
                         " = " + Quoted(receiver.name) + (is_made ? ", made from the url," : "") +
                             " is the name of " + other + " as well: give them distinct names",
                         other + ".name");
  }
}

}  // namespace

void CheckRemoteWrite(Options* options, ConfigReader* reader) {
  std::vector<RemoteWriteOptions>& receivers = options->remote_write;
  for (size_t i = 0; i < receivers.size(); ++i) {
    CheckReceiver(receivers[i], ElementPath("remote_write", i), options->tenancy.enabled, reader);
  }
  SettleNames(&receivers, reader);
  if (receivers.size() > kMaxReceivers) {
    reader->LaterProblem(
        ElementPath("remote_write", kMaxReceivers),
        " is one receiver too many: at most " + std::to_string(kMaxReceivers) + " are allowed");
  }
}

void CheckRemoteWriteFiles(const Options& options, ConfigReader* reader) {
  for (size_t i = 0; i < options.remote_write.size(); ++i) {
    const RemoteWriteOptions& receiver = options.remote_write[i];
    const std::string at = ElementPath("remote_write", i);
    if (receiver.basic_auth) {
      CheckFile(receiver.basic_auth->password.file, at + ".basic_auth.password_file", reader);
    }
    if (receiver.authorization) {
      CheckFile(receiver.authorization->credentials.file, at + ".authorization.credentials_file",
                reader);
    }
    if (receiver.oauth2) {
      CheckFile(receiver.oauth2->client_secret.file, at + ".oauth2.client_secret_file", reader);
    }
    CheckClientFiles(receiver.tls_config, receiver.headers, at, reader);
  }
}

}  // namespace spanmeter
