#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "export/hugging_face_files.hpp"
#include "export/hugging_face_out.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/weights_to_write.hpp"

namespace linnet {

namespace {

const char* torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

}  // namespace

Result<Json> hugging_face_config(const ModelDescription& model, const Tokenizer* tokenizer, DType dtype) {
  Json config = *model.config;
  config["torch_dtype"] = torch_name(dtype);
  config.erase("dtype");                // transformers 5's name of the same
  config.erase("quantization_config");  // what is written is not quantised
  if (model.files.kind != ModelFiles::Kind::kGguf) return config;
  add_token_ids(model.files, tokenizer, config);
  if (model.transformer.ropes.empty()) return config;
  const RopeSpec& rope = model.transformer.ropes[0];
  if (!rope.divisors.empty()) {
    return unsupported("GGUF holds this model's rope scaling as a table of frequencies, which config.json cannot say",
                       {}, "take the original safetensors model instead");
  }
  return config;
}

Result<ExportWarnings> export_hugging_face(const ModelDescription& model, const Transformer& weights,
                                           const Tokenizer* tokenizer, const std::filesystem::path& folder,
                                           const ExportOptions& options) {
  TRY(check_new_folder(folder));
  ExportWarnings warnings;
  TRY_ASSIGN(const Json config, hugging_face_config(model, tokenizer, options.dtype));
  TRY(write_safetensors(folder / "model.safetensors", weights_to_write(weights, options.dtype)));
  TRY(write_companions(model, tokenizer, config, folder, warnings));
  // The config comes last: a folder that has one is whole.
  TRY(write_file(folder / "config.json", dump_json(config, 2) + "\n"));
  return warnings;
}

}  // namespace linnet
