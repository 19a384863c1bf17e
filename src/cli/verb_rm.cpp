// linnet rm: deletes models of the store.
#include <fmt/core.h>
#include <memory>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/verb.hpp"
#include "hub/catalog.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::vector<std::string> models;
  bool json = false;
};

Status run(const Flags& flags) {
  const Store store = Store::standard();
  const RunStore run_store = RunStore::standard();
  // All names are looked up before the first is deleted.
  std::vector<StoredModel> models;
  std::vector<RunVersion> runs;
  for (const std::string& name : flags.models) {
    if (const std::vector<int64_t> versions = run_store.numbers(name); !versions.empty()) {
      TRY_ASSIGN(std::optional<RunVersion> run, run_store.find(name));
      if (!run) {  // never finished
        TRY_ASSIGN(run, run_store.version(name, versions.back()));
      }
      runs.push_back(*run);
      continue;
    }
    auto model = store.resolve(name);
    if (!model.ok() && model.error().code == ErrorCode::kNotFound && find_in_catalog(name)) {
      return not_found("is not on this machine", name, "linnet list shows the models that are here");
    }
    if (!model.ok()) return std::move(model).error();
    models.push_back(*std::move(model));
  }
  Json list = Json::array();
  for (const RunVersion& run : runs) {
    list.push_back(run_to_json(run));
    const size_t versions = run_store.numbers(run.name).size();
    TRY(run_store.remove(run.name));
    if (!flags.json) TRY(print(fmt::format("removed {}, {}\n", run.name, counted(versions, "version"))));
  }
  for (const StoredModel& model : models) {
    TRY(store.remove(model));
    list.push_back(model_to_json(model));
    if (!flags.json) TRY(print(fmt::format("removed {}, {}\n", model.name, format_bytes(model.bytes))));
  }
  return flags.json ? print_json(list) : ok_status();
}

}  // namespace

Job declare_rm(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->models, "names as linnet list shows them").required();
  args.flag("--json", flags->json, "a JSON list of what was removed");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
