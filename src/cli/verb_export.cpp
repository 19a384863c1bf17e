// linnet export: a model, or an adapter, as GGUF or in Hugging Face's form.
#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/part_file.hpp"
#include "base/progress.hpp"
#include "cli/common.hpp"
#include "cli/merge_report.hpp"
#include "cli/verb.hpp"
#include "export/classifier_export.hpp"
#include "export/export.hpp"
#include "export/quantise.hpp"
#include "tasks/embedder.hpp"
#include "tasks/model_card.hpp"
#include "tasks/run_store.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::vector<std::string> adapters;
  std::string out;
  std::string dtype;  // empty: as it comes
  std::string text;
  int threads = 0;
  bool merge = false;
  bool json = false;

  bool gguf() const { return out.ends_with(".gguf"); }
  DType type_or(DType usual) const {
    if (dtype.empty()) return usual;
    return dtype == "f32" ? DType::kF32 : dtype == "f16" ? DType::kF16 : DType::kBF16;
  }
};

Status check_flags(const Flags& flags) {
  if (flags.out.ends_with(".safetensors")) {
    return usage_error("--out names a folder or a .gguf file, got " + flags.out,
                       "safetensors are written into a folder, with their config and tokenizer: --out my-model");
  }
  return ok_status();
}

// A run brings an adapter of its own.
Status check_adapters(const Flags& flags, const std::vector<ChosenAdapter>& adapters) {
  if (flags.merge && adapters.empty()) return usage_error("--merge needs an adapter", "name one with --adapter");
  if (!flags.merge && adapters.size() > 1) {
    return usage_error("a file holds one adapter, and there are several", "--merge makes one model of all of them");
  }
  if (!flags.merge && !adapters.empty() && flags.dtype == "bf16" && flags.gguf()) {
    return usage_error("llama.cpp does not run adapters of bf16", "--dtype f32 or f16");
  }
  return ok_status();
}

// What --out becomes of a run: an adapter beside its base, or a whole model.
enum class Whole : uint8_t { kAdapter, kModel };

// Beside what was exported of a run into a folder: how it came to be; and beside an adapter that was taught through a
// template of its own that template, which its base has not.
Status write_beside(const Flags& flags, const ModelHandle& model, Whole whole) {
  if (flags.gguf()) return ok_status();
  TRY_ASSIGN(const std::optional<RunVersion> version, RunStore::standard().find(model.name()));
  if (!version) return ok_status();
  const std::filesystem::path folder = flags.out;
  TRY_ASSIGN(const std::string card, model_card(*version, model, whole == Whole::kModel));
  TRY(write_file(folder / "README.md", card));
  if (whole == Whole::kModel || version->chat_template().empty()) return ok_status();
  return write_file(folder / "chat_template.jinja", version->chat_template());
}

// What --json says, but for the merge.
Json told(const Flags& flags, const ExportWarnings& warnings) {
  return {{"out", flags.out}, {"warnings", warnings}};
}

Status finish(const Flags& flags, const Json& json, const std::string& more) {
  return flags.json ? print_json(json) : print(fmt::format("{}wrote {}\n", more, flags.out));
}

// The folder to be, of which nothing stays where the export fails; none for a GGUF file, which appears whole or not.
Result<std::optional<NewFolder>> begin_folder(const Flags& flags) {
  if (flags.gguf()) return std::optional<NewFolder>();
  TRY_ASSIGN(NewFolder folder, NewFolder::create(flags.out));
  return std::optional<NewFolder>(std::move(folder));
}

