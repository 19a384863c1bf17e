// Low-rank adapters of a model's linear layers: LoRA, rsLoRA and DoRA (nn/linear.hpp has the papers).
//
// Two forms on disk: PEFT's folder (huggingface.co/docs/peft, "PEFT checkpoint format": adapter_config.json and
// adapter_model.safetensors), and llama.cpp's GGUF with general.type "adapter" (its convert_lora_to_gguf.py and
// llama-adapter.cpp), which holds plain LoRA only.
// What would change the sums in another way (whole modules saved beside, trained biases, embeddings, ...) is refused by
// name. Thread safety: values.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "formats/gguf.hpp"
#include "formats/stored_tensor.hpp"
#include "models/model.hpp"

namespace linnet {

struct Adapter {
  // What is done to one linear layer.
  struct Part {
    std::string module;  // as the model's tensors are named, less ".weight": model.layers.0.self_attn.q_proj
    Tensor a;            // (R, C) float32
    Tensor b;            // (O, R) float32
    Tensor magnitude;    // (O) float32: DoRA; undefined: plain
    double alpha = 1;
  };
  std::vector<Part> parts;       // sorted by module
  bool rank_stabilised = false;  // rsLoRA (arXiv:2312.03732)
  std::string base;              // the model it was made for, as its maker called it; may be empty
  std::string place;             // for messages

  // alpha / R, or alpha / sqrt(R) for rsLoRA.
  float scale_of(const Part& part) const;
  bool is_dora() const;
  uint64_t bytes() const;  // of all numbers
};

// What a new adapter is to be.
struct NewAdapter {
  int64_t rank = 16;
  double alpha = 32;
  bool rank_stabilised = false;
  bool dora = false;
  // Names of modules, or their ends, as PEFT's target_modules: "q_proj", "layers.3.mlp.up_proj". Empty: PEFT's
  // "all-linear", every linear layer but the head; routers neither.
  std::vector<std::string> targets = {};
  uint64_t seed = 0;
};

// An adapter that changes nothing yet, as PEFT begins: A uniform in ±1/sqrt(C) (Kaiming with a = sqrt(5)), B zero, a
// magnitude the length of its row of the weight. A layer's numbers depend on the seed and its place in the model alone.
// Errors kUsage: a rank or alpha that is none, a target that the model does not have (names what there is).
Result<Adapter> new_adapter(const Transformer& model, const NewAdapter& options);

// PEFT. Errors: a config or tensors that are not those of such an adapter, each named; kUnsupported for what is
// refused.
Result<Adapter> parse_adapter(const Json& config, std::span<const StoredTensor> tensors, const std::string& place);
// folder: holds the two files.
Result<Adapter> read_adapter(const std::filesystem::path& folder);
// Writes what PEFT's from_pretrained loads, for the model of this table: float32, with rank and alpha patterns where
// layers differ, target_modules by their last names where those are all of that name. The folder appears as a whole;
// nothing is written over. task_type: PEFT's, "CAUSAL_LM" or "FEATURE_EXTRACTION".
// Errors: kConflict when `folder` exists and is not empty; a part that does not fit the table; a full disk.
Status write_adapter(const Adapter& adapter, std::span<const TensorSpec> table, std::string_view task_type,
                     const std::filesystem::path& folder);

// llama.cpp's GGUF, of a model of `architecture` (general.architecture) with this table.
// Errors: another architecture, tensors that are no pairs of a linear layer of the table, aLoRA.
Result<Adapter> parse_gguf_adapter(const GgufMetadata& metadata, std::span<const StoredTensor> tensors,
                                   std::string_view architecture, std::span<const TensorSpec> table,
                                   const std::string& place);
// Rows of lora_b are put in llama.cpp's order, and scales that differ from layer to layer go into them, since the file
// has one alpha for all. dtype: F32 or F16, of all numbers.
// Errors kUnsupported, with what to do: DoRA, a family or a layer that GGUF cannot hold.
Status write_gguf_adapter(const Adapter& adapter, const ModelDescription& model, DType dtype,
                          const std::filesystem::path& path);

// Either form, for `model`: a folder, or a file that ends in .gguf.
Result<Adapter> open_adapter(const std::filesystem::path& path, const ModelDescription& model);

// Whether the parts are of layers of this table and of their shapes. The error names the layer and both shapes.
Status check_fits(const Adapter& adapter, std::span<const TensorSpec> table);
// Shapes alone do not tell two models of one size apart. A sentence where the adapter names a base that is called
// otherwise than `model` calls itself (names: what else it is known by); empty where the names agree or one is missing.
std::string doubt_about_base(const Adapter& adapter, const ModelDescription& model, std::span<const std::string> names);

// Adds every part of `adapter`, times `share`, to the layers of `model`, to be trained or merged: the layers share the
// adapter's numbers, and what training makes of them stands in `adapter`. Nothing changes on errors: those of
// check_fits.
Status attach_adapter(Transformer& model, const Adapter& adapter, float share = 1);
// The same to run: packed for the kernels of `ctx`. Where those have no layout, the layers share the numbers as above.
Status attach_adapter(Context& ctx, Transformer& model, const Adapter& adapter, float share = 1);
// Takes all adapters off.
void detach_adapters(Transformer& model);

}  // namespace linnet
