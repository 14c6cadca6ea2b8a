// What a person at a terminal is told when spanmeter has started.

#ifndef SPANMETER_APP_WELCOME_H_
#define SPANMETER_APP_WELCOME_H_

#include <string>

namespace spanmeter {

// `grpc_address` and `http_address` are "host:port" as bound; addresses that stand for all of the
// machine's are shown as localhost where something has to connect to them.
std::string WelcomeText(const std::string& version, const std::string& grpc_address,
                        const std::string& http_address, bool grpc_tls, bool http_tls);

}  // namespace spanmeter

#endif  // SPANMETER_APP_WELCOME_H_
