#include "remote_write/recode.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <snappy.h>
#include <string_view>
#include <vector>

#include "spanmeter/wire_reader.h"

#include "remote_write/request_encoder.h"
#include "remote_write/series_labels.h"

namespace spanmeter {

namespace {

using enum WireType;

// A histogram or a sample with its times.
struct Point {
  double value = 0;
  std::string histogram;  // its fields but for the times
  int64_t timestamp_ms = 0;
  int64_t start_ms = 0;
};

struct ExemplarView {
  std::vector<LabelView> labels;
  double value = 0;
  int64_t timestamp_ms = 0;
};

// A series as a request has it; the texts belong to the request.
struct SeriesView {
  std::vector<LabelView> labels;
  std::vector<Point> samples;
  std::vector<Point> histograms;
  std::vector<ExemplarView> exemplars;
  SeriesMetadata metadata;
};

// Reads one uncompressed request. What is no request makes Read() false.
class RequestReader {
 public:
  RequestReader(Protocol protocol, std::string_view body) : protocol_(protocol), body_(body) {}

  // Appends every series to `encoder`.
  bool Read(RequestEncoder* encoder) {
    if (protocol_ == Protocol::k2 && !ReadSymbols()) return false;
    const uint32_t series_field = protocol_ == Protocol::k1 ? 1 : 5;
    WireReader reader(body_);
    while (reader.NextField()) {
      if (!reader.Is(series_field, kLengthDelimited)) {
        reader.Skip();
        continue;
      }
      SeriesView series;
      if (!ReadSeries(reader.ReadBytes(), &series)) return false;
      Encode(series, encoder);
    }
    return reader.ok();
  }

 private:
  bool ReadSymbols() {
    WireReader reader(body_);
    while (reader.NextField()) {
      if (reader.Is(4, kLengthDelimited)) {
        symbols_.push_back(reader.ReadBytes());
      } else {
        reader.Skip();
      }
    }
    return reader.ok();
  }

  bool ReadSeries(std::string_view bytes, SeriesView* series) {
    const uint32_t histogram_field = protocol_ == Protocol::k1 ? 4 : 3;
    const uint32_t exemplar_field = protocol_ == Protocol::k1 ? 3 : 4;
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.wire_type() != kLengthDelimited) {
        reader.Skip();
        continue;
      }
      const uint32_t field = reader.field();
      const std::string_view message = reader.ReadBytes();
      if (field == 1) {
        if (!ReadLabels(message, &series->labels)) return false;
      } else if (field == 2) {
        if (!ReadSample(message, &series->samples.emplace_back())) return false;
      } else if (field == histogram_field) {
        if (!ReadHistogram(message, &series->histograms.emplace_back())) return false;
      } else if (field == exemplar_field) {
        if (!ReadExemplar(message, &series->exemplars.emplace_back())) return false;
      } else if (field == 5 && protocol_ == Protocol::k2) {
        if (!ReadMetadata(message, &series->metadata)) return false;
      }
    }
    return reader.ok();
  }

  bool Symbol(uint64_t number, std::string_view* text) const {
    if (number >= symbols_.size()) return false;
    *text = symbols_[number];
    return true;
  }

  // One label in 1.0, all of them in 2.0.
  bool ReadLabels(std::string_view message, std::vector<LabelView>* labels) const {
    WireReader reader(message);
    if (protocol_ == Protocol::k1) {
      LabelView& label = labels->emplace_back();
      while (reader.NextField()) {
        if (reader.Is(1, kLengthDelimited)) {
          label.name = reader.ReadBytes();
        } else if (reader.Is(2, kLengthDelimited)) {
          label.value = reader.ReadBytes();
        } else {
          reader.Skip();
        }
      }
      return reader.ok();
    }
    const char* const end = message.data() + message.size();
    while (reader.ok() && reader.position() != end) {
      LabelView& label = labels->emplace_back();
      if (!Symbol(reader.ReadVarint(), &label.name)) return false;
      if (!Symbol(reader.ReadVarint(), &label.value)) return false;
    }
    return reader.ok();
  }