// One adapter, unmerged: from any form to PEFT's or llama.cpp's.
Status export_adapter(const Flags& flags, const ModelHandle& model, ChosenAdapter chosen) {
  Adapter& adapter = chosen.adapter;
  if (chosen.share != 1 && adapter.is_dora()) {
    return unsupported("a share of DoRA's change cannot be written as an adapter", adapter.place, "merge it: --merge");
  }
  for (Adapter::Part& part : adapter.parts) part.alpha *= chosen.share;
  if (adapter.base.empty()) adapter.base = model.name();
  const ModelDescription& description = model.description;
  TRY_ASSIGN(std::optional<NewFolder> folder, begin_folder(flags));
  if (flags.gguf()) {
    TRY(write_gguf_adapter(adapter, description, flags.type_or(DType::kF32), flags.out));
  } else {
    const char* task = model.config().has_head ? "CAUSAL_LM" : "FEATURE_EXTRACTION";
    TRY(write_adapter(adapter, description.family->tensors(description.transformer), task, flags.out));
    TRY(write_beside(flags, model, Whole::kAdapter));
  }
  if (folder) folder->keep();
  return finish(flags, told(flags, {}), "");
}

bool is_quantised(const ModelDescription& model) {
  const auto tensors = model.files.tensors->all();
  return std::any_of(tensors.begin(), tensors.end(), [](const StoredTensor& tensor) {
    return tensor.shape.rank() >= 2 && (tensor.scale || (tensor.format && !tensor.format->is_plain()));
  });
}

// The merged file. Without --dtype a GGUF's matrices keep their formats in a GGUF.
Result<ExportWarnings> write_model(const Flags& flags, const ModelHandle& model, const Transformer& weights,
                                   Runtime& runtime) {
  const ModelDescription& description = model.description;
  if (flags.merge && flags.gguf() && description.files.gguf && flags.dtype.empty()) {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    TRY_ASSIGN(const QuantiseReport report,
               merge_into_gguf(description, weights, flags.out, runtime.context().pool(), interrupt_token(),
                               [&](const Progress& progress) { printer.update(progress); }));
    return report.warnings;
  }
  TRY_ASSIGN(const std::optional<Tokenizer> tokenizer, find_tokenizer(model));
  const auto write = flags.gguf() ? export_gguf : export_hugging_face;
  return write(description, weights, tokenizer ? &*tokenizer : nullptr, flags.out, {flags.type_or(DType::kF16)});
}

std::string describe(const TextComparison& c) {
  return fmt::format(
      "the base is quantised: it was decoded, changed, and rounded once more\n"
      "from the adapter on top of the base to the merged model, over {} tokens:\n"
      "  KL divergence      {:.6f} ± {:.6f} nats a token, {:.6f} at most\n"
      "  same top token     {:.2f}%\n"
      "where that is too much: --dtype f16 rounds almost nothing, an adapter on top of the base nothing\n",
      c.divergence.count, c.divergence.mean(), c.divergence.standard_error(), c.divergence.largest,
      100.0 * static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count));
}

Status export_model(const Flags& flags, const ModelHandle& model, const std::vector<ChosenAdapter>& adapters) {
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  ExportWarnings warnings;
  {
    TRY_ASSIGN(std::optional<NewFolder> folder, begin_folder(flags));
    TRY_ASSIGN(Transformer weights, load_transformer(model.description));
    for (const ChosenAdapter& chosen : adapters) TRY(attach_adapter(weights, chosen.adapter, chosen.share));
    TRY_ASSIGN(warnings, write_model(flags, model, weights, *runtime));
    TRY(write_beside(flags, model, flags.merge ? Whole::kModel : Whole::kAdapter));
    if (!flags.gguf() && (model.embedding || !model.config().has_head)) {
      TRY_ASSIGN(const PoolingConfig pooling, read_pooling(model));
      TRY(write_pooling(pooling, model.config().hidden_size, flags.out));
    }
    if (folder) folder->keep();
  }
  for (const std::string& warning : warnings) log_warning("{}", warning);
  Json json = told(flags, warnings);
  const bool loses = flags.merge && is_quantised(model.description) && model.config().has_head;
  TRY_ASSIGN(const std::optional<Tokenizer> tokenizer, find_tokenizer(model));
  if (loses && !tokenizer) log_warning("the model has no tokenizer: what the merge costs was not measured");
  if (!loses || !tokenizer) return finish(flags, json, "");
  TRY_ASSIGN(const TextComparison c, compare_merged(model, adapters, flags.out, flags.text, *runtime));
  json["merge"] = {{"tokens", c.divergence.count},
                   {"kl_divergence", c.divergence.mean()},
                   {"kl_standard_error", c.divergence.standard_error()},
                   {"kl_largest", c.divergence.largest},
                   {"same_top", static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count)}};
  return finish(flags, json, describe(c));
}

