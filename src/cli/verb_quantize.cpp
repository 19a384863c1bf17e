// linnet quantize: a model in fewer bits, as GGUF.
#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/table.hpp"
#include "cli/verb.hpp"
#include "export/quantise.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::string to = "Q4_K_M";
  std::string out;
  int threads = 0;
  bool again = false;
  bool json = false;
};

// Matrices of one kind that became the same: a line of the table.
struct Group {
  std::string kind;  // the name without its layer: "blk.*.attn_v.weight"
  const QuantisedTensor* first;
  int64_t count = 0;
  int64_t elements = 0;
  double worst = 0;
};

std::string kind_of(const std::string& name) {
  const size_t layer = name.find('.') + 1;
  const size_t end = name.find('.', layer);
  return name.starts_with("blk.") && end != std::string::npos ? "blk.*" + name.substr(end) : name;
}

std::vector<Group> group(const std::vector<QuantisedTensor>& tensors) {
  std::vector<Group> groups;
  for (const QuantisedTensor& t : tensors) {
    const std::string kind = kind_of(t.name);
    auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.kind == kind && g.first->to == t.to && g.first->from == t.from;
    });
    if (same == groups.end()) same = groups.insert(same, {kind, &t});
    ++same->count;
    same->elements += t.elements;
    same->worst = std::max(same->worst, t.error);
  }
  return groups;
}

std::string draw(const QuantiseReport& report) {
  std::vector<std::vector<std::string>> rows{{"tensor", "count", "from", "to", "bits", "error"}};
  bool narrow = false;
  for (const Group& g : group(report.tensors)) {
    const QuantFormat& to = *g.first->to;
    narrow |= g.first->wanted != nullptr;
    rows.push_back(
        {g.kind, std::to_string(g.count), std::string(g.first->from),
         std::string(to.name) + (g.first->wanted ? fmt::format(" (not {})", g.first->wanted->name) : ""),
         fmt::format("{:.2f}", 8.0 * static_cast<double>(to.block_bytes) / static_cast<double>(to.block_elements)),
         fmt::format("{:.2f}%", 100 * g.worst)});
  }
  std::string out = format_table(rows, {1, 4, 5});
  out += fmt::format("\n{} in all, {:.2f} bits per weight\n", format_bytes(report.bytes), report.bits_per_weight());
  out += "error: of the worst of these tensors, the root mean square of what was lost, over that of the numbers\n";
  if (narrow) out += "(not …): the rows are no multiple of 256, so a format of smaller blocks took the place\n";
  return out;
}

Json to_json(const QuantiseReport& report, const Flags& flags) {
  Json tensors = Json::array();
  for (const QuantisedTensor& t : report.tensors) {
    tensors.push_back({{"name", t.name},
                       {"from", t.from},
                       {"to", t.to->name},
                       {"wanted", t.wanted ? t.wanted->name : t.to->name},
                       {"elements", t.elements},
                       {"error", t.error}});
  }
  return {{"out", flags.out},
          {"bytes", report.bytes},
          {"bits_per_weight", report.bits_per_weight()},
          {"tensors", std::move(tensors)}};
}

std::string names_of_mixes() {
  std::string names;
  for (const QuantMix& mix : quant_mixes()) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

Status run(const Flags& flags) {
  const QuantMix* mix = find_quant_mix(flags.to);
  if (!mix) return usage_error("there is no quantisation " + flags.to, "one of " + names_of_mixes());
  if (!flags.out.ends_with(".gguf")) {
    return usage_error("--out must be a file that ends in .gguf, got " + flags.out);
  }
  TRY_ASSIGN(const ModelHandle model, find_model(flags.model));
  TRY(check_not_a_source(flags.out, source_files(model.description)));
  std::optional<Transformer> weights;
  std::optional<Tokenizer> tokenizer;
  if (!model.description.files.gguf) {
    TRY_ASSIGN(tokenizer, find_tokenizer(model));
    TRY_ASSIGN(weights, load_transformer(model.description));
  }
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  QuantiseReport report;
  {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    TRY_ASSIGN(report, quantise(model.description, weights ? &*weights : nullptr, tokenizer ? &*tokenizer : nullptr,
                                flags.out, {mix, flags.again}, runtime->context().pool(), interrupt_token(),
                                [&](const Progress& progress) { printer.update(progress); }));
  }
  for (const std::string& warning : report.warnings) log_warning("{}", warning);
  return flags.json ? print_json(to_json(report, flags))
                    : print(draw(report) +
                            fmt::format("wrote {}\nhow much worse it is: linnet eval {} --text FILE --against {}\n",
                                        flags.out, flags.model, flags.out));
}

}  // namespace

Job declare_quantize(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a name (linnet list), a path or a source").required();
  args.add("--to", flags->to, "the mix of formats (below)");
  args.add("--out", flags->out, "FILE.gguf").required();
  args.add("--threads", flags->threads, "0: every core").in_range(0, 1024);
  args.flag("--again", flags->again, "also a model that is quantised already: the errors add up");
  args.flag("--json", flags->json, "what became of each tensor, as JSON");
  args.notes(
      "Mixes: " + names_of_mixes() +
      ".\nEach block is what llama.cpp's encoder would write, bit for bit; the mixes are llama.cpp's, but for rows\n"
      "that are no multiple of 256.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
