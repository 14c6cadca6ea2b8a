// The decoder and libprotobuf see the same in every request.

#include "otlp/decode_differential.h"

#include <string>

#include <gtest/gtest.h>

#include "otlp/random_request.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::CompareWithLibprotobuf;
using testing::Comparison;
using testing::RandomRequests;

TEST(DecodeDifferentialTest, LifelikeRequestsAreSeenAsByLibprotobuf) {
  const Comparison comparison = CompareWithLibprotobuf(testing::LifelikeRequest({}));
  EXPECT_TRUE(comparison.equal) << comparison.difference;
  EXPECT_TRUE(comparison.accepted);
  EXPECT_EQ(512u, comparison.spans_visited);
}

TEST(DecodeDifferentialTest, WellFormedRequestsAreSeenAsByLibprotobuf) {
  RandomRequests requests(1);
  uint64_t spans = 0;
  uint64_t invalid_ids = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string request = requests.WellFormed();
    const Comparison comparison = CompareWithLibprotobuf(request);
    ASSERT_TRUE(comparison.equal) << "request " << i << "\n" << comparison.difference;
    ASSERT_TRUE(comparison.accepted) << "request " << i;
    spans += comparison.spans_visited;
    invalid_ids += comparison.invalid_ids;
  }
  // The requests are worth something.
  EXPECT_GT(spans, 40'000u);
  EXPECT_GT(invalid_ids, 4'000u);
}

TEST(DecodeDifferentialTest, DamagedRequestsAreRefusedOrSeenAsByLibprotobuf) {
  RandomRequests requests(2);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string request = requests.WellFormed();
    requests.Damage(&request);
    const Comparison comparison = CompareWithLibprotobuf(request);
    ASSERT_TRUE(comparison.equal) << "request " << i << "\n" << comparison.difference;
    ++(comparison.accepted ? accepted : refused);
  }
  EXPECT_GT(accepted, 3'000);
  EXPECT_GT(refused, 10'000);
}

TEST(DecodeDifferentialTest, EveryTruncationOfALifelikeRequestIsRefusedOrSeenAsByLibprotobuf) {
  testing::LifelikeShape shape;
  shape.spans = 3;
  shape.services = 2;
  const std::string request = testing::LifelikeRequest(shape);
  int accepted = 0;
  for (size_t size = 0; size < request.size(); ++size) {
    const Comparison comparison = CompareWithLibprotobuf(request.substr(0, size));
    ASSERT_TRUE(comparison.equal) << size << "\n" << comparison.difference;
    if (comparison.accepted) ++accepted;
  }
  EXPECT_EQ(2, accepted);  // nothing, and the first of the two resource_spans
}

}  // namespace
}  // namespace spanmeter
