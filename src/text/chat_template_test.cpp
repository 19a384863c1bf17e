#include "text/chat_template.hpp"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "text/chat_request.hpp"

namespace linnet {
namespace {

std::string recordings() {
  const char* fresh = std::getenv("LINNET_GOLDEN_TEMPLATES");
  return fresh ? fresh : LINNET_SOURCE_DIR "/tests/golden/templates";
}

std::string shared_templates() {
  const char* shared = std::getenv("LINNET_SHARED");
  return std::string(shared ? shared : LINNET_SOURCE_DIR "/../shared") + "/data/chat_templates";
}

RenderOptions recorded_options() {
  RenderOptions options;
  std::tm now{};
  now.tm_year = 126;
  now.tm_mon = 2;
  now.tm_mday = 7;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 3;
  now.tm_wday = 6;
  now.tm_yday = 65;
  options.now = now;
  return options;
}

ChatRequest request_of(const Json& file, const std::string& name) {
  const Json& recorded = file["requests"][name];
  ChatRequest request;
  request.messages = file["conversations"][recorded["messages"].get<std::string>()];
  if (recorded.contains("tools")) request.tools = file["tools"];
  if (recorded.contains("documents")) request.documents = file["documents"];
  if (recorded.contains("add_generation_prompt")) request.add_generation_prompt = true;
  if (recorded.contains("continue_final_message")) {
    request.continue_final_message = recorded["continue_final_message"].get<std::string>();
  }
  if (recorded.contains("extra")) request.extra = recorded["extra"];
  return request;
}

// What a case [template, request, text, spans] or [template, request, null, class, message] should give and gives
// instead; empty when they agree.
std::string difference(const Json& one, const Result<Rendered>& got) {
  const std::string where = one[0].get<std::string>() + " / " + one[1].get<std::string>();
  if (one[2].is_null()) {
    if (got.ok()) return fmt::format("{}: want error {}\n  got {}", where, one[4].get<std::string>(), got->text);
    const auto kind = one[3].get<std::string>();
    const bool words = kind == "UndefinedError" || kind == "TemplateError";
    const bool same = got.error().message.find(one[4].get<std::string>()) != std::string::npos;
    return words && !same
               ? fmt::format("{}: want {}\n  got {}", where, one[4].get<std::string>(), got.error().to_string())
               : "";
  }
  if (!got.ok()) return fmt::format("{}: {}", where, got.error().to_string());
  const auto want = one[2].get<std::string>();
  if (got->text != want) return fmt::format("{}: want\n{}\n  got\n{}", where, want, got->text);
  Json spans = Json::array();
  for (const RenderedSpan& span : got->generation) spans.push_back({span.begin, span.end});
  return spans == one[3] ? "" : fmt::format("{}: spans {} want {}", where, dump_json(spans), dump_json(one[3]));
}

// Replays the recordings of the templates that lie in `folder`; counts them.
size_t replay(const std::string& recording, const std::string& folder) {
  const auto file = read_json_file(recordings() + "/" + recording);
  EXPECT_TRUE(file.ok()) << file.error().to_string();
  std::map<std::string, std::string> tokens;
  for (const auto& [key, value] : (*file)["tokens"].items()) tokens[key] = value.get<std::string>();
  std::map<std::string, ChatTemplate> templates;
  for (const auto& entry : (*file)["templates"].items()) {
    const std::string& name = entry.key();
    const auto source = read_file(folder + "/" + name, 1 << 20);
    EXPECT_TRUE(source.ok()) << source.error().to_string();
    auto parsed = ChatTemplate::parse(Json(*source), name, tokens);
    EXPECT_TRUE(parsed.ok()) << parsed.error().to_string();
    if (parsed.ok()) templates.emplace(name, std::move(*parsed));
  }
  const RenderOptions options = recorded_options();
  size_t count = 0;
  for (const Json& one : (*file)["cases"]) {
    const auto at = templates.find(one[0].get<std::string>());
    if (at == templates.end()) continue;
    ++count;
    const auto got = at->second.render(request_of(*file, one[1].get<std::string>()), options);
    const std::string wrong = difference(one, got);
    EXPECT_TRUE(wrong.empty()) << wrong;
  }
  return count;
}

TEST(ChatTemplate, EqualsTransformersOnOurTemplates) {
  EXPECT_GT(replay("chats.json", LINNET_SOURCE_DIR "/tests/golden/templates"), 800U);
}

TEST(ChatTemplate, EqualsTransformersOnSharedTemplates) {
  if (!std::filesystem::exists(shared_templates())) GTEST_SKIP() << "../shared absent";
  EXPECT_GT(replay("shared_chats.json", shared_templates()), 300U);
}

TEST(ChatTemplate, AWrongRecordingIsNoticed) {
  const auto parsed = ChatTemplate::parse("{{ messages[0].content }}", "t");
  ChatRequest request;
  request.messages = Json::parse(R"([{"role":"user","content":"x"}])");
  EXPECT_EQ(difference(Json::parse(R"(["t", "r", "x", []])"), parsed->render(request)), "");
  EXPECT_NE(difference(Json::parse(R"(["t", "r", "y", []])"), parsed->render(request)), "");
  EXPECT_NE(difference(Json::parse(R"(["t", "r", "x", [[0, 1]]])"), parsed->render(request)), "");
  EXPECT_NE(difference(Json::parse(R"(["t", "r", null, "TypeError", ""])"), parsed->render(request)), "");
}

TEST(ChatTemplate, ChoosesAmongNamedTemplates) {
  const Json list = Json::parse(R"([{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"},
                                    {"name": "rag", "template": "{{ documents | length }}"}])");
  const auto parsed = ChatTemplate::parse(list, "m");
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  ChatRequest request;
  EXPECT_EQ(parsed->render(request)->text, "plain");
  request.tools = Json::array();
  EXPECT_EQ(parsed->render(request)->text, "tools");
  request.template_name = "rag";
  request.documents = Json::parse("[{}, {}]");
  EXPECT_EQ(parsed->render(request)->text, "2");
  request.template_name = "poems";
  const auto none = parsed->render(request);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message, "there is no chat template named \"poems\"");
  EXPECT_EQ(none.error().hint, "choose one of: default, rag, tool_use");
}

