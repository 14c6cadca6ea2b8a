// Paths, parameters and pages; what the answers say is tested where they are computed, and that
// they are as documented by tests/e2e/api_test.py.

#include "spanmeter/admin_api.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/log.h"
#include "spanmeter/self_metrics.h"

#include "admin/json.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AdminApiTest : public ::testing::Test {
 protected:
  AdminApiTest() : logger_(Quiet(), &clock_) {}

  void Start(bool tenancy) {
    options_.tenancy.enabled = tenancy;
    options_.generator.stale_duration = int64_t{86'400} * kNanosPerSecond;
    tenants_ = std::make_unique<Tenants>(options_, &clock_, &logger_, &metrics_);
    AdminParts parts;
    parts.version = "1.2.3";
    parts.tenancy = tenancy;
    parts.clock = &clock_;
    parts.tenants = tenants_.get();
    parts.config = [this] {
      AdminConfig config;
      config.file = "file.toml";
      config.options = options_;
      return config;
    };
    api_ = std::make_unique<AdminApi>(std::move(parts));
  }

  Json Ask(const std::string& path, const std::string& query = "", int status = 200) {
    const ApiReply reply = api_->Answer(path, query);
    EXPECT_EQ(reply.status, status) << path << " " << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
    Json json = Json::parse(reply.body);
    EXPECT_EQ(json.contains("error"), status != 200);
    if (status != 200) {
      EXPECT_EQ(json["error"]["status"], status);
    }
    return json;
  }
  std::string Problem(const std::string& path, const std::string& query, int status = 400) {
    return Ask(path, query, status)["error"]["message"];
  }
  // Counts so many spans with distinct names.
  void Count(const std::string& tenant, int spans) {
    const auto generator = tenants_->Find({tenant}).generator;
    UpdateBatch batch;
    for (int i = 0; i < spans; ++i) {
      batch.BeginKey();
      batch.AppendText("web");
      batch.AppendText("op" + std::to_string(i));
      batch.AppendEnum(2);
      batch.AppendEnum(0);
      for (int k = 0; k < 2; ++k) batch.AppendText("");
      Update& update = batch.Add(0);
      update.metrics = 7;
      update.values = {0.5, 1, 100};
    }
    generator->registry()->Apply(&batch);
  }

  FakeClock clock_;
  Options options_;
  SelfMetrics metrics_;
  Logger logger_;
  std::unique_ptr<Tenants> tenants_;
  std::unique_ptr<AdminApi> api_;

 private:
  static LogOptions Quiet() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }
};

TEST_F(AdminApiTest, TheOverviewKnowsTheVersionAndTheStart) {
  Start(false);
  clock_.Advance(5 * kNanosPerSecond);
  const Json json = Ask("overview");
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["tenancy"], false);
  EXPECT_EQ(json["tenants"], 1);
  EXPECT_EQ(json["now_ms"].get<int64_t>() - json["start_time_ms"].get<int64_t>(), 5000);
}

TEST_F(AdminApiTest, MaintainNotesAPointEveryTenSeconds) {
  Start(false);
  for (int i = 0; i < 60; ++i) {
    api_->Maintain();
    clock_.Advance(kNanosPerSecond);
  }
  EXPECT_EQ(Ask("overview")["history"]["times_ms"].size(), 5u);
}

TEST_F(AdminApiTest, TenantsComePageByPage) {
  Start(true);
  for (const char* name : {"c", "a", "e", "b", "d"}) tenants_->Find({name});
  const auto names = [](const Json& page) {
    std::vector<std::string> result;
    for (const Json& tenant : page["tenants"]) result.push_back(tenant["name"]);
    return result;
  };
  const Json first = Ask("tenants", "limit=2");
  EXPECT_THAT(names(first), ElementsAre("a", "b"));
  const Json second = Ask("tenants", "limit=2&cursor=" + first["next"].get<std::string>());
  EXPECT_THAT(names(second), ElementsAre("c", "d"));
  // One goes and another comes meanwhile: none is shown twice.
  const Json third = Ask("tenants", "limit=2&cursor=" + second["next"].get<std::string>());
  EXPECT_THAT(names(third), ElementsAre("e"));
  EXPECT_EQ(third["next"], nullptr);
  EXPECT_EQ(Ask("tenants")["next"], nullptr);
}

TEST_F(AdminApiTest, EveryQuestionAboutATenantHasAnAnswer) {
  Start(true);
  Count("a", 3);
  for (const char* what : {"options", "metrics", "labels", "labels/service/values", "top", "series",
                           "overflow", "span-names", "cost", "service-graph"}) {
    Ask(std::string("tenants/a/") + what);
    EXPECT_THAT(Problem(std::string("tenants/b/") + what, "", 404), HasSubstr("no such tenant"));
    EXPECT_THAT(Problem(std::string("tenants/a/") + what, "nonsense=1"),
                HasSubstr("\"nonsense\" is unknown"));
  }
  EXPECT_EQ(Ask("tenants/a/metrics")["label_sets"], 3);
  EXPECT_EQ(Ask("tenants/%61/metrics")["label_sets"], 3);
  EXPECT_EQ(Ask("tenants/a/top", "by=operation&limit=2")["entries"].size(), 2u);
  EXPECT_EQ(Ask("tenants/a/series", "match=%7Bspan_name%3D%22op1%22%7D")["matched"], 3);
  EXPECT_EQ(Ask("tenants/a/cost", "keep=service&add=x:4")["estimate"]["label_sets"], 4);
}

