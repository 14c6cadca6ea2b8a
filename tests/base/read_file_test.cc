#include "spanmeter/read_file.h"

#include <errno.h>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

class ReadFileTest : public ::testing::Test {
 protected:
  // A file with 10,000 bytes, for this process alone: tests run beside each other.
  ReadFileTest() { std::ofstream(path_) << text_; }
  ~ReadFileTest() override { unlink(path_.c_str()); }

  const std::string path_ = ::testing::TempDir() + "read_file_test." + std::to_string(getpid());
  const std::string text_ = std::string(9999, 'x') + '\n';
};

TEST_F(ReadFileTest, AppendsAllOfTheFile) {
  std::string content = "a";
  EXPECT_EQ(0, ReadFile(path_, &content));
  EXPECT_EQ("a" + text_, content);
}

TEST_F(ReadFileTest, EndsWithSoManyBytes) {
  std::string content;
  EXPECT_EQ(0, ReadFile(path_, &content, 4097));
  EXPECT_EQ(text_.substr(0, 4097), content);
}

TEST_F(ReadFileTest, SaysWhyItCannot) {
  std::string content;
  EXPECT_EQ(ENOENT, ReadFile(path_ + ".none", &content));
  EXPECT_EQ(EISDIR, ReadFile(::testing::TempDir(), &content));
  EXPECT_EQ("", content);
}

}  // namespace
}  // namespace spanmeter
