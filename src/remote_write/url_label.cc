#include "remote_write/url_label.h"

#include <algorithm>

namespace spanmeter {

std::string UrlLabel(const std::string& url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return "";
  const size_t host_begin = scheme_end + 3;
  const size_t host_end = std::min(url.find_first_of("/?#", host_begin), url.size());
  const size_t path_end = std::min(url.find_first_of("?#", host_end), url.size());
  const size_t at = url.rfind('@', host_end);
  const bool has_user = at != std::string::npos && at >= host_begin;
  return url.substr(0, host_begin) +
         url.substr(has_user ? at + 1 : host_begin, path_end - (has_user ? at + 1 : host_begin));
}

}  // namespace spanmeter
