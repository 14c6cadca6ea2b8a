// Finds series and shows what they say.

#ifndef SPANMETER_ADMIN_SERIES_SEARCH_H_
#define SPANMETER_ADMIN_SERIES_SEARCH_H_

#include <cstdint>

#include "spanmeter/clock.h"
#include "spanmeter/registry.h"

#include "admin/analysis.h"
#include "admin/json.h"
#include "admin/matchers.h"

namespace spanmeter {

// The series that `selector` selects, overflow series included, at most `limit`: the first by
// metric and labels. A histogram is one of them.
Json SearchSeries(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                  SeriesSelector* selector, uint64_t limit);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_SERIES_SEARCH_H_
