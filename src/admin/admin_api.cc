#include "spanmeter/admin_api.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "spanmeter/mutex.h"
#include "spanmeter/relabel.h"

#include "admin/analysis.h"
#include "admin/answer_cache.h"
#include "admin/graph_json.h"
#include "admin/history.h"
#include "admin/json.h"
#include "admin/matchers.h"
#include "admin/openapi_text.h"
#include "admin/overview.h"
#include "admin/request.h"
#include "admin/series_search.h"
#include "admin/status_json.h"

namespace spanmeter {

namespace {

constexpr int kBadRequest = 400;
constexpr int kNotFound = 404;

constexpr uint64_t kMaxDepth = 10;
constexpr uint64_t kMaxAddedValues = 1'000'000'000;
constexpr size_t kMaxAdded = 10;
// There are never more templates than these.
constexpr uint64_t kMaxTemplates = 1'000'000;

ApiReply NoSuchQuestion() {
  return ErrorReply(kNotFound, "there is no such path: GET /api/v1/openapi.json lists all");
}

// "a,b" as its parts; empty ones are left out.
std::vector<std::string> SplitNames(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    if (end > 0) names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

// Returns what is wrong, or an empty text.
std::string ReadCostQuestion(const ApiRequest& request, CostQuestion* question) {
  if (const std::string* keep = request.Get("keep")) {
    question->keep = SplitNames(*keep);
    std::sort(question->keep->begin(), question->keep->end());
  }
  for (const std::string& text : request.All("add")) {
    const size_t colon = std::min(text.rfind(':'), text.size());
    const std::string name = text.substr(0, colon);
    const auto values =
        ParseDecimal(std::string_view(text).substr(std::min(colon + 1, text.size())));
    if (!IsLabelName(name) || !values || *values == 0 || *values > kMaxAddedValues ||
        question->add.size() == kMaxAdded) {
      return "add must be NAME:VALUES, a label's name and its number of values from 1 to " +
             std::to_string(kMaxAddedValues) + ", as in add=region:5, at most " +
             std::to_string(kMaxAdded) + " times";
    }
    question->add.emplace_back(name, *values);
  }
  return "";
}

std::string CostKey(const CostQuestion& question) {
  std::string key = question.keep ? "cost/keep" : "cost/all";
  if (question.keep) {
    for (const std::string& name : *question.keep) key.append("/").append(name);
  }
  for (const auto& [name, values] : question.add) {
    key.append("/+").append(name).append(":").append(std::to_string(values));
  }
  return key;
}

// Reads one of two words, the first being what holds when there is none.
std::string ReadChoice(const ApiRequest& request, std::string_view name, std::string_view first,
                       std::string_view second, bool* is_second) {
  const std::string* const text = request.Get(name);
  *is_second = text != nullptr && *text == second;
  if (text == nullptr || *is_second || *text == first) return "";
  return std::string(name) + " must be " + std::string(first) + " or " + std::string(second);
}

const char* SanitizationName(SpanNameSanitization mode) {
  switch (mode) {
    case SpanNameSanitization::kOff:
      break;
    case SpanNameSanitization::kDryRun:
      return "dry_run";
    case SpanNameSanitization::kEnabled:
      return "enabled";
  }
  return "off";
}

}  // namespace

class AdminApi::Impl {
 public:
  explicit Impl(AdminParts parts)
      : parts_(std::move(parts)),
        start_ms_(NowMs()),
        cache_(parts_.clock),
        history_(parts_.clock) {}

  ApiReply Answer(const std::string& path, const std::string& query) {
    std::string problem;
    const std::optional<ApiRequest> request = ApiRequest::Parse(path, query, &problem);
    if (!request) return ErrorReply(kBadRequest, problem);
    const std::vector<std::string>& segments = request->segments();
    if (segments.size() == 1) return AnswerGlobal(segments[0], *request);
    if (segments[0] != "tenants" || segments.size() < 3) return NoSuchQuestion();
    return AnswerTenant(*request);
  }

