#include "tasks/run_store.hpp"

#include <fstream>

#include "base/folder_testing.hpp"

namespace linnet {
namespace {

class RunStoreTest : public FolderTest {
 protected:
  RunStore store_{folder_ / "runs"};
};

TEST_F(RunStoreTest, AVersionIsFoundOnceItIsTheCurrentOne) {
  EXPECT_FALSE(store_.find("shop")->has_value());
  const RunVersion first = *store_.begin("shop", {{"base", "smollm2"}});
  EXPECT_EQ(first.number, 1);
  EXPECT_FALSE(store_.find("shop")->has_value());
  EXPECT_TRUE(store_.names().empty());
  ASSERT_TRUE(store_.set_current(first).ok());
  const RunVersion second = *store_.begin("shop", {{"base", "smollm2"}, {"rank", 8}});
  EXPECT_EQ((*store_.find("shop"))->number, 1);
  ASSERT_TRUE(store_.set_current(second).ok());
  EXPECT_EQ((*store_.find("shop"))->number, 2);
  EXPECT_EQ((*store_.find("shop"))->info["rank"], 8);
  ASSERT_TRUE(store_.set_current(*store_.version("shop", 1)).ok());  // back again
  EXPECT_EQ((*store_.find("shop"))->number, 1);
  EXPECT_EQ(store_.numbers("shop"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(store_.names(), std::vector<std::string>{"shop"});
  ASSERT_TRUE(store_.remove("shop").ok());
  EXPECT_FALSE(store_.find("shop")->has_value());
  EXPECT_FALSE(store_.remove("shop").ok());
}

TEST_F(RunStoreTest, OnlyAnUnfinishedRunOfTheSameChoicesGoesOn) {
  const Json info = {{"kind", "model"}, {"steps", 10}};
  EXPECT_FALSE(store_.open("book", info, true).ok());  // there is none
  RunVersion first = *store_.open("book", info, false);
  EXPECT_TRUE(first.whole_model());
  const auto taught = store_.open("book", info, true);
  ASSERT_FALSE(taught.ok());  // in another process, or in this one
  EXPECT_NE(taught.error().to_string().find("being taught by another process"), std::string::npos);
  first.taught_here = nullptr;
  EXPECT_EQ((*store_.open("book", info, true)).number, 1);
  const auto other = store_.open("book", {{"kind", "model"}, {"steps", 20}}, true);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().to_string().find("its steps is 10, not 20"), std::string::npos);
  std::filesystem::create_directory(first.folder / kModelFolder);
  EXPECT_TRUE(first.finished());
  // Its process ended before it was made current: it is now, and another is not gone on with.
  EXPECT_FALSE(store_.find("book")->has_value());
  EXPECT_NE(store_.open("book", info, true).error().to_string().find("is what its name means now"), std::string::npos);
  EXPECT_EQ((*store_.find("book"))->number, 1);
  EXPECT_NE(store_.open("book", info, true).error().to_string().find("is finished"), std::string::npos);
  EXPECT_EQ((*store_.find("book"))->base(), "");  // a whole model has none
  EXPECT_EQ((*store_.open("book", info, false)).number, 2);
}

TEST_F(RunStoreTest, NamesStayInTheStore) {
  for (const char* name : {"", ".", "..", "a/b", "/etc", "Shop", "-x", "x-", "hf:org", "a b"}) {
    EXPECT_FALSE(RunStore::check_name(name).ok()) << name;
    EXPECT_FALSE(store_.begin(name, {{"base", "b"}}).ok()) << name;
    EXPECT_FALSE(store_.find(name)->has_value()) << name;
  }
  for (const char* name : {"shop", "faq-2", "a.b_c", "7"}) EXPECT_TRUE(RunStore::check_name(name).ok()) << name;
}

TEST_F(RunStoreTest, ARunThatBeginsDoesNotTakeAModelsName) {
  const Status hidden = RunStore::check_new_name("smollm2");
  ASSERT_FALSE(hidden.ok());
  EXPECT_NE(hidden.error().to_string().find("--name my-smollm2"), std::string::npos) << hidden.error().to_string();
  EXPECT_TRUE(RunStore::check_name("smollm2").ok());  // of one that is there, which can be removed
  EXPECT_TRUE(RunStore::check_new_name("my-smollm2").ok());
  EXPECT_FALSE(RunStore::check_new_name("Shop").ok());
}

TEST_F(RunStoreTest, DamageIsNamed) {
  const RunVersion run = *store_.begin("shop", {{"base", "smollm2"}});
  std::ofstream(folder_ / "runs/shop/current") << "x\n";
  EXPECT_FALSE(store_.find("shop").ok());
  std::ofstream(folder_ / "runs/shop/current") << "1\n";
  std::ofstream(run.folder / "run.json") << "{}";
  EXPECT_FALSE(store_.find("shop").ok());
  std::ofstream(run.folder / "run.json") << "{";
  EXPECT_FALSE(store_.find("shop").ok());
  std::ofstream(folder_ / "runs/shop/current") << "9\n";
  EXPECT_FALSE(store_.find("shop").ok());
}

}  // namespace
}  // namespace linnet
