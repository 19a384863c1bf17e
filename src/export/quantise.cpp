#include "export/quantise.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "export/encode_rows.hpp"
#include "export/gguf_out.hpp"
#include "export/quant_budget.hpp"

namespace linnet {

namespace {

constexpr uint32_t kQuantisationVersion = 2;  // ggml's GGML_QNT_VERSION, which llama.cpp asks for

// A matrix of the source: float32 when it is asked for.
struct Matrix {
  std::string name;
  Shape shape;
  std::string_view from;
  std::string place;                             // for errors
  std::function<Result<TensorBytes>()> produce;  // float32
};

struct Work {
  const ModelFiles* files;
  ThreadPool* pool;
  const CancelToken* cancel;
  const ProgressCallback* progress;
  const char* wider;  // what to ask for where a format is too narrow for a number
  const Importance* importance = nullptr;
  bool search = false;
  uint64_t done = 0;  // bytes of float32
  uint64_t total = 0;
};

RowEncoding encoding_of(const Matrix& matrix, const QuantFormat& format, const Work& work) {
  const int64_t width = matrix.shape[-1];
  const int64_t experts = matrix.shape.rank() == 3 ? matrix.shape[0] : 1;
  RowEncoding encoding{&format, work.search, width, {}, matrix.shape.elements() / width / experts};
  if (work.importance) encoding.importance = work.importance->of(matrix.name);
  CHECK(encoding.importance.empty() || std::cmp_equal(encoding.importance.size(), experts * width));
  return encoding;
}

// float32, all of it finite.
Result<TensorBytes> numbers_of(const Matrix& matrix) {
  TRY_ASSIGN(TensorBytes source, matrix.produce());
  const auto* values = reinterpret_cast<const float*>(source.bytes.data());
  const int64_t bad = quant_format(QuantType::kF32).first_not_finite(source.bytes.data(), matrix.shape.elements());
  if (bad >= 0) return invalid(fmt::format("number {} is {}", bad, values[bad]), matrix.place);
  return source;
}

// After a matrix: its pages of the file are given back, so that memory does not grow to all of it.
void finish(const TensorBytes& source, Work& work) {
  for (const auto& file : work.files->mapped) file->drop_pages(0, file->bytes().size());
  work.done += source.bytes.size();
}

// `matrix` in `format`; writes its error into `result`, which must live as long as the writing.
TensorToWrite quantised(const Matrix& matrix, const QuantFormat& format, QuantisedTensor& result, Work& work) {
  TensorToWrite out{matrix.name, ElementType::of(format), matrix.shape, {}};
  out.produce = [matrix, &format, &result, &work]() -> Result<TensorBytes> {
    TRY(work.cancel->check());
    if (*work.progress) {
      (*work.progress)({.stage = "quantising", .item = matrix.name, .done = work.done, .total = work.total});
    }
    TRY_ASSIGN(const TensorBytes source, numbers_of(matrix));
    const auto* values = reinterpret_cast<const float*>(source.bytes.data());
    const int64_t elements = matrix.shape.elements();
    std::vector<std::byte> blocks(static_cast<size_t>(format.bytes_of(elements)));
    const RowEncoding encoding = encoding_of(matrix, format, work);
    const EncodingError error = encode_rows(encoding, values, elements / encoding.width, blocks.data(), *work.pool);
    if (format.first_not_finite(blocks.data(), elements) >= 0) {
      return does_not_fit({values, static_cast<size_t>(elements)}, format.name, matrix.place, work.wider);
    }
    result.error = error.of_numbers;
    if (!encoding.importance.empty()) result.output_error = error.of_outputs;
    finish(source, work);
    return TensorBytes::of(std::move(blocks));
  };
  return out;
}

MixModel mix_model(const ModelDescription& model, bool tied, bool calibrated) {
  const TransformerConfig& config = model.transformer;
  return {.layers = static_cast<int64_t>(config.layers.size()),
          .experts = config.moe.experts,
          .queries_per_kv_head = config.num_heads / config.num_kv_heads,
          .tied = tied,
          .falcon = model.family->gguf_arch == "falcon",
          .calibrated = calibrated};
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
    source.matrices.back() = Matrix{tensor.name, tensor.shape, tensor.type_name(), tensor.place(),
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

std::string place_of(const ModelDescription& model, const std::string& tensor) {
  return model.files.path.string() + ": tensor " + tensor;
}

Result<Source> source_of_folder(const ModelDescription& model, const Transformer& weights, const Tokenizer* tokenizer) {
  TRY_ASSIGN(GgufOut out, to_gguf(model, weights, tokenizer, DType::kF32));
  Source source{std::move(out.writer), std::move(out.tensors), {}, std::move(out.warnings)};
  const std::string_view type = type_of_folder(model);
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    const TensorToWrite& tensor = source.tensors[i];
    source.matrices.emplace_back();
    if (out.quantisable[i])
      source.matrices.back() = Matrix{tensor.name, tensor.shape, type, place_of(model, tensor.name), tensor.produce};
  }
  return source;
}

// What a format costs a matrix's outputs, by the square of the relative error; matrices count alike, the head more.
Result<BudgetMatrix> weigh_formats(const Matrix& matrix, bool is_head, Work& work) {
  constexpr int64_t kSample = 64;  // rows
  constexpr double kHead = 4;
  TRY(work.cancel->check());
  if (*work.progress) {
    (*work.progress)({.stage = "weighing formats", .item = matrix.name, .done = work.done, .total = work.total});
  }
  TRY_ASSIGN(const TensorBytes source, numbers_of(matrix));
  const auto* values = reinterpret_cast<const float*>(source.bytes.data());
  BudgetMatrix out{matrix.shape.elements(), {}};
  for (const QuantFormat* format : formats_for_width(matrix.shape[-1])) {
    RowEncoding encoding = encoding_of(matrix, *format, work);
    encoding.search = false;  // it helps all formats about alike
    const double error = sample_error(encoding, values, out.elements / encoding.width, kSample, *work.pool).of_outputs;
    out.options.push_back({format, error * error * (is_head ? kHead : 1)});
  }
  finish(source, work);
  return out;
}

// For options.bits: a format for each matrix, in the order of the file.
Result<std::vector<MixChoice>> choose_by_budget(const Source& source, double bits, Work& work) {
  const bool tied = is_tied(source);
  std::vector<BudgetMatrix> matrices;
  uint64_t kept = 0;
  int64_t elements = 0;
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    elements += source.tensors[i].shape.elements();
    const std::optional<Matrix>& matrix = source.matrices[i];
    if (!matrix) {
      kept += source.tensors[i].bytes();
      continue;
    }
    const bool is_head = matrix->name == (tied ? "token_embd.weight" : "output.weight");
    TRY_ASSIGN(matrices.emplace_back(), weigh_formats(*matrix, is_head, work));
  }
  work.done = 0;
  const auto all = static_cast<uint64_t>(bits / 8 * static_cast<double>(elements));
  auto chosen = spend(matrices, all > kept ? all - kept : 0);
  if (!chosen.ok()) {
    return invalid(fmt::format("{:g} bits per weight are too few: {}", bits, chosen.error().message), {},
                   "rows that are no multiple of 256 take four and a half bits, others two and a half");
  }
  std::vector<MixChoice> out;
  for (size_t i = 0; i < matrices.size(); ++i) out.push_back({matrices[i].options[chosen.value()[i]].format, nullptr});
  return out;
}

// A format for each matrix, in the order of the file.
Result<std::vector<MixChoice>> choose_formats(const ModelDescription& model, const Source& source,
                                              const QuantiseOptions& options, Work& work) {
  if (!options.mix) return choose_by_budget(source, options.bits, work);
  const MixModel traits = mix_model(model, is_tied(source), options.importance != nullptr);
  std::vector<MixChoice> out;
  for (const std::optional<Matrix>& matrix : source.matrices) {
    if (matrix) out.push_back(choose_format(*options.mix, traits, matrix->name, matrix->shape));
  }
  return out;
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
  // Without a mix there is no number that would say what the matrices are; llama.cpp then looks at them.
  if (options.mix) source.writer.add("general.file_type", options.mix->file_type);
  source.writer.add("general.quantization_version", kQuantisationVersion);

  QuantiseReport report;
  report.warnings = std::move(source.warnings);
  Work work{&model.files, &pool, &cancel, &progress, "--to BF16 or F32", options.importance, options.search};
  for (const std::optional<Matrix>& matrix : source.matrices) {
    if (!matrix) continue;
    TRY(check_plain(*matrix, options));
    work.total += static_cast<uint64_t>(matrix->shape.elements()) * sizeof(float);
  }
  TRY_ASSIGN(const std::vector<MixChoice> choices, choose_formats(model, source, options, work));
  report.tensors.reserve(choices.size());  // the producers keep references
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    TensorToWrite& tensor = source.tensors[i];
    report.elements += tensor.shape.elements();
    if (const std::optional<Matrix>& matrix = source.matrices[i]) {
      const MixChoice& choice = choices[report.tensors.size()];
      report.tensors.push_back({matrix->name, matrix->from, choice.format, choice.wanted, matrix->shape.elements()});
      tensor = quantised(*matrix, *choice.format, report.tensors.back(), work);
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
  Work work{&model.files, &pool, &cancel, &progress, "--dtype bf16 or f32"};
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    TensorToWrite& tensor = source.tensors[i];
    const StoredTensor& stored = gguf.tensors().all()[i];
    report.elements += tensor.shape.elements();
    report.bytes += tensor.bytes();
    const auto found = adapted.find(tensor.name);
    if (found == adapted.end()) continue;
    const Matrix matrix{tensor.name, tensor.shape, stored.type_name(), stored.place(), found->second->produce};
    report.tensors.push_back({tensor.name, stored.type_name(), stored.format, nullptr, tensor.shape.elements()});
    tensor = quantised(matrix, *stored.format, report.tensors.back(), work);
    work.total += static_cast<uint64_t>(matrix.shape.elements()) * sizeof(float);
  }
  TRY(source.writer.write(path, source.tensors));
  return report;
}

}  // namespace linnet
