// Tempo's options and their equivalents: what `spanmeter convert` works from, and what its --table
// prints.

#ifndef SPANMETER_CONVERT_TABLE_H_
#define SPANMETER_CONVERT_TABLE_H_

#include <span>
#include <string>
#include <string_view>

#include "convert/converters.h"

namespace spanmeter {

struct TempoOption {
  // Dots lead into maps; a last `*` stands for any key.
  std::string_view path;
  // The key that takes the value, its `*` being that of the path. Empty: there is none.
  std::string_view target;
  // Null without a target, and for what convert.cc takes apart itself.
  Converter convert = nullptr;
  // Without a target, what to do instead, reported when the option is there. With one, what is
  // different, for the table only.
  std::string_view remark;
};

// Of the whole file, with targets in the whole configuration.
std::span<const TempoOption> ConfigOptions();
// Below metrics_generator of overrides, with targets below [generator] and [tenants.NAME].
std::span<const TempoOption> OverridesOptions();
// Beside metrics_generator in overrides, in both forms.
std::span<const TempoOption> OtherOverridesOptions();
// Below each element of remote_write, with targets below [[remote_write]].
std::span<const TempoOption> RemoteWriteTableOptions();

// The option with that path, and the one with a `*` for any key of the map at `parent`. Null: none.
const TempoOption* FindOption(std::span<const TempoOption> options, std::string_view path);
const TempoOption* FindOptionForAnyKey(std::span<const TempoOption> options,
                                       std::string_view parent);
// Whether any option stands below `path`.
bool HasOptionsBelow(std::span<const TempoOption> options, std::string_view path);

// The name that an option of OverridesOptions() has in the flat form of overrides.
std::string LegacyName(std::string_view overrides_path);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_TABLE_H_
