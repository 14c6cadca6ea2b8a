// What a question to the API is answered with.

#ifndef SPANMETER_API_REPLY_H_
#define SPANMETER_API_REPLY_H_

#include <string>

namespace spanmeter {

// An answer of the API: a JSON document, or what its content type says.
struct ApiReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

}  // namespace spanmeter

#endif  // SPANMETER_API_REPLY_H_
