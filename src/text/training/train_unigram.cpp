#include "text/training/train_unigram.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.hpp"
#include "text/training/piece_lattice.hpp"

namespace linnet {

namespace {

constexpr size_t kLongestPiece = 16;  // characters
constexpr size_t kMostSeeds = 1'000'000;
constexpr int kRoundsOfEm = 2;          // between prunings
constexpr double kKept = 0.75;          // of the pieces, at a pruning
constexpr double kLeastExpected = 0.5;  // of a piece that stays
// Sums are made in so many parts, which are added in order: the bits are the same on any number of threads.
constexpr size_t kSumParts = 8;

double digamma(double x) {
  double result = 0;
  for (; x < 7.0; x += 1.0) result -= 1.0 / x;
  x -= 0.5;
  const double x2 = 1.0 / x * (1.0 / x);
  const double x4 = x2 * x2;
  return result +
         (std::log(x) + (1.0 / 24.0) * x2 - 7.0 / 960.0 * x4 + (31.0 / 8064.0) * x4 * x2 - (127.0 / 30720.0) * x4 * x4);
}

std::string spell(char32_t character) {
  std::string out;
  append_utf8(out, character);
  return out;
}

class UnigramTrainer {
 public:
  UnigramTrainer(const WordCounts& words, const UnigramTraining& options, const TrainingRun& run)
      : words_(words.words()), options_(options), run_(run) {}

  Result<TrainedUnigram> train(const WordCounts& words) {
    std::vector<std::string> required = required_characters(words);
    const auto least = required.size() + static_cast<size_t>(options_.specials) + 1;
    if (least > static_cast<size_t>(options_.vocab_size)) {
      return usage_error(fmt::format("a vocabulary of {} has no room for the {} characters of the text and {} more "
                                     "tokens",
                                     options_.vocab_size, required.size(), options_.specials + 1),
                         fmt::format("{} is the least", least));
    }
    report("finding pieces", 0, 0);
    TRY_ASSIGN(std::vector<UnigramPiece> seeds, seed_pieces(words, kLongestPiece, kMostSeeds, run_.cancel));
    pieces_.reserve(seeds.size() + 1);
    pieces_.push_back({"", std::numeric_limits<double>::quiet_NaN()});  // unknown
    std::move(seeds.begin(), seeds.end(), std::back_inserter(pieces_));
    TRY(shrink());
    TrainedUnigram out;
    out.pieces = final_pieces(required);
    TRY_ASSIGN(out.tokens, count_tokens(out.pieces));
    return out;
  }

 private:
  std::vector<std::string> required_characters(const WordCounts& words) const {
    std::u32string characters = options_.alphabet;
    for (const CharacterCount& c : count_characters(words)) characters.push_back(c.character);
    std::sort(characters.begin(), characters.end());
    characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
    std::vector<std::string> out;
    for (const char32_t c : characters) out.push_back(spell(c));
    return out;
  }

  void report(const char* stage, size_t done, size_t total) const {
    run_.progress({.stage = stage, .done = done, .total = total, .unit = ProgressUnit::kCount});
  }

  // Calls body(lattice, word, part) for every word; `part` below kSumParts. Stops early when cancelled.
  template <class Body>
  Status for_each_word(const PieceTable& table, const Body& body) const {
    run_.pool.parallel_for(kSumParts, 1, [&](int64_t first, int64_t last, int) {
      for (auto part = static_cast<size_t>(first); part < static_cast<size_t>(last); ++part) {
        PieceLattice lattice(table);
        const size_t end = words_.size() * (part + 1) / kSumParts;
        for (size_t i = words_.size() * part / kSumParts; i < end; ++i) {
          if (run_.cancel.cancelled()) return;
          lattice.build(words_[i].word);
          body(lattice, words_[i], part);
        }
      }
    });
    return run_.cancel.check();
  }

  // EM and pruning until there are no more than a tenth too many pieces.
  Status shrink() {
    const size_t wanted = static_cast<size_t>(options_.vocab_size) * 11 / 10;
    const auto too_many = [&] { return pieces_.size() > wanted ? pieces_.size() - wanted : 0; };
    const size_t at_first = too_many();
    for (;;) {
      report("pruning pieces", at_first - too_many(), at_first);
      PieceTable table(pieces_);
      for (int round = 0; round < kRoundsOfEm; ++round) TRY(maximise_expectation(table));
      if (too_many() == 0) return ok_status();
      const size_t before = pieces_.size();
      TRY(prune(table, wanted));
      if (pieces_.size() == before) return ok_status();  // nothing has an alternative: final_pieces() cuts
    }
  }

