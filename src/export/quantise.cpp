#include "export/quantise.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <optional>

#include "export/gguf_out.hpp"

namespace linnet {

namespace {

constexpr uint32_t kQuantisationVersion = 2;  // ggml's GGML_QNT_VERSION, which llama.cpp asks for

// A matrix of the source: float32 when it is asked for.
struct Matrix {
  std::string name;
  Shape shape;
  std::string_view from;
  std::function<Result<TensorBytes>()> produce;  // float32
};

// What the threads share while a matrix is encoded.
struct Encoding {
  const QuantFormat* format;
  const float* values;
  std::byte* out;
  int64_t width;
};

struct Squares {
  double of_numbers = 0;
  double of_differences = 0;
};

Squares encode_row(const Encoding& e, int64_t row, std::vector<float>& again) {
  const float* values = e.values + row * e.width;
  std::byte* out = e.out + e.format->bytes_of(row * e.width);
  e.format->encode(values, out, e.width);
  e.format->decode(out, again.data(), e.width);
  Squares sums;
  for (int64_t i = 0; i < e.width; ++i) {
    const double difference = double{again[static_cast<size_t>(i)]} - values[i];
    sums.of_numbers += double{values[i]} * values[i];
    sums.of_differences += difference * difference;
  }
  return sums;
}

// Encodes all rows; returns the relative error. Each row's sums are added in the order of the rows, whatever the
// threads.
double encode_rows(const Encoding& e, int64_t rows, ThreadPool& pool) {
  std::vector<Squares> sums(static_cast<size_t>(rows));
  constexpr int64_t kGrain = 8;
  pool.parallel_for(rows, kGrain, [&](int64_t begin, int64_t end, int) {
    std::vector<float> again(static_cast<size_t>(e.width));
    for (int64_t row = begin; row < end; ++row) sums[static_cast<size_t>(row)] = encode_row(e, row, again);
  });
  Squares all;
  for (const Squares& s : sums) {
    all.of_numbers += s.of_numbers;
    all.of_differences += s.of_differences;
  }
  return all.of_numbers > 0 ? std::sqrt(all.of_differences / all.of_numbers) : 0;
}

struct Work {
  ThreadPool* pool;
  const CancelToken* cancel;
  const ProgressCallback* progress;
  uint64_t done = 0;  // bytes of float32
  uint64_t total = 0;
};

// `matrix` in `format`; writes its error into `result`, which must live as long as the writing.
TensorToWrite quantised(const Matrix& matrix, const QuantFormat& format, QuantisedTensor& result, Work& work) {
  TensorToWrite out{matrix.name, ElementType::of(format), matrix.shape, {}};
  out.produce = [matrix, &format, &result, &work]() -> Result<TensorBytes> {
    TRY(work.cancel->check());
    if (*work.progress) {
      (*work.progress)({.stage = "quantising", .item = matrix.name, .done = work.done, .total = work.total});
    }
    TRY_ASSIGN(const TensorBytes source, matrix.produce());
    const auto* values = reinterpret_cast<const float*>(source.bytes.data());
    const int64_t elements = matrix.shape.elements();
    const int64_t bad = quant_format(QuantType::kF32).first_not_finite(source.bytes.data(), elements);
    if (bad >= 0) return invalid(fmt::format("number {} is {}", bad, values[bad]), "tensor " + matrix.name);
    std::vector<std::byte> blocks(static_cast<size_t>(format.bytes_of(elements)));
    const int64_t width = matrix.shape[-1];
    result.error = encode_rows({&format, values, blocks.data(), width}, elements / width, *work.pool);
    work.done += source.bytes.size();
    return TensorBytes::of(std::move(blocks));
  };
  return out;
}

MixModel mix_model(const ModelDescription& model, bool tied) {
  const TransformerConfig& config = model.transformer;
  return {.layers = static_cast<int64_t>(config.layers.size()),
          .experts = config.moe.experts,
          .queries_per_kv_head = config.num_heads / config.num_kv_heads,
          .tied = tied,
          .falcon = model.family->gguf_arch == "falcon"};
}

// What llama.cpp's loader takes in any format: matrices, but not routers and tables of positions.
bool is_quantisable(const StoredTensor& tensor) {
  constexpr std::string_view kKept[] = {"ffn_gate_inp.weight", "position_embd.weight", "token_types.weight"};
  if (tensor.shape.rank() < 2 || !tensor.name.ends_with("weight") || !tensor.format) return false;
  return std::none_of(std::begin(kKept), std::end(kKept),
                      [&](std::string_view kept) { return tensor.name.ends_with(kept); });
}

// The source as matrices to quantise and tensors to keep, in the order of the file.
struct Source {
  GgufWriter writer;
  std::vector<TensorToWrite> tensors;  // those to quantise, too: in their place
  std::vector<std::optional<Matrix>> matrices;
  ExportWarnings warnings;
};

bool is_tied(const Source& source) {
  return std::none_of(source.tensors.begin(), source.tensors.end(),
                      [](const TensorToWrite& tensor) { return tensor.name == "output.weight"; });
}

Source source_of_gguf(const Gguf& gguf) {
  Source source;
  for (const GgufEntry& entry : gguf.metadata().entries()) {
    const bool rewritten = entry.key == "general.file_type" || entry.key == "general.quantization_version" ||
                           entry.key == "general.alignment" || entry.key.starts_with("split.");
    if (!rewritten) source.writer.add(entry.key, entry.value);
  }
  for (const StoredTensor& tensor : gguf.tensors().all()) {
    source.tensors.push_back(TensorToWrite::copy_of(tensor));
    source.matrices.emplace_back();
    if (!is_quantisable(tensor)) continue;
    source.matrices.back() = Matrix{tensor.name, tensor.shape, tensor.type_name(),
                                    [tensor]() -> Result<TensorBytes> { return TensorBytes::of(to_f32(tensor)); }};
  }
  return source;
}

// The type that a folder's matrices have; "mixed" where they have several.
std::string_view type_of_folder(const ModelDescription& model) {
  std::string_view type;
  for (const StoredTensor& tensor : model.files.tensors->all()) {
    if (tensor.shape.rank() < 2) continue;
    if (!type.empty() && type != tensor.type_name()) return "mixed";
    type = tensor.type_name();
  }
  return type;
}

Result<Source> source_of_folder(const ModelDescription& model, const Transformer& weights, const Tokenizer* tokenizer) {
  TRY_ASSIGN(GgufOut out, to_gguf(model, weights, tokenizer, DType::kF32));
  Source source{std::move(out.writer), std::move(out.tensors), {}, std::move(out.warnings)};
  const std::string_view type = type_of_folder(model);
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    const TensorToWrite& tensor = source.tensors[i];
    source.matrices.emplace_back();
    if (out.quantisable[i]) source.matrices.back() = Matrix{tensor.name, tensor.shape, type, tensor.produce};
  }
  return source;
}

Status check_plain(const Matrix& matrix, const QuantiseOptions& options) {
  const QuantFormat* from = find_quant_by_name(matrix.from);
  if (options.again || !from || from->is_plain()) return ok_status();
  return unsupported(fmt::format("tensor {} is quantised already, as {}", matrix.name, matrix.from), {},
                     "begin with the model in F16, BF16 or F32; or take both errors with --again");
}

}  // namespace

