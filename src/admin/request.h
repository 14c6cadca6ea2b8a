// A question to the API, taken apart: the path's segments and the query's parameters, decoded once.

#ifndef SPANMETER_ADMIN_REQUEST_H_
#define SPANMETER_ADMIN_REQUEST_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spanmeter {

// Immutable.
class ApiRequest {
 public:
  // Most items of a list in one answer, and when nothing is said.
  static constexpr uint64_t kMaxLimit = 1000;
  static constexpr uint64_t kDefaultLimit = 50;

  // Neither is decoded. Returns nullopt and says why in *problem when they cannot be.
  static std::optional<ApiRequest> Parse(std::string_view path, std::string_view query,
                                         std::string* problem);

  const std::vector<std::string>& segments() const { return segments_; }

  // Null when the parameter is not there.
  const std::string* Get(std::string_view name) const;
  std::vector<std::string> All(std::string_view name) const;

  // What is wrong with the parameters' names, when these are all that there can be, or an empty
  // text. Only those that are listed as `repeatable` may come more than once.
  std::string CheckNames(std::initializer_list<std::string_view> known,
                         std::string_view repeatable = {}) const;

  // Reads an integer within the bounds, or leaves *value when it is not there. Returns what is
  // wrong, or an empty text.
  std::string ReadInteger(std::string_view name, uint64_t min, uint64_t max, uint64_t* value) const;
  std::string ReadLimit(uint64_t* limit) const { return ReadInteger("limit", 1, kMaxLimit, limit); }

 private:
  std::vector<std::string> segments_;
  std::vector<std::pair<std::string, std::string>> parameters_;
};

// The whole text as a decimal number.
std::optional<uint64_t> ParseDecimal(std::string_view text);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_REQUEST_H_
