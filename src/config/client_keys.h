// Keys that all have to whom something is sent.

#ifndef SPANMETER_CONFIG_CLIENT_KEYS_H_
#define SPANMETER_CONFIG_CLIENT_KEYS_H_

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "spanmeter/client_options.h"

#include "config/keys.h"
#include "config/reader.h"

namespace spanmeter {

// A token of RFC 9110, section 5.6.2.
bool IsToken(std::string_view text);

// What is wrong with a receiver's name; an empty one stands for a name made from the URL.
std::string CheckReceiverName(const std::string& name);

// What is wrong with the name of a host; an empty one stands for that of the URL.
std::string CheckServerName(const std::string& name);

// Reads a table of headers into *headers. Those in `own`, in lower case, cannot be chosen, because
// `who` sets them.
void ReadHeaders(const ConfigValue& value, std::span<const char* const> own, std::string_view who,
                 std::map<std::string, TextOrFile>* headers, ConfigReader* reader);
// As TOML, without what may be secret.
std::string FormatHeaders(const std::map<std::string, TextOrFile>& headers);

// The path of the header called `name`, in whatever case, in the receiver at `at`, or an empty
// text.
std::string HeaderPath(const std::map<std::string, TextOrFile>& headers, const std::string& at,
                       const char* name);

// Notes that of the two files of a certificate one is missing. `section` is that of the TLS.
void CheckClientCertificate(const ClientTlsOptions& tls, const std::string& section,
                            ConfigReader* reader);
// Notes files of TLS and headers that cannot be read.
void CheckClientFiles(const ClientTlsOptions& tls, const std::map<std::string, TextOrFile>& headers,
                      const std::string& at, ConfigReader* reader);

// `headers` of a T. `own` and `who` must live as long as the key.
template <typename T>
ConfigKey<T> HeadersKey(std::span<const char* const> own, std::string_view who) {
  ConfigKey<T> key;
  key.name = "headers";
  key.read = [own, who](const ConfigValue& v, T* options, ConfigReader* reader) {
    ReadHeaders(v, own, who, &options->headers, reader);
  };
  key.print = [](const T& options) { return FormatHeaders(options.headers); };
  return key;
}

// `tls_config` of a T, but for the version.
template <typename T>
void AppendClientTlsKeys(ConfigKeys<T>* keys) {
  using Key = KeyOf<T>;
  const std::string tls = "tls_config.";
  keys->push_back(Key::String(tls + "ca_file", FIELD(tls_config.ca_file), CheckPath));
  keys->push_back(Key::String(tls + "cert_file", FIELD(tls_config.cert_file), CheckPath));
  keys->push_back(Key::String(tls + "key_file", FIELD(tls_config.key_file), CheckPath));
  keys->push_back(Key::String(tls + "server_name", FIELD(tls_config.server_name), CheckServerName));
}

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_CLIENT_KEYS_H_
