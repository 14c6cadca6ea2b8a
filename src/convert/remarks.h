// What a conversion has to tell people.

#ifndef SPANMETER_CONVERT_REMARKS_H_
#define SPANMETER_CONVERT_REMARKS_H_

#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

// A place in one of the files: `name` as messages call it, `line` 1-based or 0 for the whole file.
std::string FormatPlace(std::string_view name, int line);

// Not thread-safe.
class Remarks {
 public:
  // `order` is that of the file among the files, `key` the path of what the remark is about or
  // empty. The remark is printed after the key.
  void Add(int order, std::string_view name, int line, std::string_view key,
           std::string_view remark);

  // All of them by file and line, one a line; `prefix` begins each.
  std::string Print(std::string_view prefix) const;
  bool empty() const { return remarks_.empty(); }

 private:
  struct Remark {
    int order;
    int line;
    std::string text;
  };

  std::vector<Remark> remarks_;
  size_t left_out_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_REMARKS_H_
