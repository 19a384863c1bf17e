// Transformer::load and pack: from a file's tensors to weights.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/core.h>

#include "models/transformer.hpp"
#include "models/unused_tensors.hpp"

namespace linnet {

namespace {

struct Loader {
  const TensorSource& source;
  bool gguf;
  std::vector<bool>& used;  // of each of the source's tensors: whether find() gave it out

  std::string name_of(const TensorSpec& spec, int64_t expert) const {
    return name_of_expert(gguf ? spec.gguf : spec.name, expert);
  }

  // The stored tensor, whose shape must be `shape`.
  Result<const StoredTensor*> find(const std::string& name, const Shape& shape) const {
    TRY_ASSIGN(const StoredTensor* stored, source.get(name));
    if (stored->shape != shape) {
      return invalid(
          fmt::format("has shape {} where the config asks for {}", stored->shape.to_string(), shape.to_string()),
          stored->place(), "the config and the weights belong to different models");
    }
    if (!stored->format) return unsupported(fmt::format("holds {} numbers", stored->type_name()), stored->place());
    used[static_cast<size_t>(stored - source.all().data())] = true;
    return stored;
  }
};

Status not_finite(const StoredTensor& stored, int64_t element, float value) {
  return invalid(fmt::format("holds {} at element {}", std::isnan(value) ? "NaN" : "infinity", element), stored.place(),
                 "the file is damaged, or the training that made it diverged");
}

// Of the numbers as they are stored, and of the scales beside them.
Status check_finite(const StoredTensor& stored) {
  const QuantFormat& format = *stored.format;
  const int64_t bad = format.first_not_finite(stored.bytes.data(), stored.shape.elements());
  if (bad >= 0) {
    std::vector<float> block(static_cast<size_t>(format.block_elements));
    format.decode(stored.bytes.data() + format.bytes_of(bad - bad % format.block_elements), block.data(),
                  format.block_elements);
    return not_finite(stored, bad, block[static_cast<size_t>(bad % format.block_elements)]);
  }
  if (!stored.scale) return ok_status();
  for (const float scale : stored.scale->values.span<float>()) {
    if (!std::isfinite(scale)) return invalid("has a scale that is NaN or infinite", stored.place());
  }
  return ok_status();
}

// The same blocks with their rows in our order.
Weight reorder_rows(const MatrixView& view, const std::vector<int64_t>& order) {
  const auto row_bytes = static_cast<size_t>(view.row_bytes());
  auto copy = std::make_shared<std::vector<std::byte>>(row_bytes * static_cast<size_t>(view.rows));
  for (int64_t r = 0; r < view.rows; ++r) {
    std::memcpy(copy->data() + static_cast<size_t>(order[static_cast<size_t>(r)]) * row_bytes,
                view.bytes + static_cast<size_t>(r) * row_bytes, row_bytes);
  }
  MatrixView ours = view;
  ours.bytes = copy->data();
  return Weight::from_blocks(ours, copy);
}

// MXFP4 lies (O, C) even where a family's floats lie (C, O): a block is a piece of a row.
bool lies_transposed(const TensorSpec& spec, const StoredTensor* stored, bool gguf) {
  return spec.transposed && !gguf && !(stored && !stored->split_scales.empty());
}

Result<Weight> load_matrix(const TensorSpec& spec, const StoredTensor& original, bool gguf) {
  const StoredTensor stored = with_whole_blocks(original);
  const bool plain = stored.format->is_plain();
  TRY(check_finite(stored));
  if (lies_transposed(spec, &original, gguf)) return Weight::from_tensor(transpose(to_f32(stored)));
  const bool decode = stored.scale || (plain && stored.format->type == QuantType::kF32);
  if (decode && !(gguf && spec.gguf_rows != GgufRows::kSame)) return Weight::from_tensor(to_f32(stored));
  const MatrixView view{stored.format, stored.bytes.data(), stored.shape[0], stored.shape[1]};
  if (!gguf || spec.gguf_rows == GgufRows::kSame) return Weight::from_blocks(view, stored.owner);
  return reorder_rows(view, gguf_row_order(spec));
}

Result<Tensor> load_vector(const TensorSpec& spec, const StoredTensor& stored, bool gguf) {
  TRY(check_finite(stored));
  Tensor values = to_f32(stored);
  if (gguf && spec.gguf_rows != GgufRows::kSame) {
    const std::vector<int64_t> order = gguf_row_order(spec);
    Tensor ours = Tensor::empty(DType::kF32, values.shape());
    for (size_t r = 0; r < order.size(); ++r) ours.data<float>()[order[r]] = values.data<float>()[r];
    values = ours;
  }
  return values;
}

Shape with_experts(int64_t experts, const Shape& shape) {
  return shape.rank() == 1 ? Shape{experts, shape[0]} : Shape{experts, shape[0], shape[1]};
}

// gpt-oss in GGUF: gate and up, (E, I, C) or (E, I) each, woven into the (E, 2I, ...) of safetensors.
Result<StoredTensor> weave(const Loader& loader, const TensorSpec& spec) {
  const auto named = [&](const char* part) {
    std::string name = spec.gguf;
    return name.replace(name.find("{}"), 2, part);
  };
  const Shape half = spec.shape.rank() == 1 ? Shape{spec.experts, spec.shape[0] / 2}
                                            : Shape{spec.experts, spec.shape[0] / 2, spec.shape[1]};
  TRY_ASSIGN(const StoredTensor* gate, loader.find(named("gate"), half));
  TRY_ASSIGN(const StoredTensor* up, loader.find(named("up"), half));
  if (gate->format != up->format) return invalid("gate and up experts have different formats", gate->place());
  const size_t rows = static_cast<size_t>(half[0] * half[1]);
  const size_t row_bytes = gate->bytes.size() / rows;
  auto bytes = std::make_shared<std::vector<std::byte>>(2 * gate->bytes.size());
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(bytes->data() + 2 * r * row_bytes, gate->bytes.data() + r * row_bytes, row_bytes);
    std::memcpy(bytes->data() + (2 * r + 1) * row_bytes, up->bytes.data() + r * row_bytes, row_bytes);
  }
  StoredTensor woven = *gate;
  woven.shape =
      spec.shape.rank() == 1 ? Shape{spec.experts, spec.shape[0]} : Shape{spec.experts, spec.shape[0], spec.shape[1]};
  woven.bytes = *bytes;
  woven.owner = bytes;
  return woven;
}

// Puts part `index` of `spec` into its slot.
Status place(const TensorSpec& spec, const StoredTensor& stored, bool gguf, size_t index, Slot& slot) {
  if (spec.shape.rank() == 2) {
    TRY_ASSIGN(slot.parts[index].weight, load_matrix(spec, stored, gguf));
    return ok_status();
  }
  TRY_ASSIGN(const Tensor values, load_vector(spec, stored, gguf));
  (spec.bias ? slot.parts[index].bias : slot.vector) = values;
  return ok_status();
}

Status load_spec(const Loader& loader, const TensorSpec& spec, Slot& slot) {
  const auto parts = static_cast<size_t>(std::max<int64_t>(spec.experts, 1));
  if (spec.shape.rank() == 2 || spec.bias) slot.parts.resize(parts);
  const bool turned = lies_transposed(spec, loader.source.find(loader.name_of(spec, 0)), loader.gguf);
  const Shape shape = turned ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
  if (spec.experts == 0 || !(spec.stacked || loader.gguf)) {
    for (size_t i = 0; i < parts; ++i) {
      const std::string name = loader.name_of(spec, static_cast<int64_t>(i));
      if (spec.optional && !loader.source.find(name)) continue;
      TRY_ASSIGN(const StoredTensor* stored, loader.find(name, shape));
      TRY(place(spec, *stored, loader.gguf, i, slot));
    }
    return ok_status();
  }
  StoredTensor woven;
  const StoredTensor* stored = &woven;
  if (loader.gguf && spec.interleaved) {
    TRY_ASSIGN(woven, weave(loader, spec));
  } else {
    TRY_ASSIGN(stored, loader.find(loader.name_of(spec, 0), with_experts(spec.experts, shape)));
  }
  for (size_t i = 0; i < parts; ++i) {
    TRY(place(spec, matrix_of(*stored, static_cast<int64_t>(i)), loader.gguf, i, slot));
  }
  return ok_status();
}

// Where sixteen bits of activations pay: an error in the values goes around the softmax straight into the residual
// stream, one in the head straight into the logits. Together they are over two fifths of what eight bits everywhere
// cost in KL divergence, the values are a few hundredths of the arithmetic of a layer, and the head runs for the rows
// whose logits are asked for only.
ActivationBits activation_bits(const TensorSpec& spec, const TransformerConfig& config) {
  const Role head = config.tied_head ? Role::kEmbedding : Role::kHead;
  return spec.role == Role::kValue || spec.role == head ? ActivationBits::k16 : ActivationBits::k8;
}

// Loading reads every tensor once, and what it copies (reordered rows, experts woven together) nobody reads again.
void drop_unread_pages(const MappedFile& file, const std::vector<std::span<const std::byte>>& read) {
  const auto begin = reinterpret_cast<uintptr_t>(file.bytes().data());
  const uintptr_t end = begin + file.bytes().size();
  std::vector<std::pair<uintptr_t, uintptr_t>> kept;
  for (const auto bytes : read) {
    const auto at = reinterpret_cast<uintptr_t>(bytes.data());
    if (!bytes.empty() && at >= begin && at + bytes.size() <= end) kept.emplace_back(at, at + bytes.size());
  }
  std::sort(kept.begin(), kept.end());
  kept.emplace_back(end, end);
  uintptr_t done = begin;
  for (const auto& [first, last] : kept) {
    if (first > done) file.drop_pages(done - begin, first - done);
    done = std::max(done, last);
  }
}

}  // namespace

