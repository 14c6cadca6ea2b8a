#include "config/access_checks.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/configured_text.h"
#include "spanmeter/digest.h"
#include "spanmeter/password_hash.h"
#include "spanmeter/quote.h"
#include "spanmeter/token_set.h"

#include "config/secret_key.h"
#include "config/url.h"

namespace spanmeter {

namespace {

// Names must be distinct, since logs know nothing else.
template <typename T>
void CheckNames(const std::vector<T>& list, const std::string& path, ConfigReader* reader) {
  std::map<std::string, size_t> owners;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].name.empty()) continue;  // reported already
    const auto [owner, is_new] = owners.emplace(list[i].name, i);
    if (is_new) continue;
    const std::string other = ElementPath(path, owner->second);
    reader->LaterProblem(ElementPath(path, i) + ".name",
                         " is the name of " + other + " as well: give them distinct names",
                         other + ".name");
  }
}

// Notes what `describe` finds wrong with what the file holds.
void CheckHolds(const std::string& file, const std::string& path,
                std::string (*describe)(std::string_view), ConfigReader* reader) {
  if (file.empty()) return;
  std::string text;
  std::string wrong = ReadOneLine(file, &text);
  if (!wrong.empty()) {
    reader->LaterProblem(path, " = " + Quoted(file) + " cannot be read: " + wrong);
    return;
  }
  wrong = describe(text);
  Wipe(&text);
  if (!wrong.empty()) reader->LaterProblem(path, " = " + Quoted(file) + ": " + wrong);
}

std::string DescribeBadHashInFile(std::string_view hash) {
  const std::string wrong = DescribeBadPasswordHash(hash);
  return wrong.empty() ? "" : "what it holds " + wrong;
}

// The lists of tokens of the ports for spans, by their paths.
std::vector<std::pair<std::string, std::vector<OtlpTokenOptions>>> OtlpTokens(
    const Options& options) {
  return {{"otlp.grpc.tokens", options.otlp_grpc.tokens},
          {"otlp.http.tokens", options.otlp_http.tokens}};
}

}  // namespace

void CheckAccess(const Options& options, ConfigReader* reader) {
  CheckNames(options.http.users, "http.users", reader);
  CheckNames(options.http.tokens, "http.tokens", reader);
  for (size_t i = 0; i < options.http.users.size(); ++i) {
    CheckSecret(options.http.users[i].password_hash,
                ElementPath("http.users", i) + ".password_hash", true, reader);
  }
  if (options.http.admin_from_anywhere && options.http.has_credentials()) {
    reader->LaterProblem("http.admin_from_anywhere",
                         " has no effect with users or tokens, who may come from anywhere: "
                         "remove it");
  }
  for (const auto& [path, tokens] : OtlpTokens(options)) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].tenant.empty() || options.tenancy.enabled) continue;
      reader->LaterProblem(ElementPath(path, i) + ".tenant",
                           " has no effect while tenancy.enabled is false: set it to true, or "
                           "remove the tenant");
    }
  }
}

void CheckAccessFiles(const Options& options, ConfigReader* reader) {
  for (size_t i = 0; i < options.http.users.size(); ++i) {
    const TextOrFile& hash = options.http.users[i].password_hash;
    const std::string path = ElementPath("http.users", i) + ".password_hash";
    CheckHolds(hash.file, path + "_file", DescribeBadHashInFile, reader);
    if (hash.text == kHiddenSecret) {
      reader->LaterProblem(path,
                           " is what --print-config shows instead of the hash: write the "
                           "hash itself");
    }
  }
  for (size_t i = 0; i < options.http.tokens.size(); ++i) {
    CheckHolds(options.http.tokens[i].file, ElementPath("http.tokens", i) + ".file",
               DescribeBadToken, reader);
  }
  for (const auto& [path, tokens] : OtlpTokens(options)) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      CheckHolds(tokens[i].file, ElementPath(path, i) + ".file", DescribeBadToken, reader);
    }
  }
}

}  // namespace spanmeter
