// linnet verify: hashes the files of models again and compares them with what was published.
#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/verb.hpp"
#include "tasks/run_store.hpp"

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
    TRY_ASSIGN(const std::optional<RunVersion> taught, RunStore::standard().find(name));
    if (taught) {
      return usage_error(name + " was taught here: nobody has published a hash of it",
                         taught->base().empty() || !taught->has_model()
                             ? "name a model that was pulled"
                             : "what it was taught from can be checked: linnet verify " + taught->base());
    }
    TRY_ASSIGN(StoredModel model, store.resolve(name));
    models.push_back(std::move(model));
  }
  return models;
}

std::string_view name_of(FileCheck::Against against) {
  return against == FileCheck::Against::kSha256 ? "SHA-256" : "git SHA-1";
}

struct Tally {
  size_t bad = 0;
  size_t good = 0;
  size_t unknown = 0;  // nothing says what they should be
};

// "hf:org/repo: all 3 files are as published (2 by SHA-256, 1 by git SHA-1)". What lay at a plain address nobody has
// published a hash of: it is compared with what was pulled.
std::string good_line(const StoredModel& model, const std::vector<FileCheck>& checks, const Tally& tally) {
  std::string hashes;
  for (const auto against : {FileCheck::Against::kSha256, FileCheck::Against::kGitSha1}) {
    const auto count = static_cast<size_t>(std::ranges::count_if(
        checks, [&](const FileCheck& check) { return check.against == against && check.problem.empty(); }));
    if (count == tally.good) {
      hashes = name_of(against);
    } else if (count > 0) {
      hashes += fmt::format("{}{} by {}", hashes.empty() ? "" : ", ", count, name_of(against));
    }
  }
  const char* all = tally.good > 1 && tally.good == checks.size() ? "all " : "";
  const char* when = model.manifest.source.starts_with("http") ? "pulled" : "published";
  return fmt::format("{}: {}{} {} as {} ({})\n", model.name, all, tally.good, tally.good == 1 ? "file is" : "files are",
                     when, hashes);
}

// Prints what was found about one model, and appends it to `list`.
Result<Tally> report(const StoredModel& model, const std::vector<FileCheck>& checks, bool json, Json& list) {
  Tally tally;
  Json files = Json::array();
  std::string lines;
  for (const FileCheck& check : checks) {
    const bool known = check.against != FileCheck::Against::kNothing;
    const bool good = check.problem.empty();
    ++(!good ? tally.bad : known ? tally.good : tally.unknown);
    files.push_back({{"name", check.name},
                     {"ok", !good   ? Json(false)
                            : known ? Json(true)
                                    : Json()},
                     {"against", known ? Json(std::string(name_of(check.against))) : Json()},
                     {"problem", good ? Json() : Json(check.problem)}});
    if (!good) {
      lines += fmt::format("{}: {} {}\n", model.name, check.name, check.problem);
    } else if (!known) {
      lines += fmt::format(
          "{}: {} was not checked: it is no link to a blob that is called by its hash, so nothing "
          "says what it should be\n",
          model.name, check.name);
    }
  }
  if (tally.good > 0) lines += good_line(model, checks, tally);
  if (!json) TRY(print(lines));
  list.push_back({{"name", model.name},
                  {"ok", tally.bad > 0       ? Json(false)
                         : tally.unknown > 0 ? Json()
                                             : Json(true)},
                  {"files", std::move(files)}});
  return tally;
}

Status run(const Flags& flags) {
  const Store store = Store::standard();
  TRY_ASSIGN(const std::vector<StoredModel> models, chosen_models(store, flags));
  auto printer = ProgressPrinter::for_stderr();
  Json list = Json::array();
  Tally all;
  for (const StoredModel& model : models) {
    const auto progress = [&](const Progress& now) { printer.update(now); };
    TRY_ASSIGN(const std::vector<FileCheck> checks, store.verify(model, &interrupt_token(), progress));
    printer.finish();
    TRY_ASSIGN(const Tally found, report(model, checks, flags.json, list));
    all.bad += found.bad;
    all.good += found.good;
    all.unknown += found.unknown;
  }
  if (flags.json) TRY(print_json(list));
  const std::string name = models.size() == 1 ? models[0].name : "MODEL";
  if (all.bad > 0) {
    return invalid(fmt::format("{} of the files are not as they were published", all.bad), {},
                   fmt::format("get them again with: linnet pull {} --update", name));
  }
  if (all.good == 0 && all.unknown > 0) {
    return unsupported("nothing could be checked: no hash of these files is known", {},
                       fmt::format("get them with their hashes: linnet pull {} --update", name));
  }
  return ok_status();
}

}  // namespace

Job declare_verify(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->models, "names as linnet list shows them; without any, all models that are here");
  args.flag("--json", flags->json, "a JSON list instead of text");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
