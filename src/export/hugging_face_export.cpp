#include <algorithm>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "export/hugging_face_files.hpp"
#include "export/hugging_face_out.hpp"
#include "formats/safetensors_writer.hpp"

namespace linnet {

namespace {

Tensor transpose(const Tensor& in) {
  Tensor out = Tensor::empty(DType::kF32, {in.dim(1), in.dim(0)});
  for (int64_t r = 0; r < in.dim(0); ++r) {
    for (int64_t c = 0; c < in.dim(1); ++c) out.data<float>()[c * in.dim(0) + r] = in.data<float>()[r * in.dim(1) + c];
  }
  return out;
}

// The numbers of one expert (or of the only part) as safetensors holds them. `offset` is taken off vectors.
Tensor numbers_of(const TensorSpec& spec, const Slot& slot, size_t expert, float offset) {
  if (spec.shape.rank() == 2) {
    const Tensor matrix = slot.parts[expert].merged();
    return spec.transposed ? transpose(matrix) : matrix;
  }
  Tensor vector = spec.bias ? slot.parts[expert].bias : slot.vector;
  if (offset == 0) return vector;
  Tensor out = vector.clone();
  for (float& x : out.span<float>()) x -= offset;
  return out;
}

Shape stored_shape(const TensorSpec& spec) {
  return spec.transposed ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
}

TensorToWrite one(const TensorSpec& spec, const Slot& slot, size_t expert, float offset, DType dtype) {
  TensorToWrite tensor{
      name_of_expert(spec.name, static_cast<int64_t>(expert)), ElementType::of(dtype), stored_shape(spec), {}};
  tensor.produce = [&spec, &slot, expert, offset, dtype]() -> Result<TensorBytes> {
    return TensorBytes::of(to_dtype(numbers_of(spec, slot, expert, offset), dtype));
  };
  return tensor;
}

TensorToWrite stacked(const TensorSpec& spec, const Slot& slot, DType dtype) {
  const Shape part = stored_shape(spec);
  const Shape shape = part.rank() == 2 ? Shape{spec.experts, part[0], part[1]} : Shape{spec.experts, part[0]};
  TensorToWrite tensor{spec.name, ElementType::of(dtype), shape, {}};
  tensor.produce = [&spec, &slot, shape, dtype]() -> Result<TensorBytes> {
    Tensor all = Tensor::empty(DType::kF32, shape);
    for (int64_t e = 0; e < spec.experts; ++e) {
      const Tensor numbers = numbers_of(spec, slot, static_cast<size_t>(e), 0);
      std::copy_n(numbers.data<float>(), numbers.elements(), all.data<float>() + e * numbers.elements());
    }
    return TensorBytes::of(to_dtype(all, dtype));
  };
  return tensor;
}

const char* torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

}  // namespace

std::vector<TensorToWrite> hugging_face_tensors(const Transformer& weights, DType dtype) {
  std::vector<TensorToWrite> out;
  for (const TensorSpec& spec : weights.table()) {
    const Slot& slot = weights.slot_of(spec);
    const float offset = weights.config().norm_offset == 0 ? spec.gguf_offset : 0;
    if (spec.stacked) {
      out.push_back(stacked(spec, slot, dtype));
      continue;
    }
    for (size_t e = 0; e < static_cast<size_t>(std::max<int64_t>(spec.experts, 1)); ++e) {
      out.push_back(one(spec, slot, e, offset, dtype));
    }
  }
  return out;
}

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
  TRY(write_safetensors(folder / "model.safetensors", hugging_face_tensors(weights, options.dtype)));
  TRY(write_companions(model, tokenizer, config, folder, warnings));
  // The config comes last: a folder that has one is whole.
  TRY(write_file(folder / "config.json", dump_json(config, 2) + "\n"));
  return warnings;
}

}  // namespace linnet
