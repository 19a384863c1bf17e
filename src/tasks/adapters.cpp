#include "tasks/adapters.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/log.hpp"
#include "tasks/run_store.hpp"

namespace linnet {

namespace {

struct Choice {
  std::string path;
  float share = 1;
};

Result<Choice> read_choice(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || std::filesystem::exists(text)) return Choice{text};
  const std::string_view number = std::string_view(text).substr(equals + 1);
  Choice choice{text.substr(0, equals)};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), choice.share);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(choice.share)) {
    return usage_error("adapter " + text + ": the scale after = must be a number", "for example shop=0.5");
  }
  return choice;
}

// Where the adapter lies: `path`, or within the run of that name.
Result<std::filesystem::path> place_of(const std::string& path) {
  if (std::filesystem::exists(path)) return std::filesystem::path(path);
  TRY_ASSIGN(const std::optional<RunVersion> run, RunStore::standard().find(path));
  if (!run) return std::filesystem::path(path);
  if (run->is_faq() || run->is_classifier() || run->whole_model()) {
    return usage_error("the run " + path + " is no adapter", "name it as the model itself");
  }
  return run->folder / kAdapterFolder;
}

}  // namespace

Result<ChosenAdapter> choose_adapter(const std::string& text, const ModelDescription& model,
                                     std::span<const std::string> names) {
  TRY_ASSIGN(const Choice choice, read_choice(text));
  ChosenAdapter chosen{.text = text, .share = choice.share};
  TRY_ASSIGN(const std::filesystem::path place, place_of(choice.path));
  TRY_ASSIGN(chosen.adapter, open_adapter(place, model));
  if (const std::string doubt = doubt_about_base(chosen.adapter, model, names); !doubt.empty()) {
    log_warning("{}", doubt);
  }
  return chosen;
}

Result<std::vector<ChosenAdapter>> choose_adapters(std::span<const std::string> texts, const ModelDescription& model,
                                                   std::span<const std::string> names) {
  std::vector<ChosenAdapter> chosen;
  for (const std::string& text : texts) {
    TRY_ASSIGN(ChosenAdapter one, choose_adapter(text, model, names));
    chosen.push_back(std::move(one));
  }
  return chosen;
}

Status attach_all(Context& ctx, Transformer& model, std::span<const ChosenAdapter> adapters) {
  for (const ChosenAdapter& chosen : adapters) TRY(attach_adapter(ctx, model, chosen.adapter, chosen.share));
  return ok_status();
}

}  // namespace linnet
