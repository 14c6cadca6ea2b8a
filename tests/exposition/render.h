// Renders metrics into a string, for tests.

#ifndef SPANMETER_TESTS_EXPOSITION_RENDER_H_
#define SPANMETER_TESTS_EXPOSITION_RENDER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "spanmeter/exposition.h"

namespace spanmeter {

inline std::string Render(const EncoderOptions& options,
                          const std::function<void(SampleSink*)>& visit) {
  std::string body;
  const std::unique_ptr<Encoder> encoder = NewEncoder(options, [&body](std::string_view chunk) {
    body += chunk;
    return true;
  });
  visit(encoder.get());
  if (!encoder->Finish()) body = "Finish() failed";
  return body;
}

inline std::string Render(ExpositionFormat format, const std::function<void(SampleSink*)>& visit) {
  EncoderOptions options;
  options.format = format;
  return Render(options, visit);
}

inline MetricInfo Info(std::string name, MetricType type, std::string help = "Help.") {
  MetricInfo info;
  info.name = std::move(name);
  info.help = std::move(help);
  info.type = type;
  return info;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_EXPOSITION_RENDER_H_
