// Reads request bodies back with libprotobuf, in one form for both versions.

#ifndef SPANMETER_TESTS_REMOTE_WRITE_DECODED_REQUESTS_H_
#define SPANMETER_TESTS_REMOTE_WRITE_DECODED_REQUESTS_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <snappy.h>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <prometheus/write/v1.pb.h>
#include <prometheus/write/v2.pb.h>

#include "spanmeter/block.h"

namespace spanmeter {

struct DecodedPoint {
  double value = 0;  // a histogram's sum
  int64_t timestamp_ms = 0;
  int64_t start_ms = 0;
  std::string histogram = {};  // its text format without sum and times; empty for a sample

  bool operator==(const DecodedPoint&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const DecodedPoint& point) {
  return out << point.value << " @" << point.timestamp_ms << " since " << point.start_ms << " "
             << point.histogram;
}

struct DecodedExemplar {
  std::string labels;
  double value = 0;
  int64_t timestamp_ms = 0;

  bool operator==(const DecodedExemplar&) const = default;
};

struct DecodedSeries {
  std::vector<DecodedPoint> points = {};
  std::vector<DecodedExemplar> exemplars = {};
  uint32_t type = 0;  // version 2.0 only
  std::string help = {};
};

// By labels, as `name="value",...` in the order of the request.
using DecodedRequests = std::map<std::string, DecodedSeries>;

template <typename Histogram>
DecodedPoint DecodePoint(Histogram histogram, int64_t start_ms) {
  DecodedPoint point = {histogram.sum(), histogram.timestamp(), start_ms};
  histogram.clear_sum();
  histogram.clear_timestamp();
  point.histogram = "histogram " + histogram.ShortDebugString();
  return point;
}

inline void DecodeRequest(const Block& block, DecodedRequests* requests) {
  std::string body;
  ASSERT_TRUE(snappy::Uncompress(block.body.data(), block.body.size(), &body));
  SampleCounts counts;
  const auto add_label = [](const std::string& name, const std::string& value, std::string* text) {
    text->append(text->empty() ? "" : ",").append(name).append("=\"").append(value).append("\"");
  };
  if (block.protocol == Protocol::k1) {
    prometheus::WriteRequest request;
    ASSERT_TRUE(request.ParseFromString(body));
    for (const auto& series : request.timeseries()) {
      std::string labels;
      for (const auto& label : series.labels()) add_label(label.name(), label.value(), &labels);
      DecodedSeries& decoded = (*requests)[labels];
      for (const auto& sample : series.samples()) {
        decoded.points.push_back({sample.value(), sample.timestamp()});
      }
      for (const auto& h : series.histograms()) decoded.points.push_back(DecodePoint(h, 0));
      for (const auto& exemplar : series.exemplars()) {
        std::string text;
        for (const auto& label : exemplar.labels()) add_label(label.name(), label.value(), &text);
        decoded.exemplars.push_back({text, exemplar.value(), exemplar.timestamp()});
      }
      counts.samples += static_cast<uint64_t>(series.samples_size());
      counts.histograms += static_cast<uint64_t>(series.histograms_size());
      counts.exemplars += static_cast<uint64_t>(series.exemplars_size());
    }
  } else {
    io::prometheus::write::v2::Request request;
    ASSERT_TRUE(request.ParseFromString(body));
    ASSERT_FALSE(request.symbols().empty());
    EXPECT_EQ(request.symbols(0), "");
    const auto add_labels = [&](const auto& refs, std::string* text) {
      for (int i = 0; i + 1 < refs.size(); i += 2) {
        add_label(request.symbols(static_cast<int>(refs[i])),
                  request.symbols(static_cast<int>(refs[i + 1])), text);
      }
    };
    for (const auto& series : request.timeseries()) {
      std::string labels;
      add_labels(series.labels_refs(), &labels);
      DecodedSeries& decoded = (*requests)[labels];
      decoded.type = series.metadata().type();
      decoded.help = request.symbols(static_cast<int>(series.metadata().help_ref()));
      for (const auto& sample : series.samples()) {
        decoded.points.push_back({sample.value(), sample.timestamp(), sample.start_timestamp()});
      }
      for (auto histogram : series.histograms()) {
        const int64_t start_ms = histogram.start_timestamp();
        histogram.clear_start_timestamp();
        decoded.points.push_back(DecodePoint(histogram, start_ms));
      }
      for (const auto& exemplar : series.exemplars()) {
        std::string text;
        add_labels(exemplar.labels_refs(), &text);
        decoded.exemplars.push_back({text, exemplar.value(), exemplar.timestamp()});
      }
      counts.samples += static_cast<uint64_t>(series.samples_size());
      counts.histograms += static_cast<uint64_t>(series.histograms_size());
      counts.exemplars += static_cast<uint64_t>(series.exemplars_size());
    }
  }
  EXPECT_EQ(block.counts, counts) << "what the block says of itself";
}

inline DecodedRequests DecodeRequests(std::span<const Block> blocks) {
  DecodedRequests requests;
  for (const Block& block : blocks) DecodeRequest(block, &requests);
  return requests;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_REMOTE_WRITE_DECODED_REQUESTS_H_