  Status maximise_expectation(PieceTable& table) {
    std::vector<std::vector<double>> parts(kSumParts, std::vector<double>(table.size()));
    TRY(for_each_word(table, [&](PieceLattice& lattice, const WordCount& word, size_t part) {
      lattice.add_expected(static_cast<double>(word.count), parts[part]);
    }));
    std::vector<double> expected = std::move(parts[0]);
    for (size_t part = 1; part < kSumParts; ++part) {
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += parts[part][i];
    }
    std::vector<uint32_t> kept{0};
    double sum = 0;
    for (size_t i = 1; i < expected.size(); ++i) {
      if (expected[i] < kLeastExpected) continue;
      kept.push_back(static_cast<uint32_t>(i));
      sum += expected[i];
    }
    const double log_sum = digamma(sum);
    for (size_t i = 1; i < kept.size(); ++i) {
      if (kept[i] != i) pieces_[i].text = std::move(pieces_[kept[i]].text);
      pieces_[i].score = digamma(expected[kept[i]]) - log_sum;
    }
    pieces_.resize(kept.size());
    table.update(pieces_, kept);
    return ok_status();
  }

  // How often each piece stands in the best ways to cut the words.
  Result<std::vector<double>> best_frequencies(const PieceTable& table) const {
    std::vector<std::vector<double>> parts(kSumParts, std::vector<double>(table.size()));
    TRY(for_each_word(table, [&](PieceLattice& lattice, const WordCount& word, size_t part) {
      for (const int32_t piece : lattice.best()) {
        parts[part][static_cast<size_t>(piece)] += static_cast<double>(word.count);
      }
    }));
    for (size_t part = 1; part < kSumParts; ++part) {
      for (size_t i = 0; i < parts[0].size(); ++i) parts[0][i] += parts[part][i];
    }
    return std::move(parts[0]);
  }

  // What each piece would be cut into if it were gone: empty where nothing else gives it, or where that is `weak`, less
  // likely than something else.
  struct Alternative {
    std::vector<int32_t> pieces;
    bool weak = false;
  };
  Result<std::vector<Alternative>> alternatives(const PieceTable& table) const {
    std::vector<Alternative> found(pieces_.size());
    run_.pool.parallel_for(static_cast<int64_t>(pieces_.size()), 1024, [&](int64_t first, int64_t last, int) {
      if (run_.cancel.cancelled()) return;
      PieceLattice lattice(table);
      for (auto i = static_cast<size_t>(std::max<int64_t>(first, 1)); i < static_cast<size_t>(last); ++i) {
        lattice.build(pieces_[i].text);
        found[i].weak = !lattice.without_whole(found[i].pieces);
      }
    });
    TRY(run_.cancel.check());
    return found;
  }

