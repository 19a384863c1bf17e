#include "tasks/conversation.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"

namespace linnet {
namespace {

using Role = ChatMessage::Role;

class ConversationFile : public FolderTest {};

Conversation three_turns() {
  Conversation talk;
  talk.set_system("Be \"brief\".\n");
  for (const char* text : {"one", "two", "three"}) {
    talk.add(Role::kUser, text);
    talk.add(Role::kAssistant, std::string(text) + "\x1b[31m ü");
  }
  return talk;
}

TEST(Conversation, DropsTheOldestTurns) {
  Conversation talk = three_turns();
  EXPECT_EQ(talk.turns(), 3);
  talk.drop_turns(1);
  EXPECT_EQ(talk.turns(), 2);
  EXPECT_EQ(talk.messages().front().content, "two");
  talk.add(Role::kUser, "four");
  talk.drop_turns(2);
  ASSERT_EQ(talk.messages().size(), 1U);
  EXPECT_EQ(talk.messages().front().content, "four");
  talk.drop_turns(100);
  EXPECT_TRUE(talk.empty());
  EXPECT_EQ(talk.system(), "Be \"brief\".\n");
}

TEST(Conversation, TakesOnlyTheRoleThatIsAskedFor) {
  Conversation talk = three_turns();
  EXPECT_FALSE(talk.take_last(Role::kUser).has_value());
  EXPECT_TRUE(talk.take_last(Role::kAssistant).has_value());
  EXPECT_EQ(talk.take_last(Role::kUser)->content, "three");
}

TEST_F(ConversationFile, ComesBackAsItWas) {
  const Conversation talk = three_turns();
  const auto path = folder_ / "talk.json";
  ASSERT_TRUE(save_conversation(talk, "bird", path).ok());
  ASSERT_TRUE(save_conversation(talk, "bird", path).ok()) << "a saved conversation may be replaced";
  const auto back = load_conversation(path);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->system(), talk.system());
  EXPECT_EQ(back->messages(), talk.messages());
}

TEST_F(ConversationFile, LeavesOtherFilesAlone) {
  const auto path = folder_ / "thesis.txt";
  for (const char* content : {"years of work", "{\"title\": 1}", "", "[1]"}) {
    ASSERT_TRUE(write_file(path, content).ok());
    const Status saved = save_conversation(three_turns(), "bird", path);
    ASSERT_FALSE(saved.ok()) << content;
    EXPECT_EQ(saved.error().code, ErrorCode::kConflict);
    EXPECT_EQ(*read_file(path), content);
  }
  EXPECT_FALSE(save_conversation(three_turns(), "bird", folder_).ok());
}

TEST(Conversation, ReadsWhatOthersWrite) {
  const Json messages = Json::parse(R"([{"role": "user", "content": [{"type": "text", "text": "a"},
                                        {"type": "text", "text": "b"}], "name": "Ann"}])");
  const auto talk = Conversation::from_json(messages, "test");
  ASSERT_TRUE(talk.ok());
  EXPECT_EQ(talk->messages().front().content, "ab");
}

TEST(Conversation, RefusesByPlace) {
  for (const char* wrong : {R"({})", R"([1])", R"([{"role": "user"}])", R"([{"role": "user", "content": 7}])",
                            R"([{"role": "tool", "content": "x"}])", R"([{"content": "x"}])",
                            R"([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}])",
                            R"([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}])",
                            R"([{"role": "assistant", "content": "x", "tool_calls": [1]}])"}) {
    const auto talk = Conversation::from_json(Json::parse(wrong), "file.json");
    ASSERT_FALSE(talk.ok()) << wrong;
    EXPECT_EQ(talk.error().place.find("file.json"), 0U) << talk.error().place;
  }
}

}  // namespace
}  // namespace linnet
