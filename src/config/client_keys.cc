#include "config/client_keys.h"

#include <algorithm>
#include <optional>
#include <strings.h>

#include "config/address.h"
#include "config/secret_key.h"

namespace spanmeter {

namespace {

constexpr size_t kMaxName = 100;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Reads one header into *headers. Messages about its name do not repeat it: people write all of a
// header there.
void ReadHeader(const ConfigValue& table, std::string_view name, const toml::node& node,
                std::span<const char* const> own, std::string_view who,
                std::map<std::string, TextOrFile>* headers, ConfigReader* reader) {
  const ConfigValue value = {ChildPath(table.path, name), &node};
  if (!IsToken(name)) {
    reader->Report(value.path, table.path +
                                   " has a name that is not that of a header: write letters, "
                                   "digits and hyphens, and the header's value after the =");
    return;
  }
  const std::string header_name(name);
  const auto is_same = [&header_name](const char* other) {
    return strcasecmp(header_name.c_str(), other) == 0;
  };
  if (std::any_of(own.begin(), own.end(), is_same)) {
    reader->Problem(
        value, "cannot be chosen, because " + std::string(who) + " sets it by itself: remove it");
    return;
  }
  for (const auto& [other, text] : *headers) {
    if (!is_same(other.c_str())) continue;
    reader->Problem(value, "is the same header as " + other + ": remove one of them");
    return;
  }

  TextOrFile& header = (*headers)[header_name];
  if (node.is_table()) {
    const ConfigKeys<TextOrFile> keys = {
        KeyOf<TextOrFile>::String("file", FIELD(file), CheckPath).Required()};
    ReadTable(value, keys, &header, reader);
  } else if (node.is_string()) {
    if (const std::optional<std::string> text = reader->String(value)) header.text = *text;
    const std::string wrong = CheckHeaderValue(header.text);
    if (!wrong.empty()) reader->Problem(value, wrong);
  } else {
    reader->Problem(value, "must be a string, or a file as in {file = \"/path\"}, but is " +
                               std::string(TypeName(node)));
    return;
  }
  // Does nothing when there was a problem.
  if (header.empty()) reader->LaterProblem(value.path, " is empty: write a value, or remove it");
}

}  // namespace

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlphanumeric(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string CheckReceiverName(const std::string& name) {
  const bool is_legal = std::all_of(name.begin(), name.end(), [](char c) {
    return IsAlphanumeric(c) || std::string_view("_.:/-").find(c) != std::string_view::npos;
  });
  if (is_legal && name.size() <= kMaxName) return "";
  return "is no name: it must consist of at most 100 letters, digits and _.:/-";
}

std::string CheckServerName(const std::string& name) {
  return name.empty() || IsHost(name) ? "" : "is no host: write a name like \"example.com\"";
}

void ReadHeaders(const ConfigValue& value, std::span<const char* const> own, std::string_view who,
                 std::map<std::string, TextOrFile>* headers, ConfigReader* reader) {
  const toml::table* table = reader->Table(value);
  if (table == nullptr) return;
  for (const auto& [name, node] : *table) {
    ReadHeader(value, name.str(), node, own, who, headers, reader);
  }
}

std::string FormatHeaders(const std::map<std::string, TextOrFile>& headers) {
  std::string text = "{";
  for (const auto& [name, value] : headers) {
    if (text.size() > 1) text.append(", ");
    text.append(FormatKey(name)).append(" = ");
    if (value.file.empty()) {
      text.append(FormatString(HideSecret(value.text)));
    } else {
      text.append("{file = ").append(FormatString(value.file)).append("}");
    }
  }
  return text + "}";
}

std::string HeaderPath(const std::map<std::string, TextOrFile>& headers, const std::string& at,
                       const char* name) {
  for (const auto& [header, value] : headers) {
    if (strcasecmp(header.c_str(), name) == 0) return ChildPath(at + ".headers", header);
  }
  return "";
}

void CheckClientCertificate(const ClientTlsOptions& tls, const std::string& section,
                            ConfigReader* reader) {
  if (tls.key_file.empty() && !tls.cert_file.empty()) {
    reader->LaterProblem(section + ".cert_file",
                         " needs key_file: set it to the private key's file",
                         section + ".key_file");
  } else if (tls.cert_file.empty() && !tls.key_file.empty()) {
    reader->LaterProblem(section + ".key_file",
                         " needs cert_file: set it to the certificate's file",
                         section + ".cert_file");
  }
}

void CheckClientFiles(const ClientTlsOptions& tls, const std::map<std::string, TextOrFile>& headers,
                      const std::string& at, ConfigReader* reader) {
  for (const auto& [name, value] : headers) {
    CheckFile(value.file, ChildPath(at + ".headers", name) + ".file", reader);
  }
  const std::string section = at + ".tls_config.";
  CheckFile(tls.ca_file, section + "ca_file", reader);
  CheckFile(tls.cert_file, section + "cert_file", reader);
  CheckFile(tls.key_file, section + "key_file", reader);
}

}  // namespace spanmeter
