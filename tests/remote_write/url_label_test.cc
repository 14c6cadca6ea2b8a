#include "remote_write/url_label.h"

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(UrlLabel, HasSchemeHostPortAndPath) {
  EXPECT_EQ(UrlLabel("http://host"), "http://host");
  EXPECT_EQ(UrlLabel("https://host:9090/api/v1/write"), "https://host:9090/api/v1/write");
  EXPECT_EQ(UrlLabel("http://[::1]:9090/"), "http://[::1]:9090/");
}

TEST(UrlLabel, HasNoUserAndNoPassword) {
  EXPECT_EQ(UrlLabel("https://user:secret@host/write"), "https://host/write");
  EXPECT_EQ(UrlLabel("https://user@host"), "https://host");
  EXPECT_EQ(UrlLabel("https://user:se@cret@host:1/write"), "https://host:1/write");
  EXPECT_EQ(UrlLabel("https://user:secret@[::1]:1/"), "https://[::1]:1/");
}

TEST(UrlLabel, HasNoQueryAndNoFragment) {
  EXPECT_EQ(UrlLabel("https://host/write?token=secret"), "https://host/write");
  EXPECT_EQ(UrlLabel("https://host?token=secret/x"), "https://host");
  EXPECT_EQ(UrlLabel("https://host/a#secret"), "https://host/a");
  EXPECT_EQ(UrlLabel("https://user:secret@host?a=b@c"), "https://host");
}

TEST(UrlLabel, AnAtInThePathHidesNothing) {
  EXPECT_EQ(UrlLabel("https://host/a@b/c"), "https://host/a@b/c");
}

TEST(UrlLabel, WhatIsNoUrlIsNotShown) {
  EXPECT_EQ(UrlLabel(""), "");
  EXPECT_EQ(UrlLabel("user:secret@host"), "");
}

}  // namespace
}  // namespace spanmeter
