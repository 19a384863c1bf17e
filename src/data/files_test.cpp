#include "data/files.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "data/dataset.hpp"

namespace linnet {
namespace {

class FilesTest : public FolderTest {
 protected:
  std::string write(const std::string& name, std::string_view text) const {
    EXPECT_TRUE(write_file(folder_ / name, text).ok());
    return (folder_ / name).string();
  }
  std::string error_of(const std::vector<std::string>& files) const {
    const auto samples = read_samples(files);
    return samples.ok() ? "no error" : samples.error().to_string();
  }
};

TEST_F(FilesTest, AFoldersFilesSayWhatTheyAreFor) {
  write("train.csv", "question,answer\na,b\n");
  write("dev.csv", "question,answer\nc,d\n");
  write("test.csv", "question,answer,facts\ne,f,f\n");
  write("LICENSE", "free");
  write("other.csv", "x,y,z\n");
  const auto set = load_dataset({.paths = {folder_.string()}});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_EQ(set->train.size(), 1U);
  EXPECT_EQ(set->held_out.size(), 1U);
  EXPECT_EQ(set->test.size(), 1U);
  EXPECT_EQ(set->test_form, DataForm::kTestList);
  EXPECT_NE(set->said[0].find("LICENSE"), std::string::npos);
  EXPECT_NE(set->said[1].find("other.csv"), std::string::npos);
}

// What is called test is never taught, whatever the rest is called.
TEST_F(FilesTest, ATestBesideOtherFilesIsTheTest) {
  write("faq.csv", "question,answer\na,b\n");
  write("test.csv", "question,answer,facts\ne,f,f\n");
  const auto set = load_dataset({.paths = {folder_.string()}});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_EQ(set->train.size(), 1U);
  EXPECT_EQ(set->test.size(), 1U);
}

TEST_F(FilesTest, FilesThatDifferInTheirEndingAreLabelledByIt) {
  write("films.pos", "good\n\nfine \n");
  write("films.neg", "bad\n");
  write("README.txt", "about");
  const auto files = find_data_files(folder_.string());
  ASSERT_TRUE(files.ok());
  const auto samples = read_samples(files->train);
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  EXPECT_EQ(samples->form, DataForm::kLabels);
  ASSERT_EQ(samples->samples.size(), 3U);
  EXPECT_EQ(samples->samples[0].label, "neg");
  EXPECT_EQ(samples->samples[2].text, "fine");
  EXPECT_EQ(samples->samples[2].place, (folder_ / "films.pos").string() + ", line 3");
}

TEST_F(FilesTest, TextsAreOneSampleEach) {
  write("a.txt", "\xEF\xBB\xBFone");
  write("sub/b.md", "two");
  write(".hidden.txt", "three");
  const auto files = find_data_files(folder_.string());
  const auto samples = read_samples(files->train);
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  ASSERT_EQ(samples->samples.size(), 2U);
  EXPECT_EQ(samples->samples[0].text, "one");
}

TEST_F(FilesTest, BadFilesAreNamed) {
  EXPECT_NE(error_of({"/nowhere/faq.csv"}).find("/nowhere/faq.csv"), std::string::npos);
  EXPECT_NE(error_of({write("latin.csv", "question,answer\ngr\xFC\xDF,b\n")})
                .find("latin.csv, line 2: byte 0xFC is not UTF-8"),
            std::string::npos);
  EXPECT_NE(error_of({write("wide.csv", "\xFF\xFEq\0")}).find("UTF-16"), std::string::npos);
  EXPECT_NE(error_of({write("nul.txt", std::string_view("a\0b", 3))}).find("NUL"), std::string::npos);
  EXPECT_NE(error_of({write("empty.csv", "")}).find("there are no rows"), std::string::npos);
  EXPECT_NE(error_of({write("head.csv", "question,answer\n")}).find("there are no rows"), std::string::npos);
  EXPECT_NE(error_of({write("empty.txt", " \n")}).find("nothing in it to learn from"), std::string::npos);
  EXPECT_NE(error_of({write("old.xls", "x")}).find("save it as CSV"), std::string::npos);
  EXPECT_NE(error_of({write("q.csv", "question,answer\na,b\n"), write("t.txt", "text")}).find("one kind at a time"),
            std::string::npos);
  EXPECT_FALSE(find_data_files((folder_ / "none").string()).ok());
  std::filesystem::create_directories(folder_ / "void");
  EXPECT_NE(find_data_files((folder_ / "void").string()).error().message.find("no file"), std::string::npos);
}

TEST_F(FilesTest, ASheetIsOfASpreadsheet) {
  const std::string faq = LINNET_SOURCE_DIR "/tests/golden/data/faq.xlsx";
  EXPECT_TRUE(load_dataset({.paths = {faq}, .read = {.sheet = "FAQ"}}).ok());
  const auto other = load_dataset({.paths = {faq}, .read = {.sheet = "Questions"}});
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().to_string().find("there is no sheet \"Questions\"\n  the sheets are: Notes, FAQ, Other"),
            std::string::npos)
      << other.error().to_string();
  const auto table = load_dataset({.paths = {write("q.csv", "question,answer\na,b\n")}, .read = {.sheet = "FAQ"}});
  ASSERT_FALSE(table.ok());
  EXPECT_NE(table.error().message.find("q.csv is no spreadsheet"), std::string::npos);
}

TEST_F(FilesTest, ATestOfAnotherFormIsRefusedWhenAskedFor) {
  const std::string faq = write("faq.csv", "question,answer\na,b\n");
  const std::string labels = write("labels.csv", "text,label\na,b\n");
  const auto set = load_dataset({.paths = {faq}, .test = labels});
  ASSERT_FALSE(set.ok());
  EXPECT_NE(set.error().to_string().find("labelled texts cannot measure questions and answers"), std::string::npos);
}

}  // namespace
}  // namespace linnet
