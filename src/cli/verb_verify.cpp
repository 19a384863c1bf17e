// linnet verify: hashes the files of models again and compares them with what was published.
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/verb.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::vector<std::string> models;
  bool json = false;
};

Result<std::vector<StoredModel>> chosen_models(const Store& store, const Flags& flags) {
  if (flags.models.empty()) return store.list();
  std::vector<StoredModel> models;
  for (const std::string& name : flags.models) {
    TRY_ASSIGN(StoredModel model, store.resolve(name));
    models.push_back(std::move(model));
  }
  return models;
}

// Prints what was found about one model; gives back how many of its files are bad.
Result<size_t> report(const StoredModel& model, const std::vector<FileCheck>& checks, bool json, Json& list) {
  size_t bad = 0;
  Json files = Json::array();
  for (const FileCheck& check : checks) {
    const bool good = check.problem.empty();
    bad += good ? 0 : 1;
    files.push_back({{"name", check.name}, {"ok", good}, {"problem", good ? Json() : Json(check.problem)}});
    if (!json && !good) TRY(print(fmt::format("{}: {} {}\n", model.name, check.name, check.problem)));
  }
  if (!json && bad == 0) TRY(print(fmt::format("{}: all {} files are as published\n", model.name, checks.size())));
  list.push_back({{"name", model.name}, {"ok", bad == 0}, {"files", std::move(files)}});
  return bad;
}

Status run(const Flags& flags) {
  const Store store = Store::standard();
  TRY_ASSIGN(const std::vector<StoredModel> models, chosen_models(store, flags));
  auto printer = ProgressPrinter::for_stderr();
  Json list = Json::array();
  size_t bad = 0;
  for (const StoredModel& model : models) {
    const auto progress = [&](const Progress& now) { printer.update(now); };
    TRY_ASSIGN(const std::vector<FileCheck> checks, store.verify(model, &interrupt_token(), progress));
    printer.finish();
    TRY_ASSIGN(const size_t found, report(model, checks, flags.json, list));
    bad += found;
  }
  if (flags.json) TRY(print_json(list));
  if (bad == 0) return ok_status();
  return invalid(fmt::format("{} of the files are not as they were published", bad), {},
                 "get them again with: linnet pull MODEL --update");
}

}  // namespace

Job declare_verify(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->models, "names as linnet list shows them; without any, all models that are here");
  args.flag("--json", flags->json, "a JSON list instead of text");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
