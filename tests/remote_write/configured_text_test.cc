#include "remote_write/configured_text.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_write/send_fixture.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;

class ConfiguredTextTest : public testing::Test {
 protected:
  ConfiguredTextTest() {
    std::string name = testing::TempDir() + "/configured_text_XXXXXX";
    directory_ = mkdtemp(name.data());
    file_ = directory_ + "/secret";
  }
  ~ConfiguredTextTest() override { std::filesystem::remove_all(directory_); }

  // Files are replaced as secrets are: by one with another inode.
  void Write(const std::string& text) const {
    std::ofstream(file_ + ".new", std::ios::binary) << text;
    std::filesystem::rename(file_ + ".new", file_);
  }
  ConfiguredText FromFile() { return {{"", file_}, &clock_, &logger_}; }
  // The text, or what is wrong.
  static std::string Get(ConfiguredText* text) {
    std::string error;
    return text->Get(&error).value_or("error: " + error);
  }
  void PassASecond() { clock_.Advance(kNanosPerSecond); }

  FakeClock clock_;
  SendLog log_;
  Logger logger_{{}, &clock_, log_.fd()};
  std::string directory_;
  std::string file_;
};

TEST_F(ConfiguredTextTest, IsWhatTheConfigurationSays) {
  ConfiguredText text({"secret ", ""}, &clock_, &logger_);
  EXPECT_EQ(Get(&text), "secret ");
  ConfiguredText empty({"", ""}, &clock_, &logger_);
  EXPECT_EQ(Get(&empty), "");
}

TEST_F(ConfiguredTextTest, WhiteSpaceAtTheEndOfTheFileDoesNotCount) {
  Write(" a b\t\r\n\n");
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), " a b");
  Write("\n");
  PassASecond();
  EXPECT_EQ(Get(&text), "");
}

TEST_F(ConfiguredTextTest, AChangeIsSeenWithinASecond) {
  Write("first");
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), "first");
  Write("other");
  clock_.Advance(kNanosPerSecond - 1);
  EXPECT_EQ(Get(&text), "first") << "the file is not looked at for every request";
  clock_.Advance(1);
  EXPECT_EQ(Get(&text), "other");
}

TEST_F(ConfiguredTextTest, AFileThatIsWrittenInPlaceIsReadAgain) {
  Write("first");
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), "first");
  std::ofstream(file_, std::ios::binary) << "second";
  PassASecond();
  EXPECT_EQ(Get(&text), "second");
}

TEST_F(ConfiguredTextTest, WhileTheFileCannotBeReadItsLastContentsAreUsed) {
  Write("first");
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), "first");
  std::filesystem::remove(file_);
  for (int i = 0; i < 10; ++i) {
    PassASecond();
    EXPECT_EQ(Get(&text), "first");
  }
  EXPECT_EQ(log_.Count("cannot read a file again"), 1) << log_.text();
  EXPECT_THAT(log_.text(), HasSubstr("No such file"));
  Write("back");
  PassASecond();
  EXPECT_EQ(Get(&text), "back");
}

TEST_F(ConfiguredTextTest, WithoutAnyContentsItSaysWhy) {
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), "error: cannot read " + file_ + ": No such file or directory");
  EXPECT_EQ(Get(&text), "error: cannot read " + file_ + ": No such file or directory");
  Write("there");
  PassASecond();
  EXPECT_EQ(Get(&text), "there");
}

TEST_F(ConfiguredTextTest, ADirectoryIsNoFile) {
  std::filesystem::create_directory(file_);
  ConfiguredText text = FromFile();
  EXPECT_THAT(Get(&text), HasSubstr("error: "));
}

// It goes into a header: a line break would begin another one.
TEST_F(ConfiguredTextTest, MoreThanOneLineIsRefusedAndNotShown) {
  for (const std::string& wrong : {std::string("hush\nX-Evil: 1"), std::string("hush\rX-Evil: 1"),
                                   std::string("hush\0more", 9)}) {
    Write(wrong);
    ConfiguredText text = FromFile();
    EXPECT_EQ(Get(&text), "error: cannot read " + file_ + ": it has more than one line");
  }
  Write("good");
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text), "good");
  Write("hush\nX-Evil: 1");
  PassASecond();
  EXPECT_EQ(Get(&text), "good");
  EXPECT_THAT(log_.text(), Not(HasSubstr("hush")));
}

TEST_F(ConfiguredTextTest, TheLargestFileHas64KiB) {
  Write(std::string(64 << 10, 'x'));
  ConfiguredText text = FromFile();
  EXPECT_EQ(Get(&text).size(), 64u << 10);
  Write(std::string((64 << 10) + 1, 'x'));
  PassASecond();
  EXPECT_EQ(Get(&text).size(), 64u << 10);
  EXPECT_THAT(log_.text(), HasSubstr("it has more than 64 KiB"));
}

TEST_F(ConfiguredTextTest, AFileWithoutEndIsNotReadWhole) {
  ConfiguredText text({"", "/dev/zero"}, &clock_, &logger_);
  EXPECT_EQ(Get(&text), "error: cannot read /dev/zero: it has more than 64 KiB");
}

}  // namespace
}  // namespace spanmeter
