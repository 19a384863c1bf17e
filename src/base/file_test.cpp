#include "base/file.hpp"

#include <gtest/gtest.h>

#include "base/mapped_file.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(dir_), {})); }
  fs::path dir_;
};

TEST_F(FileTest, CommitReplacesWhole) {
  const fs::path path = dir_ / "a.txt";
  ASSERT_TRUE(write_file(path, "old").ok());
  ASSERT_TRUE(write_file(path, "new").ok());
  EXPECT_EQ(*read_file(path), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, WithoutCommitNothingIsLeftAndTheOldFileStands) {
  const fs::path path = dir_ / "a.txt";
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
  ASSERT_TRUE(write_file(dir_ / "a", "12345").ok());
  EXPECT_FALSE(read_file(dir_ / "a", 4).ok());
  EXPECT_EQ(read_file(dir_ / "b").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(read_file(dir_).ok());
  EXPECT_FALSE(MappedFile::open(dir_).ok());
}

TEST_F(FileTest, MapsAndSurvivesDroppedPages) {
  ASSERT_TRUE(write_file(dir_ / "a", std::string(20000, 'x')).ok());
  ASSERT_TRUE(write_file(dir_ / "empty", "").ok());
  const auto file = *MappedFile::open(dir_ / "a");
  file->drop_pages(0, 1ull << 40);
  EXPECT_EQ(file->bytes().size(), 20000u);
  EXPECT_EQ(static_cast<char>(file->bytes()[19999]), 'x');
  EXPECT_TRUE((*MappedFile::open(dir_ / "empty"))->bytes().empty());
}

}  // namespace
}  // namespace linnet
