#include "app/welcome.h"

namespace spanmeter {

namespace {

std::string Reachable(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  if (host != "0.0.0.0" && host != "[::]") return address;
  return "localhost" + address.substr(colon);
}

std::string Url(const OpenPort& port) {
  return (port.tls ? "https://" : "http://") + Reachable(port.address);
}

// A line on a port for spans.
std::string SpansIn(const std::string& label, const std::string& protocol, const OpenPort& port) {
  if (port.address.empty()) return "";
  return label + protocol + " at " + port.address + (port.tls ? " with TLS\n" : "\n");
}

}  // namespace

std::string WelcomeText(const std::string& version, const OpenPort& grpc, const OpenPort& otlp_http,
                        const OpenPort& http) {
  // The protocol that most SDKs speak when nobody says otherwise.
  const bool by_http = !otlp_http.address.empty();
  const std::string exporter =
      by_http ? "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=" +
                    Url(otlp_http)
              : "OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=" + Url(grpc);
  return "\nspanmeter " + version + " is running.\n" +                             //
         SpansIn("  spans in     ", "OTLP/gRPC", grpc) +                           //
         SpansIn("               ", "OTLP/HTTP", otlp_http) +                      //
         "  metrics out  " + Url(http) + "/metrics\n" +                            //
         "\nTry next:\n" +                                                         //
         "  open " + Url(http) + "/ in a browser\n" +                              //
         "  start a program that has an OpenTelemetry SDK with\n" +                //
         "    " + exporter + "\n" +                                                //
         "  and see its spans counted at " + Url(http) + "/metrics/generated\n" +  //
         "Ctrl-C stops.\n\n";
}

}  // namespace spanmeter