Result<QuantiseReport> quantise(const ModelDescription& model, const Transformer* weights, const Tokenizer* tokenizer,
                                const std::filesystem::path& path, const QuantiseOptions& options, ThreadPool& pool,
                                const CancelToken& cancel, const ProgressCallback& progress) {
  Source source;
  if (model.files.gguf) {
    source = source_of_gguf(*model.files.gguf);
  } else {
    TRY_ASSIGN(source, source_of_folder(model, *weights, tokenizer));
  }
  source.writer.add("general.file_type", options.mix->file_type);
  source.writer.add("general.quantization_version", kQuantisationVersion);
  const MixModel traits = mix_model(model, is_tied(source));

  QuantiseReport report;
  report.warnings = std::move(source.warnings);
  report.tensors.reserve(source.tensors.size());  // the producers keep references
  Work work{&pool, &cancel, &progress};
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    TensorToWrite& tensor = source.tensors[i];
    report.elements += tensor.shape.elements();
    if (const std::optional<Matrix>& matrix = source.matrices[i]) {
      TRY(check_plain(*matrix, options));
      const MixChoice choice = choose_format(*options.mix, traits, matrix->name, matrix->shape);
      report.tensors.push_back({matrix->name, matrix->from, choice.format, choice.wanted, matrix->shape.elements()});
      tensor = quantised(*matrix, *choice.format, report.tensors.back(), work);
      work.total += static_cast<uint64_t>(matrix->shape.elements()) * sizeof(float);
    }
    report.bytes += tensor.bytes();
  }
  TRY(source.writer.write(path, source.tensors));
  return report;
}

Result<QuantiseReport> merge_into_gguf(const ModelDescription& model, const Transformer& weights,
                                       const std::filesystem::path& path, ThreadPool& pool, const CancelToken& cancel,
                                       const ProgressCallback& progress) {
  const Gguf& gguf = *model.files.gguf;
  TRY_ASSIGN(const GgufOut merged, to_gguf(model, weights, nullptr, DType::kF32));
  std::map<std::string_view, const TensorToWrite*> adapted;
  for (size_t i = 0; i < merged.tensors.size(); ++i) {
    if (merged.adapted[i]) adapted.emplace(merged.tensors[i].name, &merged.tensors[i]);
  }
  Source source = source_of_gguf(gguf);
  for (const std::string_view key : {"general.file_type", "general.quantization_version"}) {
    if (const GgufValue* value = gguf.metadata().find(key)) source.writer.add(key, *value);
  }
  QuantiseReport report;
  report.tensors.reserve(source.tensors.size());  // the producers keep references
  Work work{&pool, &cancel, &progress};
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    TensorToWrite& tensor = source.tensors[i];
    const StoredTensor& stored = gguf.tensors().all()[i];
    report.elements += tensor.shape.elements();
    report.bytes += tensor.bytes();
    const auto found = adapted.find(tensor.name);
    if (found == adapted.end()) continue;
    const Matrix matrix{tensor.name, tensor.shape, stored.type_name(), found->second->produce};
    report.tensors.push_back({tensor.name, stored.type_name(), stored.format, nullptr, tensor.shape.elements()});
    tensor = quantised(matrix, *stored.format, report.tensors.back(), work);
    work.total += static_cast<uint64_t>(matrix.shape.elements()) * sizeof(float);
  }
  TRY(source.writer.write(path, source.tensors));
  return report;
}

}  // namespace linnet
