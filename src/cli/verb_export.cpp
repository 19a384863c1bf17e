// linnet export: a model as GGUF, or as a Hugging Face folder.
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "export/export.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::string out;
  std::string dtype = "f16";
};

Status run(const Flags& flags) {
  if (flags.out.ends_with(".safetensors")) {
    return usage_error("--out names a folder or a .gguf file, got " + flags.out,
                       "safetensors are written into a folder, with their config and tokenizer: --out my-model");
  }
  TRY_ASSIGN(const ModelHandle model, find_model(flags.model));
  TRY_ASSIGN(const std::optional<Tokenizer> tokenizer, find_tokenizer(model));
  TRY_ASSIGN(const Transformer weights, load_transformer(model.description));
  const ExportOptions options{flags.dtype == "f32" ? DType::kF32 : flags.dtype == "f16" ? DType::kF16 : DType::kBF16};
  const auto write = flags.out.ends_with(".gguf") ? export_gguf : export_hugging_face;
  TRY_ASSIGN(const ExportWarnings warnings,
             write(model.description, weights, tokenizer ? &*tokenizer : nullptr, flags.out, options));
  for (const std::string& warning : warnings) log_warning("{}", warning);
  return print(fmt::format("wrote {}\n", flags.out));
}

}  // namespace

Job declare_export(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a name (linnet list), a path or a source").required();
  args.add("--out", flags->out, "FILE.gguf, or a new folder for safetensors, config and tokenizer").required();
  args.add("--dtype", flags->dtype, "of matrices: f32, f16 or bf16").one_of({"f32", "f16", "bf16"});
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
