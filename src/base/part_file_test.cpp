#include "base/part_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace linnet {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(PartFile, GrowsOverSeveralRunsAndTakesItsPlace) {
  const auto folder = TemporaryFolder::create(testing::TempDir(), "linnet_part");
  ASSERT_TRUE(folder.ok());
  const fs::path path = folder->path() / "deep/a.part";
  {
    auto part = PartFile::open(path);
    ASSERT_TRUE(part.ok());
    ASSERT_TRUE(part->append(bytes("one")).ok());
  }
  auto part = PartFile::open(path);
  EXPECT_EQ(part->size(), 3u);
  ASSERT_TRUE(part->append(bytes("two")).ok());
  ASSERT_TRUE(part->commit(folder->path() / "there/a").ok());
  EXPECT_EQ(*read_file(folder->path() / "there/a"), "onetwo");
  EXPECT_FALSE(fs::exists(path));
}

TEST(PartFile, ABareNameIsInTheCurrentFolder) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(testing::TempDir());
  auto file = PartFile::open("linnet_bare.part");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  file->discard();
  std::filesystem::current_path(before);
}

TEST(PartFile, ShortenedItGoesOnFromThereAndLinksAreRefused) {
  const auto folder = TemporaryFolder::create(testing::TempDir(), "linnet_part");
  auto part = PartFile::open(folder->path() / "a");
  ASSERT_TRUE(part->append(bytes("wrong")).ok());
  ASSERT_TRUE(part->shorten(9).ok());
  EXPECT_EQ(part->size(), 5u);
  ASSERT_TRUE(part->shorten(2).ok());
  ASSERT_TRUE(part->append(bytes("ist")).ok());
  EXPECT_EQ(*read_file(folder->path() / "a"), "wrist");
  ASSERT_TRUE(part->shorten(0).ok());
  EXPECT_EQ(*read_file(folder->path() / "a"), "");
  fs::create_symlink(folder->path() / "a", folder->path() / "link");
  EXPECT_FALSE(PartFile::open(folder->path() / "link").ok());
}

TEST(PartFile, AFullDiskIsSaidInThoseWords) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const FileDescriptor full(::open("/dev/full", O_WRONLY));
  const Status status = write_all(full.get(), bytes("x"), "model");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "the disk is full");
}

TEST(PartFile, ATemporaryFolderGoesWithItsObject) {
  fs::path path;
  {
    const auto folder = TemporaryFolder::create(testing::TempDir(), "linnet_part");
    path = folder->path();
    ASSERT_TRUE(write_file(path / "sub/file", "x").ok());
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(PartFile, ATemporaryFolderTakesItsPlaceAsAWhole) {
  const auto around = TemporaryFolder::create(testing::TempDir(), "linnet_part");
  const fs::path target = around->path() / "deep/made";
  auto folder = TemporaryFolder::create(around->path(), "new");
  const fs::path path = folder->path();
  ASSERT_TRUE(write_file(path / "file", "x").ok());
  ASSERT_TRUE(folder->commit(target).ok());
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(*read_file(target / "file"), "x");
  auto second = TemporaryFolder::create(around->path(), "new");
  const Status refused = second->commit(target);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(*read_file(target / "file"), "x");
}

TEST(PartFile, ANewFolderGoesUnlessItIsKept) {
  const auto around = TemporaryFolder::create(testing::TempDir(), "linnet_new");
  const fs::path missing = around->path() / "a" / "missing";
  const fs::path empty = around->path() / "empty";
  fs::create_directory(empty);
  for (const fs::path& path : {missing, empty}) {
    const auto folder = NewFolder::create(path);
    ASSERT_TRUE(folder.ok());
    ASSERT_TRUE(write_file(path / "part" / "model", "half").ok());
  }
  EXPECT_FALSE(fs::exists(missing));
  EXPECT_TRUE(fs::is_empty(empty));
  {
    auto folder = NewFolder::create(empty);
    ASSERT_TRUE(write_file(empty / "model", "whole").ok());
    folder->keep();
  }
  EXPECT_EQ(*read_file(empty / "model"), "whole");
  EXPECT_EQ(NewFolder::create(empty).error().code, ErrorCode::kConflict);
  EXPECT_EQ(*read_file(empty / "model"), "whole");
}

}  // namespace
}  // namespace linnet
