#include "app/welcome.h"

namespace spanmeter {

namespace {

std::string Reachable(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  if (host != "0.0.0.0" && host != "[::]") return address;
  return "localhost" + address.substr(colon);
}

}  // namespace

std::string WelcomeText(const std::string& version, const std::string& grpc_address,
                        const std::string& http_address, bool grpc_tls, bool http_tls) {
  const std::string http = (http_tls ? "https://" : "http://") + Reachable(http_address);
  const std::string grpc = (grpc_tls ? "https://" : "http://") + Reachable(grpc_address);
  return "\nspanmeter " + version + " is running.\n" +                                        //
         "  spans in     OTLP/gRPC at " + grpc_address + (grpc_tls ? " with TLS\n" : "\n") +  //
         "  metrics out  " + http + "/metrics\n" +                                            //
         "\nTry next:\n" +                                                                    //
         "  open " + http + "/ in a browser\n" +                                              //
         "  start a program that has an OpenTelemetry SDK with\n" +                           //
         "    OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=" + grpc + "\n" +  //
         "  and see its spans counted at " + http + "/metrics/generated\n" +                  //
         "Ctrl-C stops.\n\n";
}

}  // namespace spanmeter