  void Maintain() {
    {
      const MutexLock lock(&mutex_);
      if (!history_.IsDue()) return;
    }
    const History::Totals totals = TotalsOf(AllFacts(), Requests(), RemoteWrite());
    const MutexLock lock(&mutex_);
    history_.Record(totals);
  }

 private:
  int64_t NowMs() const { return parts_.clock->WallNanos() / kNanosPerMilli; }
  std::map<std::string, uint64_t> Requests() const {
    return parts_.requests ? parts_.requests() : std::map<std::string, uint64_t>();
  }
  RemoteWriteStatus RemoteWrite() const {
    return parts_.remote_write ? parts_.remote_write() : RemoteWriteStatus();
  }
  ForwardStatus Forward() const { return parts_.forward ? parts_.forward() : ForwardStatus(); }
  AdminConfig Config() const { return parts_.config ? parts_.config() : AdminConfig(); }
  std::vector<TenantFacts> AllFacts() const {
    std::vector<TenantFacts> facts;
    for (const auto& generator : parts_.tenants->All()) facts.emplace_back(*generator);
    return facts;
  }

  ApiReply AnswerGlobal(const std::string& what, const ApiRequest& request) {
    if (what == "tenants") return AnswerTenants(request);
    const bool known = what == "overview" || what == "remote-write" || what == "forward" ||
                       what == "config" || what == "openapi.json";
    if (!known) return NoSuchQuestion();
    const std::string problem = request.CheckNames({});
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    if (what == "overview") return AnswerOverview();
    if (what == "remote-write") return JsonReply(RemoteWriteJson(RemoteWrite()));
    if (what == "forward") return JsonReply(ForwardJson(Forward()));
    if (what == "config") return JsonReply(ConfigJson(Config()));
    return {200, std::string(OpenApiText())};
  }

  ApiReply AnswerOverview() {
    OverviewParts overview;
    overview.version = parts_.version;
    overview.start_ms = start_ms_;
    overview.now_ms = NowMs();
    overview.tenancy = parts_.tenancy;
    overview.tenants = AllFacts();
    overview.requests = Requests();
    if (parts_.scrapes) overview.scrapes = parts_.scrapes();
    overview.remote_write = RemoteWrite();
    overview.forward = Forward();
    overview.config = Config();
    const MutexLock lock(&mutex_);
    return JsonReply(OverviewJson(overview, history_));
  }

  // The cursor is the name of the last tenant that was shown.
  ApiReply AnswerTenants(const ApiRequest& request) {
    uint64_t limit = ApiRequest::kDefaultLimit;
    std::string problem = request.CheckNames({"limit", "cursor"});
    if (problem.empty()) problem = request.ReadLimit(&limit);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    const std::string* const cursor = request.Get("cursor");
    std::vector<TenantFacts> page;
    bool more = false;
    for (const auto& generator : parts_.tenants->All()) {
      if (cursor != nullptr && generator->tenant() <= *cursor) continue;
      more = page.size() == limit;
      if (more) break;
      page.emplace_back(*generator);
    }
    Json list = Json::array();
    const MutexLock lock(&mutex_);
    for (const TenantFacts& tenant : page) list.push_back(TenantJson(tenant, history_));
    return JsonReply(
        {{"tenants", std::move(list)}, {"next", more ? Json(page.back().name) : Json()}});
  }

  ApiReply AnswerTenant(const ApiRequest& request) {
    const std::vector<std::string>& segments = request.segments();
    const std::string& name = segments[1];
    const std::string& what = segments[2];
    const bool is_values = what == "labels" && segments.size() == 5 && segments[4] == "values";
    if (segments.size() != 3 && !is_values) return NoSuchQuestion();
    if (what == "options") return AnswerOptions(name, request);
    const auto found = std::find_if(kQuestions.begin(), kQuestions.end(),
                                    [&](const Question& q) { return q.name == what; });
    if (found == kQuestions.end()) return NoSuchQuestion();
    const std::shared_ptr<Generator> tenant = parts_.tenants->Get(name);
    if (tenant == nullptr) return NoSuchTenant();
    if (is_values) return AnswerValues(*tenant, request);
    return (this->*found->answer)(*tenant, request);
  }

