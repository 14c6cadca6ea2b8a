#include "spanmeter/log.h"

#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

// Gives a logger somewhere to write and returns what was written.
class LogTest : public ::testing::Test {
 protected:
  LogTest() : file_(tmpfile()) {}
  ~LogTest() override { fclose(file_); }

  Logger NewLogger(LogFormat format, LogLevel level = LogLevel::kDebug) {
    LogOptions options;
    options.format = format;
    options.level = level;
    return Logger(options, &clock_, fileno(file_));
  }

  std::string Written() {
    std::string text;
    char buffer[4096];
    for (off_t offset = 0;;) {
      const ssize_t size = pread(fileno(file_), buffer, sizeof(buffer), offset);
      if (size <= 0) return text;
      text.append(buffer, static_cast<size_t>(size));
      offset += size;
    }
  }

  // What a line in `format` shows for a field with `value`.
  std::string Shown(LogFormat format, std::string_view value) {
    const std::string before = Written();
    NewLogger(format).Info("m", {{"k", value}});
    const std::string line = Written().substr(before.size());
    const std::string_view mark = format == LogFormat::kJson ? "\"k\":" : " k=";
    const size_t begin = line.find(mark) + mark.size();
    const size_t tail = format == LogFormat::kJson ? 2 : 1;  // "}\n" or "\n"
    return line.substr(begin, line.size() - begin - tail);
  }

  FakeClock clock_;
  FILE* const file_;
};

TEST_F(LogTest, WritesLogfmt) {
  NewLogger(LogFormat::kLogfmt)
      .Info("two words", {{"address", "0.0.0.0:4317"}, {"count", 3}, {"empty", ""}});
  EXPECT_EQ(Written(),
            "ts=2026-01-31T12:00:00.000Z level=info msg=\"two words\" address=0.0.0.0:4317 count=3 "
            "empty=\"\"\n");
}

TEST_F(LogTest, WritesJson) {
  clock_.Advance(1'234 * kNanosPerMilli);
  NewLogger(LogFormat::kJson).Warn("two words", {{"count", int64_t{-3}}});
  EXPECT_EQ(Written(),
            "{\"ts\":\"2026-01-31T12:00:01.234Z\",\"level\":\"warn\",\"msg\":\"two words\","
            "\"count\":\"-3\"}\n");
}

TEST_F(LogTest, WritesTimesBefore1970) {
  clock_.SetWallNanos(-1);
  NewLogger(LogFormat::kLogfmt).Info("m");
  EXPECT_THAT(Written(), HasSubstr("ts=1969-12-31T23:59:59.999Z "));
}

TEST_F(LogTest, LeavesOutLowerLevels) {
  Logger logger = NewLogger(LogFormat::kLogfmt, LogLevel::kWarn);
  logger.Debug("d");
  logger.Info("i");
  EXPECT_EQ(Written(), "");
  logger.Warn("w");
  logger.Error("e");
  EXPECT_THAT(Written(), HasSubstr("level=warn msg=w\n"));
  EXPECT_THAT(Written(), HasSubstr("level=error msg=e\n"));
  logger.SetLevel(LogLevel::kDebug);
  logger.Debug("now");
  EXPECT_THAT(Written(), HasSubstr("level=debug msg=now\n"));
}

TEST_F(LogTest, QuotesInLogfmtWhatAReaderCouldMisread) {
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "plain-word/1.0"), "plain-word/1.0");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "a b"), "\"a b\"");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "a=b"), "\"a=b\"");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "a\\b"), "\"a\\\\b\"");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, "caf\xC3\xA9"), "\"caf\xC3\xA9\"");
}

