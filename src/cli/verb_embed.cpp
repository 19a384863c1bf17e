// linnet embed: texts as vectors, one JSON line each.
#include <memory>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/terminal.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "tasks/classifier.hpp"
#include "tasks/embedder.hpp"
#include "tasks/faq_assistant.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::vector<std::string> texts;
  std::string file;
  int threads = 0;
  bool truncate = false;
  bool json = false;  // there is no other form
};

Result<std::vector<std::string>> read_texts(const Flags& flags) {
  if (!flags.texts.empty() && !flags.file.empty()) return usage_error("give texts or --file, not both");
  if (!flags.texts.empty()) return flags.texts;
  if (flags.file.empty() && stdin_is_terminal())
    return usage_error("there is no text", "give some, or --file FILE with one a line");
  TRY_ASSIGN(const std::string all, flags.file.empty() || flags.file == "-" ? read_stdin() : read_file(flags.file));
  const std::vector<std::string_view> lines = lines_of(all);
  return std::vector<std::string>(lines.begin(), lines.end());
}

Status run(const Flags& flags) {
  TRY_ASSIGN(const std::vector<std::string> texts, read_texts(flags));
  interrupt_token();
  TRY_ASSIGN(ModelHandle model, find_model(flags.model));
  if (!model.faq.empty()) {
    TRY_ASSIGN(model, faq_encoder(model.faq));
  }
  if (!model.classifier.empty()) {
    TRY_ASSIGN(model, classifier_encoder(model.classifier));
  }
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  TRY_ASSIGN(const Embedder embedder, Embedder::load(std::move(model), *runtime));
  const TooLong too_long = flags.truncate ? TooLong::kCut : TooLong::kError;
  for (size_t i = 0; i < texts.size(); ++i) {
    TRY(interrupt_token().check());
    auto vector = embedder.embed({&texts[i], 1}, too_long);
    if (!vector.ok()) return std::move(vector).error().at("text " + std::to_string(i + 1));
    const std::span<const float> numbers = vector->span<float>();
    TRY(print_json({{"text", texts[i]}, {"embedding", std::vector<float>(numbers.begin(), numbers.end())}}));
  }
  return ok_status();
}

}  // namespace

Job declare_embed(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "an encoder such as MiniLM, or any other model").required();
  args.add("TEXT", flags->texts, "texts; without them, one a line from --file or standard input");
  args.add("--file", flags->file, "texts, one a line; - for standard input");
  args.add("--threads", flags->threads, "threads to compute with; 0: all cores").in_range(0, 1024);
  args.flag("--json", flags->json, "as without it: {\"text\", \"embedding\"} a line");
  args.flag("--truncate", flags->truncate, "ignore what a text has beyond the model's length");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