  static bool ReadSample(std::string_view message, Point* point) {
    WireReader reader(message);
    while (reader.NextField()) {
      if (reader.Is(1, kFixed64)) {
        point->value = std::bit_cast<double>(reader.ReadFixed64());
      } else if (reader.Is(2, kVarint)) {
        point->timestamp_ms = static_cast<int64_t>(reader.ReadVarint());
      } else if (reader.Is(3, kVarint)) {
        point->start_ms = static_cast<int64_t>(reader.ReadVarint());
      } else {
        reader.Skip();
      }
    }
    return reader.ok();
  }

  static bool ReadHistogram(std::string_view message, Point* point) {
    WireReader reader(message);
    for (const char* begin = reader.position(); reader.NextField(); begin = reader.position()) {
      if (reader.Is(15, kVarint)) {
        point->timestamp_ms = static_cast<int64_t>(reader.ReadVarint());
      } else if (reader.Is(17, kVarint)) {
        point->start_ms = static_cast<int64_t>(reader.ReadVarint());
      } else {
        reader.Skip();
        point->histogram.append(begin, reader.position());
      }
    }
    return reader.ok();
  }

  bool ReadExemplar(std::string_view message, ExemplarView* exemplar) const {
    WireReader reader(message);
    while (reader.NextField()) {
      if (reader.Is(1, kLengthDelimited)) {
        if (!ReadLabels(reader.ReadBytes(), &exemplar->labels)) return false;
      } else if (reader.Is(2, kFixed64)) {
        exemplar->value = std::bit_cast<double>(reader.ReadFixed64());
      } else if (reader.Is(3, kVarint)) {
        exemplar->timestamp_ms = static_cast<int64_t>(reader.ReadVarint());
      } else {
        reader.Skip();
      }
    }
    return reader.ok();
  }

  bool ReadMetadata(std::string_view message, SeriesMetadata* metadata) const {
    WireReader reader(message);
    while (reader.NextField()) {
      if (reader.Is(1, kVarint)) {
        metadata->type = static_cast<uint8_t>(reader.ReadVarint());
      } else if (reader.Is(3, kVarint)) {
        if (!Symbol(reader.ReadVarint(), &metadata->help)) return false;
      } else if (reader.Is(4, kVarint)) {
        if (!Symbol(reader.ReadVarint(), &metadata->unit)) return false;
      } else {
        reader.Skip();
      }
    }
    return reader.ok();
  }

  void Encode(const SeriesView& series, RequestEncoder* encoder) {
    labels_.Assign(series.labels);
    encoder->BeginSeries(labels_, series.metadata);
    for (const Point& sample : series.samples) {
      encoder->AddSample(sample.value, sample.timestamp_ms, sample.start_ms);
    }
    for (const Point& point : series.histograms) {
      encoder->AddEncodedHistogram(point.histogram, point.timestamp_ms, point.start_ms);
    }
    for (const ExemplarView& exemplar : series.exemplars) {
      encoder->AddExemplar(exemplar.labels, exemplar.value, exemplar.timestamp_ms);
    }
    encoder->EndSeries();
  }

  const Protocol protocol_;
  const std::string_view body_;
  std::vector<std::string_view> symbols_;
  SeriesLabels labels_;
};

}  // namespace

bool Recode(std::span<const Block> blocks, Protocol protocol, std::string* body) {
  if (blocks.size() == 1 && blocks.front().protocol == protocol) {
    *body = blocks.front().body;
    return true;
  }
  std::string request;
  // Requests of 1.0 are put together by putting one behind the other.
  if (std::all_of(blocks.begin(), blocks.end(), [protocol](const Block& block) {
        return block.protocol == Protocol::k1 && protocol == Protocol::k1;
      })) {
    std::string all;
    for (const Block& block : blocks) {
      if (!snappy::Uncompress(block.body.data(), block.body.size(), &request)) return false;
      all.append(request);
    }
    snappy::Compress(all.data(), all.size(), body);
    return true;
  }
  RequestEncoder encoder(protocol);
  for (const Block& block : blocks) {
    if (!snappy::Uncompress(block.body.data(), block.body.size(), &request)) return false;
    if (!RequestReader(block.protocol, request).Read(&encoder)) return false;
  }
  *body = encoder.Finish();
  return true;
}

}  // namespace spanmeter
