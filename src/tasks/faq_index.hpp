// Which answers of a list a question is nearest to, and whether it is nearer to what the list does not answer.
// Ownership: a value. Thread safety: const methods.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/faq.hpp"
#include "tasks/embedder.hpp"

namespace linnet {

// Tokens that are read of a question or an answer: what stands behind them says little about which is meant.
inline constexpr int64_t kFaqTokens = 64;

struct FaqMatch {
  uint32_t answer = 0;
  float similarity = 0;  // of the answer's nearest question
};

class FaqIndex {
 public:
  // Embeds the list and `others`: questions that it does not answer.
  static Result<FaqIndex> build(FaqList list, std::span<const std::string> others, const Embedder& embedder);

  // The same before the encoder has learned anything. Takes out of `others` what is so near to a question of the list
  // that it can mean the same.
  static Result<FaqIndex> build_untaught(FaqList list, std::vector<std::string>& others, const Embedder& embedder);

  // What they made, in a folder: faq.json and faq.safetensors.
  Status save(const std::filesystem::path& folder) const;
  // width: of the encoder's vectors. Errors: files that are not those of an index, or of another width.
  static Result<FaqIndex> load(const std::filesystem::path& folder, int64_t width);

  const FaqList& list() const { return list_; }
  // Every answer, the nearest first. query: (C), of length 1.
  std::vector<FaqMatch> rank(std::span<const float> query) const;
  // The cosine to the nearest of `others`; 0 where there is none.
  float nearest_other(std::span<const float> query) const;

 private:
  // Joins each question to a share of its answer.
  Status join_answers(FaqList list, const Embedder& embedder);

  FaqList list_;
  Tensor questions_;  // (Q, C) unit rows: each question with a share of its answer
  Tensor others_;     // (D, C) unit rows
};

}  // namespace linnet