namespace {

// A matrix that is not only looked up in.
bool is_multiplied(const TensorSpec& spec, const TransformerConfig& config) {
  if (spec.role == Role::kEmbedding) return config.has_head && config.tied_head;
  return spec.shape.rank() == 2 && !is_lookup(spec.role);
}

// As load_matrix() holds it.
QuantType held_format(const TensorSpec& spec, const TensorSource& source, bool gguf) {
  std::string name = name_of_expert(gguf ? spec.gguf : spec.name, 0);
  if (gguf && spec.interleaved) name.replace(name.find("{}"), 2, "gate");
  const StoredTensor* stored = source.find(name);
  if (!stored || !stored->format || stored->scale || lies_transposed(spec, stored, gguf)) return QuantType::kF32;
  return stored->format->type;
}

}  // namespace

Result<Transformer> Transformer::load(TransformerConfig config, std::vector<TensorSpec> table,
                                      const TensorSource& source, bool gguf_names) {
  Transformer model;
  model.layers_.resize(config.layers.size());
  model.config_ = std::move(config);
  if (gguf_names) model.config_.norm_offset = 0;  // GGUF holds the norms with their offset
  std::vector<bool> used(source.all().size());
  const Loader loader{source, gguf_names, used};
  const StoredTensor* embedding = nullptr;
  for (const TensorSpec& spec : table) {
    TRY(load_spec(loader, spec, model.slot(spec)));
    if (spec.role == Role::kEmbedding) embedding = source.find(loader.name_of(spec, 0));
  }
  TRY(check_unused(source, used, model.config_, embedding));
  model.table_ = std::move(table);
  return model;
}