TEST(ChatTemplate, RefusesWhatIsNoTemplateOrNoRequest) {
  EXPECT_FALSE(ChatTemplate::parse(Json(5), "m").ok());
  EXPECT_FALSE(ChatTemplate::parse(Json::array(), "m").ok());
  EXPECT_FALSE(ChatTemplate::parse(Json::parse(R"([{"name": "default"}])"), "m").ok());
  EXPECT_FALSE(ChatTemplate::parse("{% if %}", "m").ok());
  const auto parsed = ChatTemplate::parse("{{ messages }}", "m");
  ChatRequest request;
  request.messages = Json::parse(R"(["hello"])");
  EXPECT_EQ(parsed->render(request).error().message, "messages[0] must be an object, got string");
  request.messages = Json::object();
  EXPECT_FALSE(parsed->render(request).ok());
  request.messages = Json::array();
  request.tools = Json("x");
  EXPECT_FALSE(parsed->render(request).ok());
  request.tools = Json();
  request.add_generation_prompt = true;
  request.continue_final_message = "content";
  EXPECT_FALSE(parsed->render(request).ok());
}

TEST(ChatTemplate, SaysWhatTheTemplateRefuses) {
  const auto parsed = ChatTemplate::parse("a\n{{ raise_exception('no system, please') }}", "model.gguf");
  const auto got = parsed->render(ChatRequest());
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().place, "model.gguf:2");
  EXPECT_EQ(got.error().message, "the template refuses these messages: no system, please");
}

}  // namespace
}  // namespace linnet
