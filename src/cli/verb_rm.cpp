// linnet rm: deletes models of the store.
#include <fmt/core.h>
#include <memory>

#include "base/json.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/verb.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::vector<std::string> models;
  bool json = false;
};

Status run(const Flags& flags) {
  const Store store = Store::standard();
  // All names are looked up before the first is deleted.
  std::vector<StoredModel> models;
  for (const std::string& name : flags.models) {
    TRY_ASSIGN(StoredModel model, store.resolve(name));
    models.push_back(std::move(model));
  }
  Json list = Json::array();
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
