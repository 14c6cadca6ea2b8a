#include "config/secret_key.h"

#include <algorithm>
#include <cstring>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "spanmeter/quote.h"

#include "config/url.h"

namespace spanmeter {

namespace {

// Says why the file cannot be read, or returns an empty text.
std::string DescribeUnreadable(const std::string& path) {
  // Nobody may ever write into a pipe of that name.
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return std::strerror(errno);
  char byte = 0;
  const int error = read(file, &byte, 1) < 0 ? errno : 0;
  close(file);
  // Opening a directory succeeds, reading it does not.
  return error == 0 || error == EAGAIN ? "" : std::strerror(error);
}

}  // namespace

std::string HideSecret(const std::string& text) {
  return text.empty() ? "" : std::string(kHiddenSecret);
}

std::string CheckHeaderValue(const std::string& text) {
  const bool is_legal = std::all_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) >= ' ' && c != 0x7F) || c == '\t';
  });
  return is_legal ? "" : "has a line break or another control character: remove it";
}

std::string CheckUserName(const std::string& name) {
  if (name.empty()) return "is empty: write the user's name";
  if (name.find(':') != std::string::npos) return "has a colon, which no user name can have";
  return CheckHeaderValue(name);
}

void CheckSecret(const TextOrFile& secret, const std::string& path, bool is_required,
                 ConfigReader* reader) {
  const std::string name = path.substr(path.rfind('.') + 1);
  if (!secret.text.empty() && !secret.file.empty()) {
    reader->LaterProblem(path + "_file", " is given as well as " + name + ": remove one of them",
                         path);
  } else if (is_required && secret.empty()) {
    reader->LaterProblem(path.substr(0, path.rfind('.')),
                         " has neither " + name + " nor " + name + "_file: add one of them");
  }
}

void CheckFile(const std::string& file, const std::string& path, ConfigReader* reader) {
  if (file.empty()) return;
  const std::string why = DescribeUnreadable(file);
  if (!why.empty()) {
    reader->LaterProblem(path, " = " + Quoted(file) + " cannot be read: " + why);
  }
}

}  // namespace spanmeter