// A classifier's encoder with its adapter folded in, and its head.
Status export_labels(const Flags& flags, const ModelHandle& run) {
  if (flags.gguf()) {
    return unsupported("is a classifier, whose head a GGUF file does not hold", run.name(), "--out FOLDER");
  }
  if (!flags.adapters.empty()) return usage_error(run.name() + " is a classifier, which takes no --adapter");
  TRY_ASSIGN(NewFolder folder, NewFolder::create(flags.out));
  TRY_ASSIGN(const ModelHandle encoder, classifier_encoder(run.classifier));
  TRY_ASSIGN(Transformer weights, load_transformer(encoder.description));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(encoder));
  for (const ChosenAdapter& chosen : adapters) TRY(attach_adapter(weights, chosen.adapter, chosen.share));
  TRY_ASSIGN(const LabelHead head, LabelHead::open(run.classifier / kHeadFile, weights.config().hidden_size));
  TRY_ASSIGN(const std::optional<Tokenizer> tokenizer, find_tokenizer(encoder));
  TRY_ASSIGN(const ExportWarnings warnings,
             export_classifier(encoder.description, weights, {head.labels(), head.weight(), head.bias()},
                               tokenizer ? &*tokenizer : nullptr, flags.out, {flags.type_or(DType::kF32)}));
  for (const std::string& warning : warnings) log_warning("{}", warning);
  TRY(write_beside(flags, run, Whole::kModel));
  folder.keep();
  return finish(flags, told(flags, warnings), "");
}

Status run(const Flags& flags) {
  TRY(check_flags(flags));
  interrupt_token();
  TRY_ASSIGN(const ModelHandle model, find_model(flags.model));
  if (!model.faq.empty()) {
    return unsupported(
        "is a list of questions, which no other program answers", model.name(),
        "what it learned is an adapter of its encoder in PEFT's form: " + (model.faq / kFaqEncoderFolder).string());
  }
  if (!model.classifier.empty()) return export_labels(flags, model);
  TRY_ASSIGN(std::vector<ChosenAdapter> adapters, adapters_of(model, flags.adapters));
  TRY(check_adapters(flags, adapters));
  TRY(check_not_a_source(flags.out, source_files(model.description)));
  for (const ChosenAdapter& chosen : adapters) {
    const std::filesystem::path place = chosen.adapter.place;
    TRY(check_not_a_source(flags.out, std::array{place, place / "adapter_model.safetensors"}));
  }
  if (flags.merge || adapters.empty()) return export_model(flags, model, adapters);
  return export_adapter(flags, model, std::move(adapters[0]));
}

}  // namespace

Job declare_export(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a name (linnet list), a path or a source").required();
  declare_adapters(args, flags->adapters);
  args.flag("--merge", flags->merge, "fold the adapters into the model; without: the adapter alone is written");
  args.add("--out", flags->out, "FILE.gguf, or a new folder for safetensors, config and tokenizer")
      .required()
      .not_empty();
  args.add("--dtype", flags->dtype, "of matrices: f32, f16 or bf16; as it comes: f16, of adapters f32")
      .one_of({"f32", "f16", "bf16"});
  args.add("--text", flags->text, "what a merge into a quantised model is measured on; as it comes: a short sample");
  args.add("--threads", flags->threads, "0: every core").in_range(0, 1024);
  args.flag("--json", flags->json, "as JSON");
  args.notes(
      "An adapter alone becomes what PEFT loads (a folder) or what llama.cpp does (.gguf). Merged into a GGUF file "
      "without\n"
      "--dtype, each matrix keeps the format that it has.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
