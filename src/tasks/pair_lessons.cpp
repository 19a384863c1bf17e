#include "tasks/pair_lessons.hpp"

#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "data/split.hpp"
#include "ops/elementwise.hpp"
#include "train/contrastive.hpp"

namespace linnet {

namespace {

constexpr float kPairTemperature = 0.05f;  // as sentence-transformers' MultipleNegativesRankingLoss: a scale of 20

std::vector<uint32_t> numbered(const std::vector<std::string>& texts) {
  std::unordered_map<std::string_view, uint32_t> numbers;
  std::vector<uint32_t> out;
  out.reserve(texts.size());
  for (const std::string& text : texts) {
    out.push_back(numbers.emplace(text, static_cast<uint32_t>(numbers.size())).first->second);
  }
  return out;
}

Result<Tensor> vectors_of(const Embedder& embedder, const std::vector<std::vector<int32_t>>& all,
                          std::span<const uint32_t> chosen) {
  std::vector<std::vector<int32_t>> texts;
  texts.reserve(chosen.size());
  for (const uint32_t i : chosen) texts.push_back(all[i]);
  return embedder.embed(texts);
}

}  // namespace

Result<TokenPairs> token_pairs(const Embedder& embedder, const std::vector<std::string>& first,
                               const std::vector<std::string>& second) {
  TokenPairs pairs;
  TRY_ASSIGN(pairs.first, embedder.encode(first, TooLong::kCut));
  TRY_ASSIGN(pairs.second, embedder.encode(second, TooLong::kCut));
  pairs.first_text = numbered(first);
  pairs.second_text = numbered(second);
  return pairs;
}

std::vector<uint32_t> pairs_of_step(const TokenPairs& pairs, int64_t pairs_per_step, int64_t step, uint64_t seed) {
  const int64_t steps_of_an_epoch = static_cast<int64_t>(pairs.size()) / pairs_per_step;
  const std::vector<uint32_t> order = shuffled(pairs.size(), seed, static_cast<uint64_t>(step / steps_of_an_epoch));
  const int64_t begin = step % steps_of_an_epoch * pairs_per_step;
  std::vector<uint32_t> chosen;
  std::unordered_set<uint32_t> firsts, seconds;
  for (int64_t i = begin; i < begin + pairs_per_step; ++i) {
    const uint32_t pair = order[static_cast<size_t>(i)];
    if (firsts.contains(pairs.first_text[pair]) || seconds.contains(pairs.second_text[pair])) continue;
    firsts.insert(pairs.first_text[pair]);
    seconds.insert(pairs.second_text[pair]);
    chosen.push_back(pair);
  }
  return chosen;
}

Result<Tensor> pair_loss(Context& ctx, const Embedder& embedder, const TokenPairs& pairs,
                         std::span<const uint32_t> chosen) {
  TRY_ASSIGN(const Tensor first, vectors_of(embedder, pairs.first, chosen));
  TRY_ASSIGN(const Tensor second, vectors_of(embedder, pairs.second, chosen));
  std::vector<int32_t> partners(chosen.size());
  std::iota(partners.begin(), partners.end(), 0);
  const Tensor there = contrastive_loss(ctx, first, second, partners, kPairTemperature);
  const Tensor back = contrastive_loss(ctx, second, first, partners, kPairTemperature);
  return ops::scale(ctx, ops::add(ctx, there, back), 0.5f);
}

}  // namespace linnet
