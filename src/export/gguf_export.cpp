#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "export/gguf_out.hpp"
#include "formats/hugging_face.hpp"
#include "models/gguf_config.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/tokenizer_export.hpp"

namespace linnet {

namespace {

// One line of the table as GGUF holds it: all experts in one tensor, rows in llama.cpp's order.
struct GgufPart {
  const TensorSpec* spec;
  const Slot* slot;
  float offset;   // added to vectors
  int64_t first;  // rows first, first + step, ... of each expert's matrix: gate or up of woven ones
  int64_t step;
};

// Rows of `all` (R, C) in the file's order.
Tensor reorder(const Tensor& all, const GgufPart& part) {
  const std::vector<int64_t> order = gguf_row_order(*part.spec);
  const int64_t cols = all.shape().rank() == 2 ? all.dim(1) : 1;
  const int64_t rows = (all.dim(0) - part.first + part.step - 1) / part.step;
  Tensor out = Tensor::empty(DType::kF32, all.shape().rank() == 2 ? Shape{rows, cols} : Shape{rows});
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t from = order.empty() ? part.first + r * part.step : order[static_cast<size_t>(r)];
    std::copy_n(all.data<float>() + from * cols, cols, out.data<float>() + r * cols);
  }
  return out;
}

Tensor numbers_of(const GgufPart& part, size_t expert) {
  const TensorSpec& spec = *part.spec;
  if (spec.shape.rank() == 2) return part.slot->parts[expert].merged();
  return spec.bias ? part.slot->parts[expert].bias : part.slot->vector;
}

Shape shape_of(const GgufPart& part) {
  const Shape& own = part.spec->shape;
  const int64_t rows = own[0] / part.step;
  if (part.spec->experts == 0) return own.rank() == 2 ? Shape{rows, own[1]} : Shape{rows};
  return own.rank() == 2 ? Shape{part.spec->experts, rows, own[1]} : Shape{part.spec->experts, rows};
}

Tensor assemble(const GgufPart& part) {
  Tensor out = Tensor::empty(DType::kF32, shape_of(part));
  const int64_t experts = std::max<int64_t>(part.spec->experts, 1);
  for (int64_t e = 0; e < experts; ++e) {
    const Tensor rows = reorder(numbers_of(part, static_cast<size_t>(e)), part);
    std::copy_n(rows.data<float>(), rows.elements(), out.data<float>() + e * rows.elements());
  }
  if (part.offset != 0) {
    for (float& x : out.span<float>()) x += part.offset;
  }
  return out;
}

TensorToWrite to_write(const GgufPart& part, std::string name, DType dtype) {
  // llama.cpp wants vectors, small routing matrices and position tables in full precision.
  const DType stored = part.spec->quantise ? dtype : DType::kF32;
  TensorToWrite tensor{name, ElementType::of(stored), shape_of(part), {}};
  tensor.produce = [part, stored, name = std::move(name)]() -> Result<TensorBytes> {
    TRY_ASSIGN(Tensor out, narrowed(assemble(part), stored, name));
    return TensorBytes::of(std::move(out));
  };
  return tensor;
}

bool has_adapters(const GgufPart& part) {
  const std::vector<Linear>& parts = part.slot->parts;
  return part.spec->shape.rank() == 2 &&
         std::any_of(parts.begin(), parts.end(), [](const Linear& linear) { return !linear.adapters.empty(); });
}

void add_tensors(GgufOut& out, const Transformer& weights, DType dtype) {
  const auto add = [&](const GgufPart& part, std::string name) {
    out.tensors.push_back(to_write(part, std::move(name), dtype));
    out.quantisable.push_back(part.spec->quantise);
    out.adapted.push_back(has_adapters(part));
  };
  for (const TensorSpec& spec : weights.table()) {
    if (spec.gguf.empty()) {
      out.warnings.push_back("GGUF cannot hold " + spec.name);
      continue;
    }
    GgufPart part{&spec, &weights.slot_of(spec), weights.config().norm_offset != 0 ? spec.gguf_offset : 0, 0, 1};
    if (!spec.interleaved) {
      add(part, spec.gguf);
      continue;
    }
    part.step = 2;
    for (const char* half : {"gate", "up"}) {
      std::string name = spec.gguf;
      add(part, name.replace(name.find("{}"), 2, half));
      part.first = 1;
    }
  }
  for (const auto& [name, tensor] : rope_tensors(weights.config())) {
    out.tensors.push_back(TensorToWrite::of(name, tensor));
    out.quantisable.push_back(false);
    out.adapted.push_back(false);
  }
}

void add_tokenizer(GgufWriter& writer, const GgufTokenizerFields& fields) {
  const std::string base = "tokenizer.ggml.";
  writer.add(base + "model", fields.model);
  if (fields.pre) writer.add(base + "pre", *fields.pre);
  writer.add(base + "tokens", fields.tokens);
  if (!fields.scores.empty()) writer.add(base + "scores", fields.scores);
  if (!fields.token_types.empty()) writer.add(base + "token_type", fields.token_types);
  if (!fields.merges.empty()) writer.add(base + "merges", fields.merges);
  const auto id = [&](const char* key, const std::optional<int64_t>& value) {
    if (value) writer.add(base + key, static_cast<uint32_t>(*value));
  };
  id("bos_token_id", fields.bos);
  id("eos_token_id", fields.eos);
  id("eot_token_id", fields.eot);
  id("unknown_token_id", fields.unk);
  id("seperator_token_id", fields.sep);
  id("padding_token_id", fields.pad);
  id("cls_token_id", fields.cls);
  id("mask_token_id", fields.mask);
  const auto flag = [&](const char* key, const std::optional<bool>& value) {
    if (value) writer.add(base + key, *value);
  };
  flag("add_bos_token", fields.add_bos);
  flag("add_eos_token", fields.add_eos);
  flag("add_sep_token", fields.add_sep);
  flag("add_space_prefix", fields.add_space_prefix);
  flag("remove_extra_whitespaces", fields.remove_extra_whitespaces);
  if (!fields.precompiled_charsmap.empty()) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(fields.precompiled_charsmap.data());
    writer.add(base + "precompiled_charsmap", std::vector<uint8_t>(bytes, bytes + fields.precompiled_charsmap.size()));
  }
}

