// linnet list: the models that are here, or those that can be pulled by a short name.
#include <fmt/core.h>
#include <memory>
#include <set>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/table.hpp"
#include "cli/verb.hpp"
#include "hub/catalog.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  bool all = false;
  bool json = false;
};

Status list_models(const Flags& flags, const std::vector<StoredModel>& models, const std::vector<RunVersion>& runs) {
  if (flags.json) {
    Json list = Json::array();
    for (const RunVersion& run : runs) list.push_back(run_to_json(run));
    for (const StoredModel& model : models) list.push_back(model_to_json(model));
    return print_json(list);
  }
  if (models.empty() && runs.empty()) return print("There is no model here yet. Get one with: linnet pull smollm2\n");
  std::vector<std::vector<std::string>> rows = {{"NAME", "SIZE", "SINCE", "SOURCE"}};
  for (const RunVersion& run : runs) {
    rows.push_back({run.name, format_bytes(run.bytes()), run.created().substr(0, 10),
                    run.base().empty() ? fmt::format("trained from nothing, version {}", run.number)
                                       : fmt::format("taught from {}, version {}", run.base(), run.number)});
  }
  for (const StoredModel& model : models) {
    const std::string note = origin_note(model);
    rows.push_back({model.short_name.empty() ? model.name : model.short_name, format_bytes(model.bytes),
                    model.manifest.pulled.substr(0, 10), note.empty() ? model.name : model.name + "  (" + note + ")"});
  }
  return print(format_table(rows, {1}));
}

// "134.5M", "7.2B".
std::string format_parameters(uint64_t count) {
  const auto number = static_cast<double>(count);
  return number < 1e9 ? fmt::format("{:.0f}M", number / 1e6) : fmt::format("{:.1f}B", number / 1e9);
}

Status list_catalog(const Flags& flags, const std::vector<StoredModel>& models) {
  std::set<std::string> here;
  for (const StoredModel& model : models) here.insert(model.short_name);
  const uint64_t available = memory_info().available;
  if (flags.json) {
    Json list = Json::array();
    for (const CatalogEntry& entry : catalog()) {
      list.push_back({{"name", entry.name},
                      {"source", entry.source},
                      {"parameters", entry.parameters},
                      {"bytes", entry.bytes},
                      {"memory", entry.memory},
                      {"fits", entry.memory <= available},
                      {"license", entry.license},
                      {"gated", entry.gated},
                      {"chat", entry.chat},
                      {"here", here.contains(entry.name)},
                      {"description", entry.description}});
    }
    return print_json(list);
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "PARAMS", "SIZE", "MEMORY", "HERE", "LICENCE", ""}};
  for (const CatalogEntry& entry : catalog()) {
    std::string remark = entry.description;
    if (entry.gated) remark += " (gated: accept its terms on the hub first)";
    if (entry.memory > available) remark += " (more than the " + format_bytes(available) + " free here)";
    rows.push_back({entry.name, format_parameters(entry.parameters), format_bytes(entry.bytes),
                    format_bytes(entry.memory), here.contains(entry.name) ? "yes" : "", entry.license, remark});
  }
  TRY(print(format_table(rows, {1, 2, 3})));
  return print("Get one with: linnet pull NAME\n");
}

Status run(const Flags& flags) {
  std::vector<Error> problems;
  const std::vector<StoredModel> models = Store::standard().list(&problems);
  const std::vector<RunVersion> runs = RunStore::standard().list(&problems);
  for (const Error& problem : problems) log_warning("{}", problem.to_string());
  return flags.all ? list_catalog(flags, models) : list_models(flags, models, runs);
}

}  // namespace

Job declare_list(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.flag("--all", flags->all, "the models that can be pulled by a short name");
  args.flag("--json", flags->json, "a JSON list instead of text");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
