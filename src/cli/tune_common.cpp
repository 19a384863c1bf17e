#include "cli/tune_common.hpp"

#include <fmt/core.h>

#include "base/json.hpp"

namespace linnet::cli {

Result<RunVersion> open_version(const RunStore& store, const TuneFlags& flags, const Json& info) {
  if (!flags.resume) return store.begin(flags.name, info);
  const std::vector<int64_t> numbers = store.numbers(flags.name);
  if (numbers.empty()) return not_found("there is no run " + flags.name + " to go on with", {}, "leave --resume out");
  TRY_ASSIGN(RunVersion version, store.version(flags.name, numbers.back()));
  if (version.finished()) {
    return usage_error(fmt::format("version {} of {} is finished", version.number, flags.name), "leave --resume out");
  }
  for (const auto& [key, value] : info.items()) {
    const auto before = version.info.find(key);
    if (before == version.info.end() || *before != value) {
      return usage_error(
          fmt::format("version {} of {} is another run: its {} is {}, not {}", version.number, flags.name, key,
                      before == version.info.end() ? "unknown" : dump_json(*before), dump_json(value)),
          "begin anew without --resume, or give the flags and the data that it began with");
    }
  }
  return version;
}

Json finished_json(Json info, const RunVersion& version) {
  info["name"] = version.name;
  info["version"] = version.number;
  info["folder"] = version.folder.string();
  return info;
}

void TuneScreen::show(const StepReport& step, std::optional<double> held_out) {
  // What a person sees is the mean of the last steps; one step's loss jumps.
  constexpr double kKeep = 0.9;
  const double loss = loss_ ? kKeep * *loss_ + (1 - kKeep) * step.loss : step.loss;
  loss_ = loss;
  Progress progress{.stage = "teaching",
                    .item = fmt::format("loss {:.3f}", loss),
                    .done = static_cast<uint64_t>(step.step + 1),
                    .total = static_cast<uint64_t>(steps_),
                    .unit = ProgressUnit::kCount};
  meter_.add(progress.done, RateMeter::Clock::now());
  meter_.fill(progress, RateMeter::Clock::now());
  printer_.update(progress);
  if (held_out) {
    printer_.note(fmt::format("step {}: loss {:.3f}, held out {:.3f}", step.step + 1, loss, *held_out));
  }
}

}  // namespace linnet::cli
