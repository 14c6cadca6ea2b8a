// Feeds a fuzz target the files of its corpus. The target aborts where something is wrong.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace spanmeter {
namespace {

TEST(CorpusReplayTest, EveryFileOfTheCorpusPasses) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SPANMETER_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    SCOPED_TRACE(entry.path());
    EXPECT_EQ(0,
              LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    ++files;
  }
  EXPECT_GT(files, 0) << "no corpus in " << SPANMETER_CORPUS;
}

}  // namespace
}  // namespace spanmeter
