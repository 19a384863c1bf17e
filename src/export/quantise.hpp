// A model in fewer bits: each matrix is decoded, encoded in the format that a mix gives it, and written, one at a time.
// Thread safety: one thread at a time; the pool does the work.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "base/thread_pool.hpp"
#include "export/export.hpp"
#include "export/importance.hpp"
#include "export/quant_mix.hpp"

namespace linnet {

struct QuantiseOptions {
  const QuantMix* mix = nullptr;  // null: `bits` decides
  // At most so many bits per weight over all tensors of the file, each matrix in the format that costs the least error
  // for them (quant_budget.hpp).
  double bits = 0;
  // Matrices that are quantised already are quantised again, which adds the errors of both.
  bool again = false;
  // What the columns of the matrices count; null: all alike.
  const Importance* importance = nullptr;
  // Look for the least error, instead of what llama.cpp's encoders write (quant/search.hpp).
  bool search = false;
};

// What became of one matrix.
struct QuantisedTensor {
  std::string name;
  std::string_view from;  // its type before
  const QuantFormat* to;
  const QuantFormat* wanted;  // what the mix wanted; null where that is `to`
  int64_t elements;
  double error = 0;  // root mean square of the differences, over that of the numbers
  // The same with columns counted by their importance: what becomes of the matrix's products. Where that is known.
  std::optional<double> output_error = {};
};

struct QuantiseReport {
  std::vector<QuantisedTensor> tensors;
  uint64_t bytes = 0;    // of all tensors of the file, vectors too
  int64_t elements = 0;  // as many numbers
  ExportWarnings warnings;

  double bits_per_weight() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(elements); }
};

// Writes the model as a GGUF file at `path`. A GGUF keeps its metadata and its names; a Hugging Face folder is exported
// as export_gguf does. `weights` and `tokenizer` are needed of a folder only, else null.
// Memory: two tensors. Errors: bits that no format here is small enough for; a matrix that is quantised already, unless
// `again`; a number that is not finite, or not in its format, with its tensor's name; a full disk; cancellation. The
// file appears whole or not at all.
Result<QuantiseReport> quantise(const ModelDescription& model, const Transformer* weights, const Tokenizer* tokenizer,
                                const std::filesystem::path& path, const QuantiseOptions& options, ThreadPool& pool,
                                const CancelToken& cancel, const ProgressCallback& progress);

// Writes the GGUF file that `model` is, with the adapters that `weights` have on folded in: each matrix that they
// change is decoded, changed and encoded in the format that it had; all else, metadata too, is copied as it is. The
// report lists the changed matrices, whose errors are those of encoding them. Requires model.files.gguf. Memory and
// errors: as quantise.
Result<QuantiseReport> merge_into_gguf(const ModelDescription& model, const Transformer& weights,
                                       const std::filesystem::path& path, ThreadPool& pool, const CancelToken& cancel,
                                       const ProgressCallback& progress);

}  // namespace linnet