// What the model's config says of ids, where there is no tokenizer to say it.
Status add_token_ids(GgufWriter& writer, const ModelDescription& model) {
  const std::array<std::pair<const char*, const char*>, 3> ids{{{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                                                {"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                                                {"pad_token_id", "tokenizer.ggml.padding_token_id"}}};
  const std::string place = (model.files.folder / "config.json").string();
  for (const auto& [hf, gguf] : ids) {
    TRY_ASSIGN(const std::vector<int64_t> values, token_ids(*model.config, hf, place));
    if (!values.empty()) writer.add(gguf, static_cast<uint32_t>(values[0]));
  }
  return ok_status();
}

// llama.cpp's numbers for general.file_type.
uint32_t file_type(DType dtype) {
  return dtype == DType::kF32 ? 0 : dtype == DType::kF16 ? 1 : 32;
}

}  // namespace

Result<GgufOut> to_gguf(const ModelDescription& model, const Transformer& weights, const Tokenizer* tokenizer,
                        DType dtype) {
  if (model.family->gguf_arch.empty()) {
    return unsupported(fmt::format("GGUF cannot hold models of type {}", model.family->model_type));
  }
  GgufOut out;
  GgufMetadataOut metadata = config_to_gguf(*model.family, weights.config(), *model.config);
  out.warnings = std::move(metadata.warnings);
  for (const auto& [key, value] : metadata.entries) TRY(out.writer.add_json(key, value));
  if (tokenizer) {
    TRY_ASSIGN(const GgufTokenizerFields fields, to_gguf_fields(*tokenizer));
    add_tokenizer(out.writer, fields);
    if (model.files.chat_template) out.writer.add("tokenizer.chat_template", *model.files.chat_template);
  } else {
    out.writer.add("tokenizer.ggml.model", "no_vocab");
    TRY(add_token_ids(out.writer, model));
    out.warnings.emplace_back("the model has no tokenizer: the file holds none");
  }
  add_tensors(out, weights, dtype);
  return out;
}

Result<ExportWarnings> export_gguf(const ModelDescription& model, const Transformer& weights,
                                   const Tokenizer* tokenizer, const std::filesystem::path& path,
                                   const ExportOptions& options) {
  TRY_ASSIGN(GgufOut out, to_gguf(model, weights, tokenizer, options.dtype));
  out.writer.add("general.file_type", file_type(options.dtype));
  TRY(out.writer.write(path, out.tensors));
  return std::move(out.warnings);
}

}  // namespace linnet