  static ApiReply NoSuchTenant() {
    return ErrorReply(kNotFound,
                      "there is no such tenant, or nothing came for it: GET /api/v1/tenants lists "
                      "all");
  }

  ApiReply AnswerOptions(const std::string& name, const ApiRequest& request) {
    const std::string problem = request.CheckNames({});
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    if (!parts_.tenants->Has(name)) return NoSuchTenant();
    return JsonReply(TenantOptionsJson(Config(), name));
  }

  ApiReply Cached(const Generator& tenant, const std::string& question,
                  const std::function<Json(Registry*)>& make) {
    return {200,
            cache_.Get(tenant.tenant(), question, [&] { return make(tenant.registry().get()); })};
  }

  ApiReply AnswerMetrics(const Generator& tenant, const ApiRequest& request) {
    const std::string problem = request.CheckNames({});
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    return Cached(tenant, "metrics", [this](Registry* registry) {
      return AnalyzeMetrics(registry, parts_.clock, limits_);
    });
  }

  ApiReply AnswerLabels(const Generator& tenant, const ApiRequest& request) {
    const std::string problem = request.CheckNames({});
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    return Cached(tenant, "labels", [this](Registry* registry) {
      return AnalyzeLabels(registry, parts_.clock, limits_);
    });
  }

  ApiReply AnswerValues(const Generator& tenant, const ApiRequest& request) {
    uint64_t limit = ApiRequest::kDefaultLimit;
    std::string problem = request.CheckNames({"limit"});
    if (problem.empty()) problem = request.ReadLimit(&limit);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    const std::string& label = request.segments()[3];
    if (!IsLabelName(label)) {
      return ErrorReply(kNotFound,
                        "there is no such label: label names are [a-zA-Z_][a-zA-Z0-9_]*");
    }
    return Cached(tenant, "values/" + label + "/" + std::to_string(limit), [&](Registry* registry) {
      return AnalyzeValues(registry, parts_.clock, limits_, label, limit);
    });
  }

  ApiReply AnswerTop(const Generator& tenant, const ApiRequest& request) {
    TopQuestion question;
    question.limit = ApiRequest::kDefaultLimit;
    std::string problem = request.CheckNames({"by", "order", "limit"});
    if (problem.empty()) {
      problem = ReadChoice(request, "by", "service", "operation", &question.by_operation);
    }
    if (problem.empty()) {
      problem = ReadChoice(request, "order", "series", "churn", &question.by_churn);
    }
    if (problem.empty()) problem = request.ReadLimit(&question.limit);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    question.naming = tenant.options().naming;
    const std::string key =
        std::string(question.naming == Naming::kTempo ? "top/tempo/" : "top/otel/") +
        (question.by_operation ? "operation" : "service") +
        (question.by_churn ? "/churn/" : "/series/") + std::to_string(question.limit);
    return Cached(tenant, key, [&](Registry* registry) {
      return AnalyzeTop(registry, parts_.clock, limits_, question);
    });
  }

  ApiReply AnswerSeries(const Generator& tenant, const ApiRequest& request) {
    uint64_t limit = ApiRequest::kDefaultLimit;
    std::string problem = request.CheckNames({"match", "limit"});
    if (problem.empty()) problem = request.ReadLimit(&limit);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    const std::string* const match = request.Get("match");
    std::optional<SeriesSelector> selector =
        SeriesSelector::Parse(match == nullptr ? std::string_view() : *match, &problem);
    if (!selector) return ErrorReply(kBadRequest, problem);
    return Cached(tenant,
                  "series/" + std::to_string(limit) + "/" + (match == nullptr ? "" : *match),
                  [&](Registry* registry) {
                    return SearchSeries(registry, parts_.clock, limits_, &*selector, limit);
                  });
  }

