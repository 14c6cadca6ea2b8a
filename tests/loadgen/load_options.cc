#include "loadgen/load_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

namespace spanmeter::loadgen {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Layout of --help.
constexpr size_t kHelpColumn = 26;
constexpr uint64_t kMaxHttpConnections = 1000;
constexpr size_t kHelpWidth = 96;

// One flag: how it is written, what it does, and how its value is taken over. `parse` returns what
// would be right, or an empty text when the value is.
struct Flag {
  std::string_view name;
  std::string_view value_name;  // empty: the flag takes no value
  std::string_view help;
  std::function<std::string(std::string_view)> parse;
};

std::string ParseCount(std::string_view text, uint64_t min, uint64_t max, uint64_t* out) {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  }
  *out = value;
  return "";
}

std::string ParseRate(std::string_view text, double* out) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0) {
    return "spans per second, 0 for as many as possible";
  }
  *out = value;
  return "";
}

std::string ParseDuration(std::string_view text, int64_t* out) {
  static constexpr std::string_view kExpected = "a duration such as 500ms, 30s, 5m or 1h";
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double unit_seconds = 0;
  if (unit == "ms") unit_seconds = 0.001;
  if (unit == "s") unit_seconds = 1;
  if (unit == "m") unit_seconds = 60;
  if (unit == "h") unit_seconds = 3600;
  const double seconds = value * unit_seconds;
  if (code != std::errc() || !(seconds > 0) || seconds > 30 * 24 * 3600.0) {
    return std::string(kExpected);
  }
  *out = static_cast<int64_t>(seconds * static_cast<double>(kNanosPerSecond));
  return "";
}

std::string ParseText(std::string_view text, std::string* out) {
  if (text.empty()) return "a text that is not empty";
  *out = text;
  return "";
}