TEST_F(AdminApiTest, AnswersThatCostAWalkAreKeptForAWhile) {
  Start(true);
  Count("a", 3);
  EXPECT_EQ(Ask("tenants/a/metrics")["label_sets"], 3);
  Count("a", 5);
  EXPECT_EQ(Ask("tenants/a/metrics")["label_sets"], 3);
  clock_.Advance(5 * kNanosPerSecond);
  EXPECT_EQ(Ask("tenants/a/metrics")["label_sets"], 5);
}

TEST_F(AdminApiTest, AnswersToDifferentParametersAreNotMixedUp) {
  Start(true);
  Count("a", 8);
  EXPECT_EQ(Ask("tenants/a/series", "limit=1")["series"].size(), 1u);
  EXPECT_EQ(Ask("tenants/a/series", "limit=2")["series"].size(), 2u);
  EXPECT_EQ(Ask("tenants/a/cost")["estimate"]["label_sets"], 8);
  EXPECT_EQ(Ask("tenants/a/cost", "keep=")["estimate"]["label_sets"], 1);
  EXPECT_EQ(Ask("tenants/a/cost", "keep=service")["estimate"]["label_sets"], 1);
  EXPECT_EQ(Ask("tenants/a/cost", "keep=service,span_name")["estimate"]["label_sets"], 8);
  EXPECT_TRUE(Ask("tenants/a/top", "by=operation")["entries"][0].contains("span_name"));
  EXPECT_FALSE(Ask("tenants/a/top", "by=service")["entries"][0].contains("span_name"));
}

TEST_F(AdminApiTest, OptionsAreThereForConfiguredTenantsThatSentNothing) {
  options_.tenants["quiet"] = GeneratorOptions();
  options_.tenants["quiet"].max_active_series = 5;
  Start(true);
  bool found = false;
  const Json answer = Ask("tenants/quiet/options");
  for (const Json& option : answer["options"]) {
    if (option["key"] != "max_active_series") continue;
    EXPECT_EQ(option, Json({{"key", "max_active_series"}, {"value", "5"}, {"source", "tenant"}}));
    found = true;
  }
  EXPECT_TRUE(found);
  Ask("tenants/quiet/metrics", "", 404);
}

TEST_F(AdminApiTest, WhatIsNotThereIsNotFound) {
  Start(false);
  for (const char* path : {"", "/", "overview/", "nothing", "tenants/", "tenants/single-tenant",
                           "tenants/single-tenant/", "tenants/single-tenant/nothing",
                           "tenants/single-tenant/labels/service", "tenants/single-tenant/top/x",
                           "tenants/single-tenant/labels/a-b/values",
                           "tenants/single-tenant/labels/service/values/x", "Overview"}) {
    Ask(path, "", 404);
  }
}

TEST_F(AdminApiTest, WrongParametersAreRefusedWithTheRemedy) {
  Start(false);
  const std::string t = "tenants/single-tenant/";
  EXPECT_THAT(Problem(t + "top", "by=x"), HasSubstr("service or operation"));
  EXPECT_THAT(Problem(t + "top", "order=x"), HasSubstr("series or churn"));
  EXPECT_THAT(Problem(t + "top", "limit=0"), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(Problem(t + "series", "match=%7Ba"), HasSubstr("span_name=~"));
  EXPECT_THAT(Problem(t + "service-graph", "depth=0"), HasSubstr("from 1 to 10"));
  EXPECT_THAT(Problem(t + "span-names", "cursor=-1"), HasSubstr("\"next\""));
  for (const char* add : {"x", "x:", ":5", "x:0", "x:1.5", "1x:5", "x:5:6", "x:1000000001"}) {
    EXPECT_THAT(Problem(t + "cost", "add=" + std::string(add)), HasSubstr("add=region:5"));
  }
  std::string many;
  for (int i = 0; i < 11; ++i) many += "add=x:2&";
  EXPECT_THAT(Problem(t + "cost", many), HasSubstr("at most 10 times"));
  EXPECT_THAT(Problem("overview", "a=%"), HasSubstr("percent-encoded"));
}

TEST_F(AdminApiTest, WhatWasAskedIsNotEchoed) {
  Start(false);
  const std::string hostile = "%3Cscript%3E";
  for (const ApiReply& reply :
       {api_->Answer(hostile, ""), api_->Answer("tenants/" + hostile + "/top", ""),
        api_->Answer("overview", hostile + "=1"),
        api_->Answer("tenants/single-tenant/top", "by=" + hostile)}) {
    EXPECT_GE(reply.status, 400);
    EXPECT_THAT(reply.body, ::testing::Not(HasSubstr("script")));
  }
}

TEST_F(AdminApiTest, TheConfigurationIsShownWithoutSecrets) {
  RemoteWriteOptions receiver;
  receiver.url = "http://u:p4ss@example.com/";
  receiver.name = "r";
  receiver.basic_auth.emplace();
  receiver.basic_auth->username = "u";
  receiver.basic_auth->password.text = "hunter2";
  options_.remote_write = {receiver};
  Start(false);
  const std::string body = api_->Answer("config", "").body;
  EXPECT_THAT(body, HasSubstr("<secret>"));
  EXPECT_THAT(body, ::testing::Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace spanmeter
