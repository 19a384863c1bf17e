// Conversations as files hold them: OpenAI messages, ShareGPT, Open Assistant's trees.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "data/sample.hpp"

namespace linnet {

namespace {

constexpr int kMostTurns = 2000;

// The text of a content that is a list of parts, as the API allows it.
Result<Json> read_content(const Json& content, const std::string& place) {
  if (content.is_string()) return content;
  if (!content.is_array()) return invalid("\"content\" must be text or a list of parts", place);
  std::string text;
  for (const Json& part : content) {
    TRY_ASSIGN(const JsonObject object, JsonObject::of(part, place + ": content"));
    TRY_ASSIGN(const std::string type, object.string("type"));
    if (type != "text") {
      return unsupported(fmt::format("a part of the type \"{}\" cannot be learned from, only text", type), place);
    }
    TRY_ASSIGN(const std::string one, object.string("text"));
    text += one;
  }
  return Json(std::move(text));
}

// The API carries arguments as JSON in a string, templates take them as an object.
Result<Json> read_tool_calls(const Json& calls, const std::string& place) {
  if (!calls.is_array()) return invalid("\"tool_calls\" must be a list", place);
  Json out = calls;
  for (Json& call : out) {
    if (!call.is_object()) return invalid("a call in \"tool_calls\" must be an object", place);
    Json& function = call.contains("function") ? call["function"] : call;
    if (!function.is_object() || !function.contains("name") || !function["name"].is_string()) {
      return invalid("a call in \"tool_calls\" has no name of a function", place);
    }
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    TRY_ASSIGN(function["arguments"],
               parse_json(function["arguments"].get_ref<const std::string&>(), place + ": arguments of a tool call"));
  }
  return out;
}

Result<Json> read_message(const Json& message, const std::string& place) {
  static const std::set<std::string> roles = {"system", "developer", "user", "assistant", "tool", "function"};
  TRY_ASSIGN(const JsonObject object, JsonObject::of(message, place));
  TRY_ASSIGN(const std::string role, object.string("role"));
  if (!roles.contains(role)) {
    return invalid(fmt::format("\"role\" is \"{}\"", role), place, fmt::format("one of: {}", fmt::join(roles, ", ")));
  }
  Json out = message;
  const bool calls = object.has("tool_calls") && !message["tool_calls"].empty();
  if (!object.has("content") && !(role == "assistant" && calls)) {
    return invalid("field \"content\" is missing", place);
  }
  // Beside a call OpenAI writes null, which templates print as "None".
  TRY_ASSIGN(out["content"], read_content(object.has("content") ? message["content"] : Json(""), place));
  if (calls) {
    TRY_ASSIGN(out["tool_calls"], read_tool_calls(message["tool_calls"], place));
  } else {
    out.erase("tool_calls");
  }
  TRY(object.integer_or("weight", 1, 0, 1));
  return out;
}

Status check_length(const Json& list, const std::string& place) {
  if (!list.is_array() || list.empty()) return invalid("the conversation must be a list of messages", place);
  if (list.size() > kMostTurns) {
    return invalid(
        fmt::format("a conversation of {} messages, more than the {} that are read", list.size(), kMostTurns), place,
        "cut it in several");
  }
  return ok_status();
}

}  // namespace

Result<Json> read_messages(const Json& list, const std::string& place) {
  TRY(check_length(list, place));
  Json out = Json::array();
  for (size_t i = 0; i < list.size(); ++i) {
    TRY_ASSIGN(Json message, read_message(list[i], fmt::format("{}, messages[{}]", place, i)));
    out.push_back(std::move(message));
  }
  return out;
}

Result<Json> read_share_gpt(const Json& list, const std::string& place) {
  static const std::map<std::string, std::string> roles = {
      {"human", "user"},        {"user", "user"},     {"gpt", "assistant"},     {"assistant", "assistant"},
      {"model", "assistant"},   {"bot", "assistant"}, {"chatgpt", "assistant"}, {"bing", "assistant"},
      {"bard", "assistant"},    {"system", "system"}, {"tool", "tool"},         {"observation", "tool"},
      {"function_call", "call"}};
  TRY(check_length(list, place));
  Json out = Json::array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = fmt::format("{}, conversations[{}]", place, i);
    TRY_ASSIGN(const JsonObject object, JsonObject::of(list[i], where));
    TRY_ASSIGN(const std::string from, object.string("from"));
    TRY_ASSIGN(const std::string value, object.string("value"));
    const auto role = roles.find(from);
    if (role == roles.end()) {
      std::vector<std::string> known;
      known.reserve(roles.size());
      for (const auto& [name, as] : roles) known.push_back(name);
      return invalid(fmt::format("\"from\" is \"{}\"", from), where, fmt::format("one of: {}", fmt::join(known, ", ")));
    }
    Json message = Json::object();
    if (role->second == "call") {
      TRY_ASSIGN(Json function, parse_json(value, where));
      message = {{"role", "assistant"}, {"content", ""}};
      TRY_ASSIGN(message["tool_calls"],
                 read_tool_calls(Json::array({Json{{"type", "function"}, {"function", std::move(function)}}}), where));
    } else {
      message = {{"role", role->second}, {"content", value}};
    }
    if (list[i].contains("weight")) {
      TRY_ASSIGN(message["weight"], object.integer("weight", 0, 1));
    }
    out.push_back(std::move(message));
  }
  return out;
}