std::vector<Flag> Flags(LoadOptions* o) {
  const auto count = [](uint64_t min, uint64_t max, uint64_t* out) {
    return [=](std::string_view text) { return ParseCount(text, min, max, out); };
  };
  const auto text = [](std::string* out) {
    return [=](std::string_view value) { return ParseText(value, out); };
  };
  const auto duration = [](int64_t* out) {
    return [=](std::string_view value) { return ParseDuration(value, out); };
  };
  const auto set = [](bool* out) {
    return [=](std::string_view) {
      *out = true;
      return std::string();
    };
  };
  const uint64_t any = std::numeric_limits<int64_t>::max();
  return {
      {"--target", "HOST:PORT", "port to send to (localhost:4317, with --http localhost:4318)",
       text(&o->target)},
      {"--scenario", "NAME",
       "synthetic: configurable spans for measuring; shop: lifelike traces of a small shop, until "
       "stopped (synthetic)",
       [o](std::string_view value) -> std::string {
         if (value == "synthetic") {
           o->scenario = Scenario::kSynthetic;
         } else if (value == "shop") {
           o->scenario = Scenario::kShop;
         } else {
           return "synthetic or shop";
         }
         return "";
       }},
      {"--duration", "TIME", "stop after this time: 500ms, 30s, 5m (until stopped)",
       duration(&o->duration_nanos)},
      {"--spans", "N", "stop after at least N spans (until stopped)", count(1, any, &o->spans)},
      {"--rate", "N",
       "spans per second over all connections; 0: as fast as the server answers (0; 200 for shop)",
       [o](std::string_view value) {
         o->rate_given = true;
         return ParseRate(value, &o->rate);
       }},
      {"--connections", "N", "connections to the server (4)", count(1, 10'000, &o->connections)},
      {"--in-flight", "N", "requests in flight on each connection (4)",
       count(1, 1'000, &o->in_flight)},
      {"--threads", "N", "threads of this program that send (1)", count(1, 256, &o->threads)},
      {"--batch", "N", "spans per request; synthetic only (512)", count(1, 100'000, &o->batch)},
      {"--services", "N", "distinct service names; synthetic only (10)",
       count(1, 1'000'000, &o->services)},
      {"--span-names", "N", "distinct span names of each service; synthetic only (50)",
       count(1, 10'000'000, &o->span_names)},
      {"--label-sets", "N",
       "distinct label sets with the default span metrics, instead of --span-names; every one is "
       "sent about equally often; synthetic only (services times span names)",
       count(1, 10'000'000, &o->label_sets)},
      {"--first-label-set", "N", "number of the first of them; synthetic only (0)",
       count(0, 1'000'000'000, &o->first_label_set)},
      {"--attributes", "N", "attributes of each span; synthetic only (11)",
       count(0, 1'000, &o->attributes)},
      {"--attribute-bytes", "N", "length of each attribute's value; synthetic only (20)",
       count(0, 65'536, &o->attribute_bytes)},
      {"--gzip", "", "compress the requests", set(&o->gzip)},
      {"--http", "",
       "send over HTTP instead of gRPC; each request in flight has a connection and a thread of "
       "its "
       "own then",
       set(&o->http)},
      {"--deadline", "TIME", "give up on a request after this time (30s)",
       duration(&o->deadline_nanos)},
      {"--tls-ca", "FILE", "use TLS and trust these certificate authorities (PEM)",
       text(&o->tls_ca_file)},
      {"--tls-cert", "FILE", "show this certificate to the server (PEM)", text(&o->tls_cert_file)},
      {"--tls-key", "FILE", "the key of --tls-cert (PEM)", text(&o->tls_key_file)},
      {"--metrics", "URL",
       "the server's own metrics, for its CPU time, such as http://localhost:9797/metrics/self "
       "(not asked for)",
       text(&o->metrics_url)},
      {"--json", "", "print the summary as one line of JSON", set(&o->json)},
      {"--help", "", "print this text", set(&o->help)},
  };
}

std::string Contradiction(const LoadOptions& o, bool span_names_given) {
  if (o.label_sets != 0 && span_names_given) {
    return "--label-sets and --span-names exclude each other";
  }
  if (o.label_sets != 0 && o.label_sets < o.services) {
    return "--label-sets must be at least --services (" + std::to_string(o.services) + ")";
  }
  if (o.label_sets == 0 && o.services * o.span_names > 10'000'000) {
    return "--services times --span-names must not pass 10000000";
  }
  if (o.http && o.connections * o.in_flight > kMaxHttpConnections) {
    return "--connections times --in-flight must not pass " + std::to_string(kMaxHttpConnections) +
           " with --http";
  }
  if (o.tls_cert_file.empty() != o.tls_key_file.empty()) {
    return "--tls-cert and --tls-key go together";
  }
  if (!o.tls_cert_file.empty() && o.tls_ca_file.empty()) return "--tls-cert needs --tls-ca";
  if (!o.metrics_url.empty() && !o.metrics_url.starts_with("http://")) {
    return "--metrics must begin with http://";
  }
  return "";
}

}  // namespace

bool ParseLoadOptions(const std::vector<std::string>& arguments, LoadOptions* options,
                      std::string* error) {
  const std::vector<Flag> flags = Flags(options);
  bool span_names_given = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const Flag* flag = nullptr;
    for (const Flag& candidate : flags) {
      if (candidate.name == name) flag = &candidate;
    }
    if (flag == nullptr) {
      *error = "unknown flag " + std::string(name) + ", see --help";
      return false;
    }
    std::string_view value;
    const bool takes_value = !flag->value_name.empty();
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
      if (!takes_value) {
        *error = std::string(name) + " takes no value";
        return false;
      }
    } else if (takes_value) {
      if (i + 1 == arguments.size()) {
        *error = std::string(name) + " needs a value: " + std::string(flag->value_name);
        return false;
      }
      value = arguments[++i];
    }
    const std::string expected = flag->parse(value);
    if (!expected.empty()) {
      *error = std::string(name) + " is \"" + std::string(value) + "\", must be " + expected;
      return false;
    }
    span_names_given = span_names_given || name == "--span-names";
  }
  if (options->target.empty())
    options->target = options->http ? "localhost:4318" : "localhost:4317";
  if (options->scenario == Scenario::kShop && !options->rate_given) options->rate = kShopRate;
  *error = Contradiction(*options, span_names_given);
  return error->empty();
}

std::string LoadOptionsHelp() {
  std::string text =
      "Usage: spanmeter-loadgen [flags]\n\n"
      "Sends OTLP spans over gRPC or HTTP and reports how the server took them. Stops on SIGINT or "
      "SIGTERM,\nwaits for the answers and prints the summary.\n\nFlags, with defaults in "
      "parentheses:\n";
  LoadOptions unused;
  for (const Flag& flag : Flags(&unused)) {
    std::string line = "  " + std::string(flag.name);
    if (!flag.value_name.empty()) line += " " + std::string(flag.value_name);
    line.resize(kHelpColumn, ' ');
    for (std::string_view rest = flag.help; !rest.empty();) {
      const size_t space = rest.find(' ');
      const std::string_view word = rest.substr(0, space);
      if (line.size() > kHelpColumn && line.size() + 1 + word.size() > kHelpWidth) {
        text += line + "\n";
        line.assign(kHelpColumn, ' ');
      }
      if (line.size() > kHelpColumn) line += ' ';
      line += word;
      rest = space == std::string_view::npos ? "" : rest.substr(space + 1);
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace spanmeter::loadgen
