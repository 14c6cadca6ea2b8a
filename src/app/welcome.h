// What a person at a terminal is told when spanmeter has started.

#ifndef SPANMETER_APP_WELCOME_H_
#define SPANMETER_APP_WELCOME_H_

#include <string>

namespace spanmeter {

struct OpenPort {
  std::string address;  // "host:port" as bound; empty: the port is off
  bool tls = false;
};

// Addresses that stand for all of the machine's are shown as localhost where something has to
// connect to them.
std::string WelcomeText(const std::string& version, const OpenPort& grpc, const OpenPort& otlp_http,
                        const OpenPort& http);

}  // namespace spanmeter

#endif  // SPANMETER_APP_WELCOME_H_
