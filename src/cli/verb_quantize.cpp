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
#include "cli/text_measure.hpp"
#include "cli/verb.hpp"
#include "export/quantise.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

constexpr const char* kDefaultMix = "Q4_K_M";

struct Flags {
  std::string model;
  std::string to;
  double bits = 0;
  std::string out;
  std::string calibrate;
  int64_t calibrate_tokens = 0;
  std::string measure;
  int64_t measure_tokens = 0;
  int64_t window = 0;  // these two as window_for() takes them
  int64_t stride = 0;
  int threads = 0;
  bool search = false;
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
  std::optional<double> worst_output = {};
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
    if (t.output_error) same->worst_output = std::max(same->worst_output.value_or(0), *t.output_error);
  }
  return groups;
}

std::string names_of_mixes() {
  std::string names;
  for (const QuantMix& mix : quant_mixes()) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

// A text for --calibrate or --measure, as the model's tokenizer cuts it.
struct TextOfModel {
  std::string path;  // empty: none was asked for
  TextTokens text = {};
  TextWindow window = {};
};

std::string draw_tensors(const QuantiseReport& report, bool calibrated) {
  std::vector<std::vector<std::string>> rows{{"tensor", "count", "from", "to", "bits", "error"}};
  if (calibrated) rows[0].emplace_back("in outputs");
  bool narrow = false;
  for (const Group& g : group(report.tensors)) {
    const QuantFormat& to = *g.first->to;
    narrow |= g.first->wanted != nullptr;
    rows.push_back(
        {g.kind, std::to_string(g.count), std::string(g.first->from),
         std::string(to.name) + (g.first->wanted ? fmt::format(" (not {})", g.first->wanted->name) : ""),
         fmt::format("{:.2f}", 8.0 * static_cast<double>(to.block_bytes) / static_cast<double>(to.block_elements)),
         fmt::format("{:.2f}%", 100 * g.worst)});
    if (calibrated) rows.back().push_back(g.worst_output ? fmt::format("{:.2f}%", 100 * *g.worst_output) : "");
  }
  std::string out = format_table(rows, {1, 4, 5, 6});
  out += fmt::format("\n{} in all, {:.2f} bits per weight\n", format_bytes(report.bytes), report.bits_per_weight());
  out += "error: of the worst of these tensors, the root mean square of what was lost, over that of the numbers\n";
  if (calibrated) {
    out += "in outputs: the same with each column counted by the activations that it is multiplied with\n";
  }
  if (narrow) out += "(not …): the rows are no multiple of 256, so a format of smaller blocks took the place\n";
  return out;
}

std::string draw(const QuantiseReport& report, const Flags& flags, const TextOfModel& calibrated,
                 const std::optional<TextMeasure>& measured) {
  std::string out = draw_tensors(report, !calibrated.path.empty());
  if (!calibrated.path.empty()) {
    out += fmt::format("calibrated on {} tokens of {}, {}\n", calibrated.text.tokens.size(), calibrated.path,
                       describe_windows(calibrated.window));
  }
  if (measured) return out + "\n" + draw(*measured) + "wrote " + flags.out + "\n";
  return out + fmt::format("wrote {}\nhow much worse it is: linnet eval {} --text FILE --against {}\n", flags.out,
                           flags.model, flags.out);
}

Json to_json(const QuantiseReport& report, const Flags& flags, const TextOfModel& calibrated,
             const std::optional<TextMeasure>& measured) {
  Json tensors = Json::array();
  for (const QuantisedTensor& t : report.tensors) {
    tensors.push_back({{"name", t.name},
                       {"from", t.from},
                       {"to", t.to->name},
                       {"wanted", t.wanted ? t.wanted->name : t.to->name},
                       {"elements", t.elements},
                       {"error", t.error}});
    if (t.output_error) tensors.back()["output_error"] = *t.output_error;
  }
  Json json{{"out", flags.out},
            {"bytes", report.bytes},
            {"bits_per_weight", report.bits_per_weight()},
            {"tensors", std::move(tensors)}};
  if (!calibrated.path.empty()) {
    json["calibration"] = {{"text", calibrated.path},
                           {"tokens", calibrated.text.tokens.size()},
                           {"window", calibrated.window.window},
                           {"stride", calibrated.window.stride},
                           {"bos", calibrated.text.bos != kNoToken}};
  }
  if (measured) json["measure"] = to_json(*measured);
  return json;
}

Result<TextOfModel> read_for(const ModelHandle& model, const std::string& path, int64_t tokens, size_t fewest,
                             int64_t window, int64_t stride) {
  TextOfModel out{.path = path};
  if (path.empty()) return out;
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY_ASSIGN(const std::string words, read_text(path));
  TRY_ASSIGN(out.text, cut_text(words, tokenizer, tokens, true));
  if (out.text.tokens.size() < fewest) return invalid("has too little text", path, "give it some pages");
  out.window = window_for(window, stride, out.text.bos, model.config().max_positions);
  return out;
}

Result<Importance> calibrate(const ModelHandle& model, Runtime& runtime, const TextOfModel& text) {
  TRY_ASSIGN(const Transformer transformer, load_weights(model, runtime, text.window.window + 1));
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  return measure_importance(transformer, runtime.context(), text.text.tokens, {text.window.window, text.window.bos},
                            interrupt_token(), token_progress(printer, "calibrating"));
}

// How far the file that was written is from the model.
Result<TextMeasure> measure(const ModelHandle& model, Runtime& runtime, const Flags& flags, const TextOfModel& text) {
  TRY_ASSIGN(const ModelHandle written, find_model(flags.out));
  const KernelTable& kernels = runtime.context().kernels();
  TRY_ASSIGN(const DType kv, choose_kv_dtype("", model.description, kernels));
  TRY_ASSIGN(const DType written_kv, choose_kv_dtype("", written.description, kernels));
  TRY_ASSIGN(const Transformer before, load_weights(model, runtime, text.window.window + 1));
  TRY_ASSIGN(const Transformer after, load_weights(written, runtime, text.window.window + 1));
  TextMeasure out{
      .model = model.name(), .other = written.name(), .window = text.window, .bytes = text.text.bytes, .result = {}};
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  TRY_ASSIGN(out.result, score_text({&before, kv}, {&after, written_kv}, runtime.context(), text.text.tokens,
                                    text.window, interrupt_token(), token_progress(printer, "measuring")));
  return out;
}

Result<QuantiseReport> write(const ModelHandle& model, Runtime& runtime, const Flags& flags,
                             const QuantiseOptions& options) {
  std::optional<Transformer> weights;
  std::optional<Tokenizer> tokenizer;
  if (!model.description.files.gguf) {
    TRY_ASSIGN(tokenizer, find_tokenizer(model));
    TRY_ASSIGN(weights, load_transformer(model.description));
  }
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  return quantise(model.description, weights ? &*weights : nullptr, tokenizer ? &*tokenizer : nullptr, flags.out,
                  options, runtime.context().pool(), interrupt_token(),
                  [&](const Progress& progress) { printer.update(progress); });
}

/// The mix that --to asks for; none where --bits looks for one.
Result<const QuantMix*> mix_of(const Flags& flags) {
  if (flags.bits > 0) {
    if (flags.to.empty()) return nullptr;
    return usage_error("--to names a mix of formats, --bits looks for one", "leave one of them out");
  }
  const QuantMix* mix = find_quant_mix(flags.to.empty() ? kDefaultMix : flags.to);
  if (!mix) return usage_error("there is no quantisation " + flags.to, "one of " + names_of_mixes());
  return mix;
}

Status check_files(const Flags& flags) {
  if (!flags.out.ends_with(".gguf")) {
    return usage_error("--out must be a file that ends in .gguf, got " + flags.out);
  }
  if (flags.calibrate == "-" && flags.measure == "-") {
    return usage_error("standard input can be --calibrate's or --measure's text, not both");
  }
  return ok_status();
}

Status check_model(const ModelHandle& model, const Flags& flags) {
  if (!model.classifier.empty()) {
    return unsupported("is a classifier, whose head a GGUF file does not hold", model.name(),
                       "quantise the encoder that it was taught from");
  }
  if (!model.faq.empty()) {
    return unsupported("is a list of questions, whose answers a GGUF file does not hold", model.name(),
                       "it runs on models that are quantised already");
  }
  if (!model.adapters.empty()) {
    return usage_error(model.name() + " is a run: what it learned would be left behind",
                       fmt::format("fold it in first: linnet export {} --merge --out FOLDER", model.name()));
  }
  if (!flags.measure.empty() && !model.config().has_head) {
    return usage_error(model.name() + " is an encoder: it foresees no text", "leave --measure out");
  }
  return check_not_a_source(flags.out, source_files(model.description));
}

/// The text of --calibrate, whose windows do not overlap; empty where none is given.
Result<TextOfModel> text_to_calibrate(const ModelHandle& model, const Flags& flags) {
  TRY_ASSIGN(TextOfModel text, read_for(model, flags.calibrate, flags.calibrate_tokens, 1, flags.window, 0));
  text.window.stride = text.window.window;
  if (!flags.calibrate.empty()) TRY(check_fits(text.window, model.config().max_positions));
  return text;
}

/// The text of --measure; empty where none is given.
Result<TextOfModel> text_to_measure(const ModelHandle& model, const Flags& flags) {
  TRY_ASSIGN(TextOfModel text, read_for(model, flags.measure, flags.measure_tokens, 2, flags.window, flags.stride));
  if (!flags.measure.empty()) TRY(check_scores(text.window, model.config().max_positions));
  return text;
}

Status run(const Flags& flags) {
  TRY_ASSIGN(const QuantMix* const mix, mix_of(flags));
  TRY(check_files(flags));
  TRY_ASSIGN(const ModelHandle model, find_model(flags.model));
  TRY(check_model(model, flags));
  TRY_ASSIGN(const TextOfModel to_calibrate, text_to_calibrate(model, flags));
  TRY_ASSIGN(const TextOfModel to_measure, text_to_measure(model, flags));
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  Importance importance;
  if (!flags.calibrate.empty()) {
    TRY_ASSIGN(importance, calibrate(model, *runtime, to_calibrate));
  }
  TRY_ASSIGN(const QuantiseReport report, write(model, *runtime, flags,
                                                {.mix = mix,
                                                 .bits = flags.bits,
                                                 .again = flags.again,
                                                 .importance = importance.empty() ? nullptr : &importance,
                                                 .search = flags.search}));
  for (const std::string& warning : report.warnings) log_warning("{}", warning);
  std::optional<TextMeasure> measured;
  if (!flags.measure.empty()) {
    TRY_ASSIGN(measured, measure(model, *runtime, flags, to_measure));
  }
  return flags.json ? print_json(to_json(report, flags, to_calibrate, measured))
                    : print(draw(report, flags, to_calibrate, measured));
}

}  // namespace

