#include "hub/manifest.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

Manifest example() {
  return {.source = "hf:org/repo:Q4_K_M",
          .revision = std::string(40, 'a'),
          .requested = "main",
          .license = "apache-2.0",
          .pulled = "2026-01-31T12:00:00Z",
          .model = "m-Q4_K_M.gguf",
          .files = {{"m-Q4_K_M.gguf", 5000000000, std::string(64, '0')}, {"LICENSE", 3, std::string(64, '1')}}};
}

TEST(Manifest, RoundTrip) {
  Manifest folder = example();
  folder.model = "";
  const std::vector<Manifest> both = {example(), folder};
  const auto read = parse_manifests(manifests_to_json(both), "x");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(*read, both);
  EXPECT_EQ(read->at(0).bytes(), 5000000003u);
}

TEST(Manifest, WhatALyingOneSaysIsRefused) {
  const auto refused = [](void (*change)(Manifest&)) {
    Manifest manifest = example();
    change(manifest);
    const auto read = parse_manifests(manifests_to_json({manifest}), "x");
    return !read.ok();
  };
  EXPECT_FALSE(refused([](Manifest&) {}));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[0].name = m.model = "../../../etc/passwd"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[0].name = m.model = "/etc/passwd"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[0].sha256 = "00"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[0].size = uint64_t{1} << 62; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.model = "other.gguf"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files.clear(); }));
  EXPECT_TRUE(refused([](Manifest& m) { m.source = "/etc"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.license = "\x1b[2J"; }));
  EXPECT_FALSE(parse_manifests(R"({"format": 2, "models": []})", "x").ok());
  EXPECT_FALSE(parse_manifests("[]", "x").ok());
  EXPECT_FALSE(parse_manifests("", "x").ok());
}

}  // namespace
}  // namespace linnet