namespace {

class TreeReader {
 public:
  explicit TreeReader(const std::string& place) : place_(place) {}

  // `best`: of the replies to one message, this is the one to learn.
  Status walk(const Json& node, bool best) {
    TRY_ASSIGN(const JsonObject object, JsonObject::of(node, place_));
    TRY_ASSIGN(const std::string role, object.string("role"));
    TRY_ASSIGN(const std::string text, object.string("text"));
    const bool assistant = role == "assistant";
    if (!assistant && role != "prompter") return invalid(fmt::format("\"role\" is \"{}\"", role), place_);
    path_.push_back(
        {{"role", assistant ? "assistant" : "user"}, {"content", text}, {"weight", assistant && best ? 1 : 0}});
    const Json* replies = object.find("replies");
    if (replies != nullptr && !replies->is_array()) return invalid("\"replies\" must be a list", place_);
    const Json* chosen = nullptr;
    bool leaf = true;
    if (replies != nullptr) {
      TRY_ASSIGN(chosen, best_of(*replies));
      for (const Json& reply : *replies) {
        if (is_deleted(reply)) continue;
        leaf = false;
        TRY(walk(reply, &reply == chosen));
      }
    }
    if (leaf) TRY(take_path());
    path_.pop_back();
    return ok_status();
  }

  std::vector<Json> take() { return std::move(out_); }

 private:
  static bool is_deleted(const Json& node) {
    const auto at = node.is_object() ? node.find("deleted") : node.end();
    return at != node.end() && at->is_boolean() && at->get<bool>();
  }

  // The lowest rank is the best; the first, where none is ranked.
  Result<const Json*> best_of(const Json& replies) const {
    const Json* best = nullptr;
    int64_t best_rank = 0;
    for (const Json& reply : replies) {
      if (is_deleted(reply)) continue;
      TRY_ASSIGN(const JsonObject object, JsonObject::of(reply, place_));
      TRY_ASSIGN(const int64_t rank, object.integer_or("rank", 1'000'000, 0, 1'000'000));
      if (best == nullptr || rank < best_rank) {
        best = &reply;
        best_rank = rank;
      }
    }
    return best;
  }

  // A conversation ends with the last reply that is to be learned and that no conversation before it has.
  Status take_path() {
    size_t end = path_.size();
    while (end > 0 && path_[end - 1]["weight"] == 0) --end;
    if (end == 0) return ok_status();
    Json messages = Json::array();
    for (size_t i = 0; i < end; ++i) {
      Json message = path_[i];
      if (message["role"] == "user") message.erase("weight");
      messages.push_back(std::move(message));
      path_[i]["weight"] = 0;
      bytes_ += 64 + path_[i]["content"].get_ref<const std::string&>().size();
    }
    if (bytes_ > kMostTreeBytes) return invalid("the tree has too many long ways", place_, "cut it in several");
    out_.push_back(std::move(messages));
    return ok_status();
  }

  static constexpr uint64_t kMostTreeBytes = 64 << 20;

  const std::string& place_;
  std::vector<Json> path_;
  std::vector<Json> out_;
  uint64_t bytes_ = 0;
};

}  // namespace

Result<std::vector<Json>> read_tree(const Json& prompt, const std::string& place) {
  TreeReader reader(place);
  TRY(reader.walk(prompt, false));  // as deep as JSON may be nested
  return reader.take();
}

}  // namespace linnet