Transformer Transformer::hollow(TransformerConfig config, std::vector<TensorSpec> table, const TensorSource& source,
                                bool gguf_names) {
  Transformer model;
  model.layers_.resize(config.layers.size());
  model.config_ = std::move(config);
  model.table_ = std::move(table);
  model.for_each([&](const TensorSpec& spec, Slot& slot) {
    const auto parts = static_cast<size_t>(std::max<int64_t>(spec.experts, 1));
    if (spec.shape.rank() == 2 || spec.bias) slot.parts.resize(parts);
    if (spec.optional) return;
    if (spec.shape.rank() == 1 && !spec.bias) {
      slot.vector = Tensor::empty(DType::kF32, spec.shape, Device::kMeta);
      return;
    }
    for (Linear& part : slot.parts) {
      if (spec.bias) {
        part.bias = Tensor::empty(DType::kF32, spec.shape, Device::kMeta);
      } else {
        part.weight = Weight::hollow(spec.shape[0], spec.shape[1], held_format(spec, source, gguf_names));
      }
    }
  });
  return model;
}

void Transformer::pack(Context& ctx, std::span<const std::shared_ptr<const MappedFile>> files,
                       const std::function<bool(const TensorSpec&)>& stays) {
  for_each([&](const TensorSpec& spec, Slot& slot) {
    if (spec.shape.rank() != 2 || (stays && stays(spec))) return;
    for (Linear& part : slot.parts) {
      part.weight.pack(ctx, activation_bits(spec, config_), [&](std::span<const std::byte> original) {
        for (const auto& file : files) file->drop_pages_of(original);
      });
    }
  });
  std::vector<std::span<const std::byte>> read;
  for_each([&](const TensorSpec&, Slot& slot) {
    const auto keep = [&](const Tensor& tensor) {
      if (tensor.defined()) read.emplace_back(tensor.raw(), static_cast<size_t>(tensor.bytes()));
    };
    keep(slot.vector);
    for (const Linear& part : slot.parts) {
      keep(part.bias);
      read.push_back(part.weight.unpacked_bytes());
    }
  });
  for (const auto& file : files) drop_unread_pages(*file, read);
}

void Transformer::prepack(Context& ctx, bool alone) {
  for_each([&](const TensorSpec& spec, Slot& slot) {
    if (!is_multiplied(spec, config_)) return;
    for (Linear& part : slot.parts) part.weight.prepack(ctx, alone);
  });
}

int64_t Transformer::prepacked_bytes(const Context& ctx) const {
  return sum_multiplied([&](const Weight& weight) { return weight.prepacked_bytes(ctx); });
}

int64_t Transformer::replaced_bytes(const Context& ctx) const {
  return sum_multiplied([&](const Weight& weight) { return weight.replaced_bytes(ctx); });
}

int64_t Transformer::sum_multiplied(const std::function<int64_t(const Weight&)>& bytes_of) const {
  int64_t bytes = 0;
  for (const TensorSpec& spec : table_) {
    if (!is_multiplied(spec, config_)) continue;
    for (const Linear& part : slot_of(spec).parts) bytes += bytes_of(part.weight);
  }
  return bytes;
}

}  // namespace linnet
