#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>
#include <zlib.h>

#include <gtest/gtest.h>

#include "exposition/gzip_stream.h"
#include "exposition/render.h"

namespace spanmeter {
namespace {

// Inflates exactly one gzip member with zlib; fails when anything follows it.
std::string Gunzip(const std::string& compressed) {
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text;
  std::vector<char> buffer(1 << 20);
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    text.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  EXPECT_EQ(result, Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  inflateEnd(&stream);
  return text;
}

TEST(GzipStream, EmptyInputIsAValidMember) {
  std::string compressed;
  const ByteSink sink = [&compressed](std::string_view chunk) {
    compressed += chunk;
    return true;
  };
  GzipStream stream(sink);
  ASSERT_TRUE(stream.Finish());
  EXPECT_EQ(Gunzip(compressed), "");
}

TEST(GzipStream, RoundTripsWhateverTheSizesOfTheWrites) {
  std::mt19937 random(7);
  for (const size_t max_write : {size_t{1}, size_t{100}, size_t{70'000}, size_t{1'000'000}}) {
    std::string compressed;
    const ByteSink sink = [&compressed](std::string_view chunk) {
      EXPECT_FALSE(chunk.empty());
      compressed += chunk;
      return true;
    };
    GzipStream stream(sink);
    std::string text;
    for (int i = 0; i < 30; ++i) {
      std::string piece(random() % max_write + 1, 'a');
      // Every other piece is noise, which does not compress.
      if (i % 2 == 0) {
        for (char& c : piece) c = static_cast<char>(random());
      }
      ASSERT_TRUE(stream.Write(piece));
      text += piece;
    }
    ASSERT_TRUE(stream.Finish());
    EXPECT_TRUE(Gunzip(compressed) == text) << max_write;
  }
}

TEST(GzipEncoder, CompressedBodyIsThePlainBody) {
  for (const ExpositionFormat format :
       {ExpositionFormat::kText, ExpositionFormat::kOpenMetrics, ExpositionFormat::kProtobuf}) {
    const auto visit = [](SampleSink* sink) {
      sink->BeginMetric(Info("calls_total", MetricType::kCounter));
      for (int i = 0; i < 50'000; ++i) {
        sink->Number("series=\"" + std::to_string(i) + "\"", i * 0.5, 1'700'000'000'000 + i);
      }
    };
    EncoderOptions options;
    options.format = format;
    const std::string plain = Render(options, visit);
    options.gzip = true;
    const std::string compressed = Render(options, visit);
    EXPECT_LT(compressed.size(), plain.size() / 3);
    EXPECT_TRUE(Gunzip(compressed) == plain);
  }
}

}  // namespace
}  // namespace spanmeter
