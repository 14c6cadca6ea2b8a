// From a value of Tempo's configuration to the value of one key of spanmeter's.

#ifndef SPANMETER_CONVERT_CONVERTERS_H_
#define SPANMETER_CONVERT_CONVERTERS_H_

#include <string>

#include "convert/yaml_tree.h"

namespace spanmeter {

// What became of a value.
struct Converted {
  enum class Result {
    kValue,
    kNothing,  // stands for the default or says nothing
    kFailed,
  };

  Result result = Result::kNothing;
  // As TOML.
  std::string text;
  // What takes the place of `text` when the output is checked: differs where variables stand that
  // only the machine it will run on can know.
  std::string sample;
  // With a value: what to know about it, or empty. Without: why there is none. Quotes nothing that
  // could be secret.
  std::string note;
};

// `parent` is the map in which `value` stands. `value` is not null.
using Converter = Converted (*)(const YamlNode& value, const YamlNode& parent);

Converted ConvertBool(const YamlNode& value, const YamlNode& parent);
Converted ConvertInteger(const YamlNode& value, const YamlNode& parent);
Converted ConvertNumber(const YamlNode& value, const YamlNode& parent);
Converted ConvertString(const YamlNode& value, const YamlNode& parent);
Converted ConvertStringList(const YamlNode& value, const YamlNode& parent);
Converted ConvertBuckets(const YamlNode& value, const YamlNode& parent);
Converted ConvertDuration(const YamlNode& value, const YamlNode& parent);

// What is empty or 0 is as good as not there.
Converted ConvertNonEmptyString(const YamlNode& value, const YamlNode& parent);
Converted ConvertPositiveDuration(const YamlNode& value, const YamlNode& parent);
Converted ConvertPositiveNumber(const YamlNode& value, const YamlNode& parent);

// A string of which the output says that it is secret.
Converted ConvertSecret(const YamlNode& value, const YamlNode& parent);
// A string that is a URL, with a password in it or not.
Converted ConvertUrl(const YamlNode& value, const YamlNode& parent);
// A name of a label, which must be one when the output is checked.
Converted ConvertLabelName(const YamlNode& value, const YamlNode& parent);

Converted ConvertProcessors(const YamlNode& value, const YamlNode& parent);
Converted ConvertFilterPolicies(const YamlNode& value, const YamlNode& parent);
Converted ConvertDimensionMappings(const YamlNode& value, const YamlNode& parent);
Converted ConvertRelabelRules(const YamlNode& value, const YamlNode& parent);

// Addresses to listen at. The host of a port stands in its parent's http_listen_address; when it is
// the address that stands alone, its port is Tempo's default.
Converted ConvertEndpoint(const YamlNode& value, const YamlNode& parent);
Converted ConvertHttpPort(const YamlNode& value, const YamlNode& parent);
Converted ConvertHttpAddress(const YamlNode& value, const YamlNode& parent);

Converted ConvertMebibytes(const YamlNode& value, const YamlNode& parent);
// Whole numbers, of which 0 stands for the default.
Converted ConvertBytes(const YamlNode& value, const YamlNode& parent);
Converted ConvertSeconds(const YamlNode& value, const YamlNode& parent);
// VersionTLS12 and the like.
Converted ConvertGoTlsVersion(const YamlNode& value, const YamlNode& parent);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_CONVERTERS_H_