TEST_F(LogTest, KeepsOneLineWhateverTheValueHolds) {
  for (const LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
    EXPECT_EQ(Shown(format, "a\nb\r\tc"), "\"a\\nb\\r\\tc\"");
    EXPECT_EQ(Shown(format, std::string_view("\0\x1b[31m\x7f", 7)),
              "\"\\u0000\\u001b[31m\\u007f\"");
    EXPECT_EQ(Shown(format, "\xC2\x85"), "\"\\u0085\"");      // next line, C1
    EXPECT_EQ(Shown(format, "\xE2\x80\xA8"), "\"\\u2028\"");  // line separator
    EXPECT_EQ(Shown(format,
                    "\xE2\x80\xAE"
                    "x"),
              "\"\\u202ex\"");  // right-to-left override
  }
}

TEST_F(LogTest, ReplacesBytesThatAreNotUtf8) {
  const std::string replaced = "\xEF\xBF\xBD";
  for (const LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
    EXPECT_EQ(Shown(format, "a\xFFz"), "\"a" + replaced + "z\"");
    EXPECT_EQ(Shown(format, "\xC3"), "\"" + replaced + "\"");                 // cut off
    EXPECT_EQ(Shown(format, "\xC0\x80"), "\"" + replaced + replaced + "\"");  // overlong
    EXPECT_EQ(Shown(format, "\xED\xA0\x80"),                                  // surrogate
              "\"" + replaced + replaced + replaced + "\"");
    EXPECT_EQ(Shown(format, "\xF4\x90\x80\x80"),  // past U+10FFFF
              "\"" + replaced + replaced + replaced + replaced + "\"");
    EXPECT_EQ(Shown(format, "\xF0\x9F\x98\x80"), "\"\xF0\x9F\x98\x80\"");
    EXPECT_EQ(Shown(format, "\xED\x9F\xBF"), "\"\xED\x9F\xBF\"");
  }
}

TEST_F(LogTest, EveryByteSequenceIsValidJson) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  NewLogger(LogFormat::kJson).Info(bytes, {{"k", bytes}});
  const nlohmann::json line = nlohmann::json::parse(Written());
  const std::string value = line["k"];
  EXPECT_EQ(value.substr(0, 128), bytes.substr(0, 128));
  EXPECT_EQ(line["msg"], value);
}

TEST_F(LogTest, CutsLongValuesAtACharacter) {
  const std::string shown = Shown(LogFormat::kLogfmt, std::string(2'047, 'x') + "\xC3\xA9 tail");
  EXPECT_EQ(shown, "\"" + std::string(2'047, 'x') + "...\"");
  EXPECT_EQ(Shown(LogFormat::kLogfmt, std::string(2'048, 'x')), std::string(2'048, 'x'));
}

TEST_F(LogTest, CutsLongValuesThatAreNotUtf8) {
  const std::string shown = Shown(LogFormat::kJson, std::string(10'000, '\x80'));
  EXPECT_EQ(nlohmann::json::parse(shown).get<std::string>().size(), 2'045 * 3 + 3);
}

TEST_F(LogTest, NeverMixesLinesOfSeveralThreads) {
  // A pipe takes long lines in pieces, unlike a file.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  constexpr int kLines = 200;
  const Logger logger(LogOptions(), &clock_, fds[1]);
  std::vector<std::thread> threads;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([&logger, letter] {
      const std::string text(2'000, letter);
      for (int i = 0; i < kLines; ++i) {
        logger.Info("m", {{"a", text}, {"b", text}, {"c", text}});
      }
    });
  }
  std::thread closer([&threads, &fds] {
    for (std::thread& thread : threads) thread.join();
    close(fds[1]);
  });
  FILE* const reader = fdopen(fds[0], "r");
  char* line = nullptr;
  size_t capacity = 0;
  int lines = 0;
  while (getline(&line, &capacity, reader) > 0) {
    const std::string text(line);
    ASSERT_THAT(text, testing::StartsWith("ts=2026-01-31T12:00:00.000Z level=info msg=m a="));
    const std::string value(2'000, text[text.find("a=") + 2]);
    ASSERT_THAT(text, testing::EndsWith(" a=" + value + " b=" + value + " c=" + value + "\n"));
    ++lines;
  }
  closer.join();
  free(line);
  fclose(reader);
  EXPECT_EQ(lines, 4 * kLines);
}

}  // namespace
}  // namespace spanmeter
