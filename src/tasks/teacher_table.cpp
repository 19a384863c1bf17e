#include "tasks/teacher_table.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "engine/sampler.hpp"
#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"

namespace linnet {

namespace {

constexpr const char* kKeyNote = "key";
constexpr const char* kIds = "ids";
constexpr const char* kProbabilities = "probabilities";

// A tensor of the file, in memory of its own.
Result<Tensor> read_tensor(const TensorSource& source, const char* name, DType dtype, const Shape& shape) {
  TRY_ASSIGN(const StoredTensor* stored, source.get(name));
  if (stored->dtype != dtype || stored->shape != shape) {
    return invalid(fmt::format("is {} {}, not {}", stored->type_name(), stored->shape.to_string(), shape.to_string()),
                   stored->place());
  }
  return as_tensor(*stored).clone();
}

// One row: known tokens, each once, and what may be their probabilities.
bool is_row(std::span<const int32_t> ids, std::span<const float> probabilities, int64_t vocab) {
  constexpr double kRounding = 1e-4;
  double sum = 0;
  for (const float p : probabilities) {
    if (!(p >= 0)) return false;
    sum += p;
  }
  std::vector<int32_t> sorted(ids.begin(), ids.end());
  std::ranges::sort(sorted);
  return sum <= 1 + kRounding && sorted.front() >= 0 && sorted.back() < vocab &&
         std::ranges::adjacent_find(sorted) == sorted.end();
}

}  // namespace

TeacherTable::TeacherTable(const TokenSet& set, int64_t top) : top_(top), begin_{0} {
  for (const TokenSequence& sequence : set.sequences) {
    begin_.push_back(begin_.back() + std::ranges::count(sequence.learned, 1));
  }
}

Result<TeacherTable> TeacherTable::make(Context& ctx, const Transformer& teacher, const TokenSet& set,
                                        int64_t row_length, int64_t top, int64_t vocab, const CancelToken* cancel,
                                        const ProgressCallback& progress) {
  TeacherTable table(set, top);
  table.ids_ = Tensor::empty(DType::kI32, {table.begin_.back(), top});
  table.probabilities_ = Tensor::empty(DType::kF32, {table.begin_.back(), top});
  Progress state{.stage = "asking the teacher", .total = set.sequences.size(), .unit = ProgressUnit::kCount};
  RateMeter meter;
  for (const PackedRow& row : pack_epoch(set, static_cast<uint32_t>(row_length), 0, 0)) {
    if (cancel) TRY(cancel->check());
    std::vector<int64_t> places;  // in the table, of each learned token of the row
    for (const uint32_t sequence : row) {
      for (int64_t at = table.begin_[sequence]; at < table.begin_[sequence + 1]; ++at) places.push_back(at);
    }
    const auto note = [&](int64_t first, const Tensor& logits) {
      const int64_t known = std::min(vocab, logits.dim(1));
      ctx.for_rows(logits.dim(0), 4 * known, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const std::span<const float> all(logits.data<float>() + r * logits.dim(1), static_cast<size_t>(known));
          const std::vector<TokenChance> likeliest = top_tokens(all, static_cast<int32_t>(top));
          const int64_t to = places[static_cast<size_t>(first + r)] * top;
          for (size_t i = 0; i < likeliest.size(); ++i) {
            table.ids_.data<int32_t>()[to + static_cast<int64_t>(i)] = likeliest[i].id;
            table.probabilities_.data<float>()[to + static_cast<int64_t>(i)] = std::exp(likeliest[i].log_probability);
          }
        }
      });
    };
    TRY(teacher.visit_logits(ctx, batch_of(set, row).batch, note));
    state.done += row.size();
    meter.add(state.done, RateMeter::Clock::now());
    meter.fill(state, RateMeter::Clock::now());
    if (progress) progress(state);
  }
  return table;
}

Result<TeacherTable> TeacherTable::open(const std::filesystem::path& path, const std::string& key, const TokenSet& set,
                                        int64_t top, int64_t vocab) {
  TRY_ASSIGN(SafetensorsFile file, open_safetensors(path));
  if (file.metadata[kKeyNote] != key) return invalid("was computed from something else", path.string());
  TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(file.tensors)));
  TeacherTable table(set, top);
  const Shape shape{table.begin_.back(), top};
  TRY_ASSIGN(table.ids_, read_tensor(source, kIds, DType::kI32, shape));
  TRY_ASSIGN(table.probabilities_, read_tensor(source, kProbabilities, DType::kF32, shape));
  const auto k = static_cast<size_t>(top);
  for (size_t row = 0; row < static_cast<size_t>(shape[0]); ++row) {
    if (is_row(table.ids_.span<int32_t>().subspan(row * k, k), table.probabilities_.span<float>().subspan(row * k, k),
               vocab)) {
      continue;
    }
    return invalid(fmt::format("row {} holds no probabilities of tokens", row), path.string());
  }
  return table;
}

Status TeacherTable::save(const std::filesystem::path& path, const std::string& key) const {
  SafetensorsOptions options;
  options.max_shard_bytes = UINT64_MAX;
  options.metadata[kKeyNote] = key;
  std::vector<TensorToWrite> tensors;
  tensors.push_back(TensorToWrite::of(kIds, ids_));
  tensors.push_back(TensorToWrite::of(kProbabilities, probabilities_));
  return write_safetensors(path, std::move(tensors), options);
}

TeacherRows TeacherTable::rows_of(const PackedRow& row, float weight) const {
  TeacherRows rows{.top = top_, .weight = weight};
  for (const uint32_t sequence : row) {
    const auto begin = static_cast<size_t>(begin_[sequence] * top_);
    const auto count = static_cast<size_t>((begin_[sequence + 1] - begin_[sequence]) * top_);
    const auto ids = ids_.span<int32_t>().subspan(begin, count);
    const auto probabilities = probabilities_.span<float>().subspan(begin, count);
    rows.ids.insert(rows.ids.end(), ids.begin(), ids.end());
    rows.probabilities.insert(rows.probabilities.end(), probabilities.begin(), probabilities.end());
  }
  return rows;
}

}  // namespace linnet
