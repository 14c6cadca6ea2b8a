// The command line of spanmeter-loadgen.

#ifndef SPANMETER_TESTS_LOADGEN_LOAD_OPTIONS_H_
#define SPANMETER_TESTS_LOADGEN_LOAD_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace spanmeter::loadgen {

enum class Scenario : uint8_t { kSynthetic, kShop };

struct LoadOptions {
  std::string target;  // set by ParseLoadOptions() where it is not given
  Scenario scenario = Scenario::kSynthetic;

  uint64_t connections = 4;
  uint64_t in_flight = 4;  // requests per connection
  uint64_t threads = 1;
  uint64_t batch = 512;  // spans per request
  // Spans per second over all connections; 0 = as fast as the server answers. Unset in the shop
  // scenario it is kShopRate.
  double rate = 0;
  bool rate_given = false;
  int64_t duration_nanos = 0;  // 0 = until the spans are sent or a signal comes
  uint64_t spans = 0;          // 0 = until the duration is over or a signal comes
  int64_t deadline_nanos = 30'000'000'000;
  bool gzip = false;
  bool http = false;  // OTLP over HTTP, in_flight connections for each

  uint64_t services = 10;
  uint64_t span_names = 50;  // per service
  uint64_t label_sets = 0;   // 0 = services * span_names
  uint64_t first_label_set = 0;
  uint64_t attributes = 11;
  uint64_t attribute_bytes = 20;

  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;

  // Where the server's own metrics are; empty: not asked for.
  std::string metrics_url;
  bool json = false;
  bool help = false;
};

inline constexpr double kShopRate = 200;

// Parses the arguments after the program's name. Returns false and says why in *error when one is
// unknown, malformed, out of range or contradicts another.
bool ParseLoadOptions(const std::vector<std::string>& arguments, LoadOptions* options,
                      std::string* error);

// The text of --help.
std::string LoadOptionsHelp();

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_LOAD_OPTIONS_H_