  ApiReply AnswerOverflow(const Generator& tenant, const ApiRequest& request) {
    const std::string problem = request.CheckNames({});
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    return JsonReply(DescribeOverflow(tenant.registry().get(), parts_.clock, limits_,
                                      tenant.options().max_cardinality_per_label));
  }

  // The cursor is how many templates were shown.
  ApiReply AnswerSpanNames(const Generator& tenant, const ApiRequest& request) {
    uint64_t limit = ApiRequest::kDefaultLimit;
    uint64_t begin = 0;
    std::string problem = request.CheckNames({"limit", "cursor"});
    if (problem.empty()) problem = request.ReadLimit(&limit);
    if (problem.empty()) {
      problem = request.ReadInteger("cursor", 0, kMaxTemplates, &begin);
      if (!problem.empty()) problem = "cursor must be what \"next\" of an earlier answer said";
    }
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    const std::vector<SpanNameTemplate> templates = tenant.SpanNames(begin + limit + 1);
    Json list = Json::array();
    for (size_t i = begin; i < templates.size() && list.size() < limit; ++i) {
      list.push_back({{"template", templates[i].text},
                      {"count", templates[i].spans},
                      {"examples", templates[i].examples}});
    }
    const bool more = templates.size() > begin + limit;
    return JsonReply({{"mode", SanitizationName(tenant.options().span_name_sanitization)},
                      {"templates", std::move(list)},
                      {"next", more ? Json(std::to_string(begin + limit)) : Json()}});
  }

  ApiReply AnswerCost(const Generator& tenant, const ApiRequest& request) {
    CostQuestion question;
    std::string problem = request.CheckNames({"keep", "add"}, /*repeatable=*/"add");
    if (problem.empty()) problem = ReadCostQuestion(request, &question);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    return Cached(tenant, CostKey(question), [&](Registry* registry) {
      return AnalyzeCost(registry, parts_.clock, limits_, question);
    });
  }

  ApiReply AnswerGraph(const Generator& tenant, const ApiRequest& request) {
    GraphQuestion question;
    question.max_nodes = limits_.nodes;
    std::string problem = request.CheckNames({"service", "depth"});
    if (problem.empty()) problem = request.ReadInteger("depth", 1, kMaxDepth, &question.depth);
    if (!problem.empty()) return ErrorReply(kBadRequest, problem);
    if (const std::string* service = request.Get("service")) question.service = *service;
    const AnswerCache::Graph graph =
        cache_.GetGraph(tenant.tenant(), tenant.registry().get(), limits_);
    Json json = ServiceGraphJson(*graph.graph, question);
    json["computed_ms"] = graph.computed_ms;
    return JsonReply(json);
  }

  struct Question {
    std::string_view name;
    ApiReply (Impl::*answer)(const Generator&, const ApiRequest&);
  };
  static constexpr std::array<Question, 8> kQuestions = {{
      {"metrics", &Impl::AnswerMetrics},
      {"labels", &Impl::AnswerLabels},
      {"top", &Impl::AnswerTop},
      {"series", &Impl::AnswerSeries},
      {"overflow", &Impl::AnswerOverflow},
      {"span-names", &Impl::AnswerSpanNames},
      {"cost", &Impl::AnswerCost},
      {"service-graph", &Impl::AnswerGraph},
  }};

  const AdminParts parts_;
  const int64_t start_ms_;
  const AnalysisLimits limits_;
  AnswerCache cache_;

  Mutex mutex_;
  History history_ GUARDED_BY(mutex_);
};

AdminApi::AdminApi(AdminParts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}

AdminApi::~AdminApi() = default;

ApiReply AdminApi::Answer(const std::string& path, const std::string& query) {
  return impl_->Answer(path, query);
}

void AdminApi::Maintain() { impl_->Maintain(); }

}  // namespace spanmeter
