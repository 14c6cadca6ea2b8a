// Reads the protobuf format with libprotobuf, for tests.

#ifndef SPANMETER_TESTS_EXPOSITION_PARSE_PROTOBUF_H_
#define SPANMETER_TESTS_EXPOSITION_PARSE_PROTOBUF_H_

#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>

#include "prometheus/client/metrics.pb.h"

namespace spanmeter {

namespace pb = ::io::prometheus::client;

// The messages of a body.
inline std::vector<pb::MetricFamily> ParseProtobuf(const std::string& body) {
  std::vector<pb::MetricFamily> families;
  google::protobuf::io::ArrayInputStream input(body.data(), static_cast<int>(body.size()));
  bool clean_end = false;
  while (true) {
    pb::MetricFamily family;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&family, &input, &clean_end)) {
      break;
    }
    families.push_back(std::move(family));
  }
  EXPECT_TRUE(clean_end);
  return families;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_EXPOSITION_PARSE_PROTOBUF_H_
