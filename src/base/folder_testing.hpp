// For tests: a folder of its own for each, empty at its start and gone at its end.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <string>

namespace linnet {

class FolderTest : public testing::Test {
 public:
  FolderTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FolderTest() override {
    std::error_code ignored;  // what a test leaves behind fails no other
    std::filesystem::remove_all(folder_, ignored);
  }

 protected:
  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / name();

 private:
  // Programs run side by side, and two may have a test of the same name.
  static std::string name() {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    std::string text = std::string("linnet_") + test.test_suite_name() + "_" + test.name();
    for (char& c : text) c = c == '/' ? '_' : c;
    return text;
  }
};

}  // namespace linnet
