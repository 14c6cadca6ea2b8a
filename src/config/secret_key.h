// Keys whose values nobody may see.

#ifndef SPANMETER_CONFIG_SECRET_KEY_H_
#define SPANMETER_CONFIG_SECRET_KEY_H_

#include <string>
#include <utility>

#include "spanmeter/options.h"

#include "config/keys.h"
#include "config/reader.h"

namespace spanmeter {

// What --print-config shows instead of a secret.
std::string HideSecret(const std::string& text);

// What is wrong with a text that goes into a header, or an empty text.
std::string CheckHeaderValue(const std::string& text);

// The same for the name of a user.
std::string CheckUserName(const std::string& name);

// Appends `name` and `name`_file, the two ways to give a secret. `check` is for the text.
template <typename T, typename Field>
void AppendSecret(const std::string& name, Field field, typename KeyOf<T>::StringCheck check,
                  ConfigKeys<T>* keys) {
  using Key = KeyOf<T>;
  const auto text = [field](auto& target) -> auto& { return field(target).text; };
  const auto file = [field](auto& target) -> auto& { return field(target).file; };
  ConfigKey<T> text_key = Key::HiddenString(name, text, check, HideSecret);
  text_key.is_absent = [text](const T& target) { return text(target).empty(); };
  keys->push_back(std::move(text_key));
  ConfigKey<T> file_key = Key::String(name + "_file", file, CheckPath);
  file_key.is_absent = [file](const T& target) { return file(target).empty(); };
  keys->push_back(std::move(file_key));
}

// Notes what is wrong with a secret: that it is given twice or, where it is required, not at all.
// `path` is that of the text; the file's has _file behind it.
void CheckSecret(const TextOrFile& secret, const std::string& path, bool is_required,
                 ConfigReader* reader);

// Notes that the file, if there is one, cannot be read. `path` is that of the key.
void CheckFile(const std::string& file, const std::string& path, ConfigReader* reader);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_SECRET_KEY_H_
