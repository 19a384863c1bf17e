// linnet template: the prompt that a chat template makes of its variables.
#include <memory>

#include "base/file.hpp"
#include "base/json.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "text/chat_request.hpp"
#include "text/jinja/template.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::string vars;
  bool json = false;
};

Result<std::string> render_file(const std::string& path, const Json& variables) {
  TRY_ASSIGN(const std::string source, read_file(path));
  TRY_ASSIGN(const Template parsed, Template::parse(source, path));
  TRY_ASSIGN(Rendered rendered, parsed.render(variables));
  return std::move(rendered.text);
}

// The file's keys are all that the template sees; bos_token and its kin are the tokenizer's where the file has none.
Result<std::string> render_model(const std::string& name, Json variables) {
  TRY_ASSIGN(const FoundFiles found, find_files(name));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(found.files));
  TRY_ASSIGN(const ChatTemplate chat, load_chat_template(found.files, found.name(), tokenizer));
  ChatRequest request;
  const auto take = [&](const char* key, Json& into) {
    if (const auto it = variables.find(key); it != variables.end()) {
      into = *it;
      variables.erase(it);
    }
  };
  Json generation_prompt = false;
  take("messages", request.messages);
  take("tools", request.tools);
  take("documents", request.documents);
  take("add_generation_prompt", generation_prompt);
  if (!generation_prompt.is_boolean()) return usage_error("\"add_generation_prompt\" must be true or false");
  request.add_generation_prompt = generation_prompt.get<bool>();
  request.extra = std::move(variables);
  TRY_ASSIGN(Rendered rendered, chat.render(request));
  return std::move(rendered.text);
}

Status run(const Flags& flags) {
  TRY_ASSIGN(const Json variables, read_json_file(flags.vars == "-" ? "/dev/stdin" : flags.vars));
  TRY(JsonObject::of(variables, flags.vars));
  const bool is_file = flags.model.ends_with(".jinja") || flags.model.ends_with(".j2");
  TRY_ASSIGN(const std::string text,
             is_file ? render_file(flags.model, variables) : render_model(flags.model, variables));
  return flags.json ? print_json({{"text", text}}) : print(text);
}

}  // namespace

Job declare_template(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a model, or a FILE.jinja").required();
  args.add("--vars", flags->vars,
           "a JSON file whose keys are the template's variables: messages, tools, add_generation_prompt, ...; - "
           "for standard input")
      .required();
  args.flag("--json", flags->json, "{\"text\": the prompt}");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