  // Drops the pieces without which the text would be hardly less likely. The loss is estimated as if every occurrence
  // of the piece became its alternative. The peer counts the tokens that this adds by the number of all pieces, where
  // sentencepiece counts those of the alternative: it keeps more of the pieces that are frequent words with a comma.
  Status prune(const PieceTable& table, size_t wanted) {
    TRY_ASSIGN(const std::vector<Alternative> others, alternatives(table));
    TRY_ASSIGN(const std::vector<double> frequency, best_frequencies(table));
    double words = 0;
    for (const WordCount& word : words_) words += static_cast<double>(word.count);
    const double sum = std::accumulate(frequency.begin(), frequency.end(), 0.0);
    const double log_sum = std::log(sum);
    std::vector<uint32_t> kept{0};
    std::vector<std::pair<double, uint32_t>> candidates;  // loss, piece
    for (uint32_t i = 1; i < pieces_.size(); ++i) {
      const std::vector<int32_t>& other = others[i].pieces;
      const double own = frequency[i];
      if (own == 0 && (others[i].weak || !other.empty())) continue;
      if (other.empty()) {
        kept.push_back(i);
        continue;
      }
      const double log_sum_without = std::log(sum + own * static_cast<double>(pieces_.size() - 1));
      double without = 0;
      for (const int32_t piece : other) {
        without += std::log(frequency[static_cast<size_t>(piece)] + own) - log_sum_without;
      }
      candidates.emplace_back(own / words * (std::log(own) - log_sum - without), i);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    const size_t size = std::max(wanted, static_cast<size_t>(static_cast<double>(pieces_.size()) * kKept));
    for (size_t i = 0; i < candidates.size() && kept.size() < size; ++i) kept.push_back(candidates[i].second);
    std::vector<UnigramPiece> next;
    next.reserve(kept.size());
    for (const uint32_t i : kept) next.push_back(std::move(pieces_[i]));
    pieces_ = std::move(next);
    return ok_status();
  }

  // The required characters, then the pieces that pruning would have kept longest, as many as there is room for.
  std::vector<UnigramPiece> final_pieces(const std::vector<std::string>& required) const {
    constexpr double kPenaltyStep = 0.0001;  // so that no two characters without a score of their own have the same
    double least = std::numeric_limits<double>::infinity();
    std::unordered_map<std::string_view, double> scores;
    for (size_t i = 1; i < pieces_.size(); ++i) {
      scores.emplace(pieces_[i].text, pieces_[i].score);
      least = std::min(least, pieces_[i].score);
    }
    if (scores.empty()) least = 0;
    std::vector<UnigramPiece> out;
    std::unordered_set<std::string_view> taken(options_.reserved.begin(), options_.reserved.end());
    double penalty = 0;
    for (const std::string& character : required) {
      const auto own = scores.find(character);
      out.push_back({character, own == scores.end() ? least + penalty : own->second});
      if (own == scores.end()) penalty += kPenaltyStep;
      taken.insert(character);
    }
    const auto size = static_cast<size_t>(options_.vocab_size - options_.specials - 1);
    for (size_t i = 1; i < pieces_.size() && out.size() < size; ++i) {
      if (taken.insert(pieces_[i].text).second) out.push_back(pieces_[i]);
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const UnigramPiece& a, const UnigramPiece& b) { return a.score > b.score; });
    return out;
  }

  Result<uint64_t> count_tokens(std::span<const UnigramPiece> pieces) const {
    std::vector<UnigramPiece> with_unknown{{}};
    with_unknown.insert(with_unknown.end(), pieces.begin(), pieces.end());
    TRY_ASSIGN(const std::vector<double> frequency, best_frequencies(PieceTable(with_unknown)));
    return static_cast<uint64_t>(std::accumulate(frequency.begin(), frequency.end(), 0.0));
  }

  std::span<const WordCount> words_;
  const UnigramTraining& options_;
  const TrainingRun& run_;
  std::vector<UnigramPiece> pieces_;  // the first is the unknown one
};

}  // namespace

Result<TrainedUnigram> train_unigram(const WordCounts& words, const UnigramTraining& options, const TrainingRun& run) {
  return UnigramTrainer(words, options, run).train(words);
}

TrainedUnigram train_characters(const WordCounts& words, const std::u32string& alphabet, size_t most,
                                bool byte_tokens) {
  std::vector<CharacterCount> characters = count_characters(words);
  TrainedUnigram out;
  uint64_t all = 0;
  for (const CharacterCount& c : characters) all += c.count;
  out.tokens = all;
  for (const char32_t c : alphabet) {
    const auto place = std::lower_bound(characters.begin(), characters.end(), c,
                                        [](const CharacterCount& a, char32_t b) { return a.character < b; });
    if (place == characters.end() || place->character != c) characters.insert(place, {c, 1});
  }
  if (characters.size() > most) {
    const auto rank = [&](const CharacterCount& c) {
      return std::pair(alphabet.find(c.character) != std::u32string::npos, c.count);
    };
    std::stable_sort(characters.begin(), characters.end(),
                     [&](const CharacterCount& a, const CharacterCount& b) { return rank(a) > rank(b); });
    for (size_t i = most; byte_tokens && i < characters.size(); ++i) {
      out.tokens += characters[i].count * (spell(characters[i].character).size() - 1);
    }
    characters.resize(most);
    std::sort(characters.begin(), characters.end(),
              [](const CharacterCount& a, const CharacterCount& b) { return a.character < b.character; });
  }
  for (const CharacterCount& c : characters) {
    out.pieces.push_back({spell(c.character), std::log(static_cast<double>(c.count) / static_cast<double>(all))});
  }
  return out;
}

}  // namespace linnet
