#include "base/file.hpp"

#include <gtest/gtest.h>

#include "base/folder_testing.hpp"
#include "base/mapped_file.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

class FileTest : public FolderTest {
 protected:
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }
};

TEST_F(FileTest, CommitReplacesWhole) {
  const fs::path path = folder_ / "a.txt";
  ASSERT_TRUE(write_file(path, "old").ok());
  ASSERT_TRUE(write_file(path, "new").ok());
  EXPECT_EQ(*read_file(path), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, StreamGivesEachByteOnceInOrderAndStopsAtTheFirstError) {
  const fs::path path = folder_ / "a.bin";
  std::string text((size_t{5} << 19) + 7, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i % 251);
  ASSERT_TRUE(write_file(path, text).ok());
  std::string seen;
  int chunks = 0;
  const auto collect = [&](std::span<const std::byte> chunk) -> Status {
    ++chunks;
    seen.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    return ok_status();
  };
  ASSERT_TRUE(stream_file(path, text.size(), collect).ok());
  EXPECT_EQ(seen, text);
  EXPECT_GT(chunks, 1);
  seen.clear();
  ASSERT_TRUE(stream_file(path, 10, collect).ok());
  EXPECT_EQ(seen, text.substr(0, 10));
  EXPECT_FALSE(stream_file(path, text.size() + 1, collect).ok());
  EXPECT_EQ(stream_file(folder_ / "none", 1, collect).error().code, ErrorCode::kNotFound);
  int calls = 0;
  const Status stopped = stream_file(path, text.size(), [&](std::span<const std::byte>) -> Status {
    ++calls;
    return invalid("enough");
  });
  EXPECT_EQ(stopped.error().message, "enough");
  EXPECT_EQ(calls, 1);
}

TEST_F(FileTest, WithoutCommitNothingIsLeftAndTheOldFileStands) {
  const fs::path path = folder_ / "a.txt";
  ASSERT_TRUE(write_file(path, "old").ok());
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("half").ok());
  }
  EXPECT_EQ(*read_file(path), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, RefusesWhatIsTooLargeMissingOrAFolder) {
  ASSERT_TRUE(write_file(folder_ / "a", "12345").ok());
  EXPECT_FALSE(read_file(folder_ / "a", 4).ok());
  EXPECT_EQ(read_file(folder_ / "b").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(read_file(folder_).ok());
  EXPECT_FALSE(MappedFile::open(folder_).ok());
}

TEST_F(FileTest, ASourceIsKnownByAnyName) {
  namespace fs = std::filesystem;
  const fs::path source = folder_ / "a";
  ASSERT_TRUE(write_file(source, "model").ok());
  ASSERT_TRUE(write_file(folder_ / "other", "model").ok());
  fs::create_symlink(source, folder_ / "link");
  fs::create_hard_link(source, folder_ / "hard");
  const std::vector<fs::path> sources{folder_ / "gone", source};
  for (const fs::path& name : {source, folder_ / "link", folder_ / "hard", folder_ / "." / "a"}) {
    const Status status = check_not_a_source(name, sources);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().code, ErrorCode::kConflict);
  }
  for (const char* name : {"other", "new", "gone"})
    EXPECT_TRUE(check_not_a_source(folder_ / name, sources).ok()) << name;
}

TEST_F(FileTest, AFolderWithoutANameIsTheCurrentOne) {
  namespace fs = std::filesystem;
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  EXPECT_TRUE(check_new_folder("").ok());
  EXPECT_TRUE(check_new_folder("new").ok());
  ASSERT_TRUE(write_file("model", "weights").ok());
  for (const char* name : {"", ".", "model"}) EXPECT_EQ(check_new_folder(name).error().code, ErrorCode::kConflict);
  fs::current_path(before);
}

TEST_F(FileTest, MapsAndSurvivesDroppedPages) {
  ASSERT_TRUE(write_file(folder_ / "a", std::string(20000, 'x')).ok());
  ASSERT_TRUE(write_file(folder_ / "empty", "").ok());
  const auto file = *MappedFile::open(folder_ / "a");
  file->drop_pages(0, 1ull << 40);
  EXPECT_EQ(file->bytes().size(), 20000u);
  EXPECT_EQ(static_cast<char>(file->bytes()[19999]), 'x');
  EXPECT_TRUE((*MappedFile::open(folder_ / "empty"))->bytes().empty());
}

}  // namespace
}  // namespace linnet
