// All keys of the configuration file.

#ifndef SPANMETER_CONFIG_KEYS_H_
#define SPANMETER_CONFIG_KEYS_H_

#include <string>
#include <string_view>

#include "spanmeter/options.h"

#include "config/key.h"

// What a key fills, as a function from a struct to its member; works for const and other structs.
// A macro, because a member path cannot be passed in any other way that fits on the key's line.
#define FIELD(member) ([](auto& target) -> auto& { return target.member; })

namespace spanmeter {

// In the order of --print-config: the keys of one table stand together, those of a table before
// those of the tables below it. The lists remote_write and forward are one key each, which is
// always absent from what the keys print: PrintConfig() writes their elements as tables.
ConfigKeys<Options> AllConfigKeys();

// The keys below [generator], and below each [tenants.NAME].
ConfigKeys<GeneratorOptions> GeneratorKeys();

// Of these, those that decide about the defaults of others.
inline constexpr std::string_view kNamingKey = "naming";
inline constexpr std::string_view kHistogramUnitKey = "span_metrics.histogram_unit";

// The keys of each [[remote_write]].
ConfigKeys<RemoteWriteOptions> RemoteWriteKeys();

// The keys of each [[http.users]], [[http.tokens]], [[otlp.grpc.tokens]] and
// [[otlp.http.tokens]].
ConfigKeys<HttpUserOptions> HttpUserKeys();
ConfigKeys<HttpTokenOptions> HttpTokenKeys();
ConfigKeys<OtlpTokenOptions> OtlpTokenKeys();

// The keys of each [[forward]].
ConfigKeys<ForwardOptions> ForwardKeys();

// The keys of a filter policy.
ConfigKeys<FilterPolicy> FilterPolicyKeys();

// The keys of a relabelling rule.
ConfigKeys<RelabelRule> RelabelRuleKeys();

// What is wrong with the name of a label that is set from the configuration, or an empty text.
// Legal are [a-zA-Z_][a-zA-Z0-9_]*, except for the names that the series themselves need.
std::string CheckLabelName(const std::string& name);

// What is wrong with the path of a file or directory, or an empty text.
std::string CheckPath(const std::string& path);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_KEYS_H_
