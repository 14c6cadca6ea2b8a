#include <memory>
#include <utility>

#include "spanmeter/exposition.h"

#include "exposition/protobuf_encoder.h"
#include "exposition/text_encoder.h"

namespace spanmeter {

std::unique_ptr<Encoder> NewEncoder(const EncoderOptions& options, ByteSink sink) {
  if (options.format == ExpositionFormat::kProtobuf) {
    return std::make_unique<ProtobufEncoder>(options, std::move(sink));
  }
  return std::make_unique<TextEncoder>(options, std::move(sink));
}

}  // namespace spanmeter
