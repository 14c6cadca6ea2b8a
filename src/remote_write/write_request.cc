#include "remote_write/write_request.h"

#include <snappy.h>

#include "spanmeter/wire_writer.h"

#include "remote_write/metric_names.h"

namespace spanmeter {

namespace {

constexpr char kRequestMetadata = wire::Delimited(3);
constexpr char kMetadataType = wire::Varint(1);
constexpr char kMetadataName = wire::Delimited(2);
constexpr char kMetadataHelp = wire::Delimited(4);

}  // namespace

std::map<std::string, std::string> WriteHeaders(Protocol protocol) {
  const bool v1 = protocol == Protocol::k1;
  return {{"Content-Encoding", "snappy"},
          {"Content-Type", v1 ? "application/x-protobuf"
                              : "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
          {"X-Prometheus-Remote-Write-Version", v1 ? "0.1.0" : "2.0.0"}};
}

std::string EncodeMetadata(std::span<const MetricInfo> metrics) {
  std::string body;
  for (const MetricInfo& metric : metrics) {
    const size_t begin = body.size();
    body.resize(begin + metric.name.size() + metric.help.size() + 4 * (1 + kMaxVarint));
    const char* const end = PutMessage(kRequestMetadata, 1, body.data() + begin, [&](char* out) {
      *out++ = kMetadataType;
      *out++ = static_cast<char>(MetadataType(metric.type));
      out = PutBytes(kMetadataName, metric.name, out);
      return PutBytes(kMetadataHelp, metric.help, out);
    });
    body.resize(static_cast<size_t>(end - body.data()));
  }
  std::string compressed;
  snappy::Compress(body.data(), body.size(), &compressed);
  return compressed;
}

}  // namespace spanmeter
