#include "train/parameters.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <functional>

#include "base/check.hpp"

namespace linnet {

namespace {

Tensor copy_of(const Tensor& tensor) {
  if (tensor.device() == Device::kMeta) return tensor;
  Tensor copy = Tensor::empty(DType::kF32, tensor.shape());
  std::copy_n(tensor.data<float>(), tensor.elements(), copy.data<float>());
  return copy;
}

std::string part_name(const TensorSpec& spec, size_t part) {
  return spec.stacked ? fmt::format("{}.{}", spec.name, part) : name_of_expert(spec.name, static_cast<int64_t>(part));
}

std::vector<Parameter> train_some(Transformer& model, DType matrices,
                                  const std::function<bool(const TensorSpec&)>& learns) {
  std::vector<Parameter> parameters;
  model.for_each([&](const TensorSpec& spec, Slot& slot) {
    if (!learns(spec)) return;
    // The biases of stacked experts are one matrix in the model's own code, and decay like one.
    const bool decays = spec.shape.rank() == 2 || spec.stacked;
    if (!spec.bias && spec.shape.rank() == 1) {
      if (!slot.vector.defined()) return;  // optional, and absent from the file
      slot.vector = copy_of(slot.vector);
      parameters.push_back({spec.name, &slot.vector, decays});
      return;
    }
    for (size_t part = 0; part < slot.parts.size(); ++part) {
      Linear& linear = slot.parts[part];
      if (spec.bias) {
        if (!linear.bias.defined()) continue;
        linear.bias = copy_of(linear.bias);
        parameters.push_back({part_name(spec, part), &linear.bias, decays});
      } else if (linear.defined()) {
        linear.weight = Weight::from_tensor(to_dtype(linear.weight.unpack(), trained_dtype(spec, matrices)));
        parameters.push_back({.name = part_name(spec, part),
                              .tensor = &linear.weight.tensor(),
                              .decays = decays,
                              .hidden = spec.layer >= 0,
                              .number = static_cast<uint32_t>(parameters.size())});
      }
    }
  });
  return parameters;
}

}  // namespace

DType trained_dtype(const TensorSpec& spec, DType matrices) {
  CHECK(matrices == DType::kF32 || matrices == DType::kBF16);
  return spec.shape.rank() == 2 && !spec.bias ? matrices : DType::kF32;
}

std::vector<Parameter> train_all(Transformer& model, DType matrices) {
  return train_some(model, matrices, [](const TensorSpec&) { return true; });
}

bool is_from_layer(const TensorSpec& spec, int64_t first) {
  return spec.layer >= 0 ? spec.layer >= first : spec.role == Role::kFinalNorm || spec.role == Role::kHead;
}

std::vector<Parameter> train_from(Transformer& model, int64_t first, DType matrices) {
  return train_some(model, matrices, [first](const TensorSpec& spec) { return is_from_layer(spec, first); });
}

std::vector<Parameter> train_adapters(Transformer& model, float b_rate) {
  std::vector<Parameter> parameters;
  model.for_each([&](const TensorSpec& spec, Slot& slot) {
    if (spec.bias || spec.shape.rank() != 2) return;
    for (size_t part = 0; part < slot.parts.size(); ++part) {
      std::string module = part_name(spec, part);
      module.resize(module.size() - std::string_view(".weight").size());
      std::vector<Lora>& adapters = slot.parts[part].adapters;
      for (size_t i = 0; i < adapters.size(); ++i) {
        CHECK(adapters[i].a.tensor().defined() && adapters[i].b.tensor().defined() && !adapters[i].gain.defined());
        const std::string number = adapters.size() > 1 ? fmt::format(".{}", i) : "";
        parameters.push_back({fmt::format("{}.lora_A{}.weight", module, number), &adapters[i].a.tensor(), true});
        parameters.push_back(
            {fmt::format("{}.lora_B{}.weight", module, number), &adapters[i].b.tensor(), true, false, b_rate});
        if (!adapters[i].magnitude.defined()) continue;
        parameters.push_back(
            {fmt::format("{}.lora_magnitude_vector{}", module, number), &adapters[i].magnitude, false});
      }
    }
  });
  return parameters;
}

void watch(Tape& tape, std::span<const Parameter> parameters, std::vector<Tensor> sums) {
  sums.resize(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) tape.watch(*parameters[i].tensor, std::move(sums[i]));
}

std::vector<Tensor> gradients(const Tape& tape, std::span<const Parameter> parameters) {
  std::vector<Tensor> grads;
  grads.reserve(parameters.size());
  for (const Parameter& parameter : parameters) grads.push_back(tape.grad(*parameter.tensor));
  return grads;
}

}  // namespace linnet
