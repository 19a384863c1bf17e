// Adapters as a person names them: "shop", "shop=0.5", "shop.gguf", "./folder".
// Thread safety: values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapter.hpp"

namespace linnet {

struct ChosenAdapter {
  std::string text;  // as it was named
  Adapter adapter = {};
  float share = 1;  // of its change
};

// "PATH" or "PATH=SHARE": a PEFT folder, a GGUF file, or the name of a run that taught an adapter. What exists as a
// path is taken as one, and one whose name ends in a share as it is. Errors: those of open_adapter; kUsage for a share
// that is no number, and for a run that is no adapter. Warns of what doubt_about_base() says; names: what the model is
// called.
Result<ChosenAdapter> choose_adapter(const std::string& text, const ModelDescription& model,
                                     std::span<const std::string> names);
Result<std::vector<ChosenAdapter>> choose_adapters(std::span<const std::string> texts, const ModelDescription& model,
                                                   std::span<const std::string> names);

// In their order, ready to run.
Status attach_all(Context& ctx, Transformer& model, std::span<const ChosenAdapter> adapters);

}  // namespace linnet
