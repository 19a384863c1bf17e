// A GGUF file before it is written.
#pragma once

#include "export/export.hpp"
#include "formats/gguf_writer.hpp"

namespace linnet {

struct GgufOut {
  GgufWriter writer;  // lacks general.file_type
  std::vector<TensorToWrite> tensors;
  std::vector<bool> quantisable;  // of each tensor: llama.cpp may read it in any format
  std::vector<bool> adapted;      // of each tensor: adapters are folded into it
  ExportWarnings warnings;
};

// As export_gguf, unwritten: matrices in `dtype`, vectors in F32.
Result<GgufOut> to_gguf(const ModelDescription& model, const Transformer& weights, const Tokenizer* tokenizer,
                        DType dtype);

}  // namespace linnet
