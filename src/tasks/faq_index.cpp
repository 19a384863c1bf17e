#include "tasks/faq_index.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/file.hpp"
#include "base/json.hpp"
#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"
#include "quant/finite.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kListFile = "faq.json";
constexpr const char* kVectorFile = "faq.safetensors";
// An answer says more than its questions do, in other words: found best on the development lists of bench/faq_lists.
constexpr float kAnswerShare = 1.2f;
// From here on two questions mostly mean the same to the untaught encoder.
constexpr float kSameMeaning = 0.7f;

std::span<const float> row(const Tensor& x, int64_t i) {
  return {x.data<float>() + i * x.dim(1), static_cast<size_t>(x.dim(1))};
}

float dot(std::span<const float> x, std::span<const float> y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0f);
}

float nearest(const Tensor& rows, std::span<const float> query) {
  float best = rows.dim(0) > 0 ? -1.0f : 0.0f;
  for (int64_t i = 0; i < rows.dim(0); ++i) best = std::max(best, dot(row(rows, i), query));
  return best;
}

std::vector<std::string> texts_of(const FaqList& list) {
  std::vector<std::string> texts;
  texts.reserve(list.questions.size());
  for (const FaqList::Question& question : list.questions) texts.push_back(question.text);
  return texts;
}

}  // namespace

Status FaqIndex::join_answers(FaqList list, const Embedder& embedder) {
  TRY_ASSIGN(const Tensor answers, embedder.embed(list.answers, TooLong::kCut));
  const int64_t width = answers.dim(1);
  for (size_t i = 0; i < list.questions.size(); ++i) {
    float* vector = questions_.data<float>() + static_cast<int64_t>(i) * width;
    const std::span<const float> answer = row(answers, list.questions[i].answer);
    for (int64_t c = 0; c < width; ++c) vector[c] += kAnswerShare * answer[static_cast<size_t>(c)];
    const std::span<float> whole(vector, static_cast<size_t>(width));
    const float length = std::sqrt(dot(whole, whole));
    for (float& x : whole) x /= std::max(length, 1e-12f);
  }
  list_ = std::move(list);
  return ok_status();
}

Result<FaqIndex> FaqIndex::build(FaqList list, std::span<const std::string> others, const Embedder& embedder) {
  FaqIndex index;
  TRY_ASSIGN(index.questions_, embedder.embed(texts_of(list), TooLong::kCut));
  TRY_ASSIGN(index.others_, embedder.embed(others, TooLong::kCut));
  TRY(index.join_answers(std::move(list), embedder));
  return index;
}

Result<FaqIndex> FaqIndex::build_untaught(FaqList list, std::vector<std::string>& others, const Embedder& embedder) {
  FaqIndex index;
  TRY_ASSIGN(index.questions_, embedder.embed(texts_of(list), TooLong::kCut));
  TRY_ASSIGN(const Tensor vectors, embedder.embed(others, TooLong::kCut));
  std::vector<std::string> kept;
  std::vector<float> rows;
  for (size_t i = 0; i < others.size(); ++i) {
    const std::span<const float> vector = row(vectors, static_cast<int64_t>(i));
    if (nearest(index.questions_, vector) >= kSameMeaning) continue;
    kept.push_back(std::move(others[i]));
    rows.insert(rows.end(), vector.begin(), vector.end());
  }
  others = std::move(kept);
  index.others_ = Tensor::from(rows, Shape{static_cast<int64_t>(others.size()), vectors.dim(1)});
  TRY(index.join_answers(std::move(list), embedder));
  return index;
}

Status FaqIndex::save(const fs::path& folder) const {
  TRY(write_file(folder / kListFile, dump_json(to_json(list_), 1) + "\n"));
  return write_safetensors(folder / kVectorFile,
                           {TensorToWrite::of("questions", questions_), TensorToWrite::of("others", others_)});
}

Result<FaqIndex> FaqIndex::load(const fs::path& folder, int64_t width) {
  FaqIndex index;
  const std::string place = (folder / kListFile).string();
  TRY_ASSIGN(const Json json, read_json_file(place));
  TRY_ASSIGN(index.list_, faq_from_json(json, place));
  TRY_ASSIGN(SafetensorsFile file, open_safetensors(folder / kVectorFile));
  TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(file.tensors)));
  const auto read = [&](const char* name, Tensor& out) -> Status {
    TRY_ASSIGN(const StoredTensor* tensor, source.get(name));
    if (tensor->shape.rank() != 2 || tensor->shape[1] != width) {
      return invalid("are not vectors of this encoder", tensor->place());
    }
    out = to_f32(*tensor);
    if (first_not_finite(out.data<float>(), out.elements()) >= 0) {
      return invalid("holds NaN or infinite numbers", tensor->place());
    }
    return ok_status();
  };
  TRY(read("questions", index.questions_));
  TRY(read("others", index.others_));
  if (index.questions_.dim(0) != static_cast<int64_t>(index.list_.questions.size())) {
    return invalid("holds other questions than " + std::string(kListFile), (folder / kVectorFile).string());
  }
  return index;
}

std::vector<FaqMatch> FaqIndex::rank(std::span<const float> query) const {
  std::vector<FaqMatch> matches(list_.answers.size());
  for (size_t a = 0; a < matches.size(); ++a) matches[a] = {static_cast<uint32_t>(a), -1};
  for (size_t i = 0; i < list_.questions.size(); ++i) {
    float& best = matches[list_.questions[i].answer].similarity;
    best = std::max(best, dot(row(questions_, static_cast<int64_t>(i)), query));
  }
  std::stable_sort(matches.begin(), matches.end(),
                   [](const FaqMatch& x, const FaqMatch& y) { return x.similarity > y.similarity; });
  return matches;
}

float FaqIndex::nearest_other(std::span<const float> query) const {
  return nearest(others_, query);
}

}  // namespace linnet