Job declare_quantize(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a name (linnet list), a path or a source").required();
  args.add("--to", flags->to, std::string("the mix of formats (below); as it comes: ") + kDefaultMix);
  args.add("--bits", flags->bits,
           "no mix, but at most so many bits per weight, spent where they help most; 0: as --to says")
      .in_range(0.0, 16.0);
  args.add("--out", flags->out, "FILE.gguf").required().not_empty();
  args.add("--calibrate", flags->calibrate, "a text like what the model will read: its columns count as it uses them");
  args.add("--calibrate-tokens", flags->calibrate_tokens, "only so many of that text; 0: all").non_negative();
  args.add("--measure", flags->measure, "a text, another: perplexity before and after, and the KL divergence");
  args.add("--measure-tokens", flags->measure_tokens, "only so many of that text; 0: all").non_negative();
  args.add("--window", flags->window, "tokens of a text that are seen at once; as it comes: 512, or what the model can")
      .in_range(2, 1 << 24);
  args.add("--stride", flags->stride, "tokens that the window moves on by as it measures; as it comes: half of it")
      .in_range(1, 1 << 24);
  args.add("--threads", flags->threads, "0: every core").in_range(0, 1024);
  args.flag("--search", flags->search, "look further than llama.cpp for the least error: same formats, slower");
  args.flag("--again", flags->again, "also a model that is quantised already: the errors add up");
  args.flag("--json", flags->json, "what became of each tensor, as JSON");
  args.notes("Mixes: " + names_of_mixes() +
             ".\nEach block is what llama.cpp's encoder would write, bit for bit, --calibrate or not; the mixes are "
             "llama.cpp's,\n"
             "but for rows that are no multiple of 256. --search and --bits go further: docs/quantise.md.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
