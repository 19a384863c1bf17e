#include "text/training/seed_pieces.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "base/utf8.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr char32_t kWordEnd = 0;  // U+0000 in a text is no part of any piece, as in the peer

// A substring: the beginning of the suffixes [first, first + frequency) of the sorted array.
struct Substring {
  uint32_t first = 0;
  uint32_t frequency = 0;
  uint32_t length = 0;  // characters
};

// Suffixes of words as far as anybody looks at them: `depth` characters.
class SuffixArray {
 public:
  SuffixArray(std::u32string text, size_t depth) : text_(std::move(text)), depth_(depth) {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] != kWordEnd) suffixes_.push_back(static_cast<uint32_t>(i));
    }
    std::sort(suffixes_.begin(), suffixes_.end(), [&](uint32_t a, uint32_t b) {
      const size_t same = common(a, b);
      return same < depth_ && text_[a + same] < text_[b + same];
    });
  }

  std::u32string_view at(const Substring& s) const {
    return std::u32string_view(text_).substr(suffixes_[s.first], s.length);
  }

  // The inner nodes of 2 to `depth - 1` characters: intervals of suffixes between which the common beginning is never
  // shorter, and somewhere as short.
  std::vector<Substring> repeated() const {
    std::vector<Substring> found;
    std::vector<Substring> open;  // nested, the longest last; frequency is not known yet
    for (uint32_t i = 1; i <= suffixes_.size(); ++i) {
      const auto same = static_cast<uint32_t>(i < suffixes_.size() ? common(suffixes_[i - 1], suffixes_[i]) : 0);
      uint32_t first = i - 1;
      while (!open.empty() && open.back().length > same) {
        Substring closed = open.back();
        open.pop_back();
        closed.frequency = i - closed.first;
        first = closed.first;
        if (closed.length >= 2 && closed.length < depth_) found.push_back(closed);
      }
      if (same > 0 && (open.empty() || open.back().length < same)) open.push_back({first, 0, same});
    }
    return found;
  }

 private:
  // How many characters two suffixes begin with alike; depth_ where they are alike as far as they go.
  size_t common(uint32_t a, uint32_t b) const {
    for (size_t i = 0; i < depth_; ++i) {
      if (text_[a + i] != text_[b + i]) return i;
      if (text_[a + i] == kWordEnd) return depth_;
    }
    return depth_;
  }

  std::u32string text_;
  size_t depth_;
  std::vector<uint32_t> suffixes_;
};

// Weights to logarithms of probabilities.
void normalise(std::vector<UnigramPiece>& pieces) {
  double sum = 0;
  for (const UnigramPiece& piece : pieces) sum += piece.score;
  const double log_sum = std::log(sum);
  for (UnigramPiece& piece : pieces) piece.score = std::log(piece.score) - log_sum;
}

}  // namespace

std::vector<CharacterCount> count_characters(const WordCounts& words) {
  std::map<char32_t, uint64_t> counts;
  for (const WordCount& word : words.words()) {
    for (size_t at = 0; at < word.word.size();) {
      const Utf8Step step = decode_utf8(word.word.substr(at));
      counts[step.code_point] += word.count;
      at += static_cast<size_t>(step.length);
    }
  }
  std::vector<CharacterCount> out;
  out.reserve(counts.size());
  for (const auto& [character, count] : counts) out.push_back({character, count});
  return out;
}

Result<std::vector<UnigramPiece>> seed_pieces(const WordCounts& words, size_t longest, size_t most) {
  std::u32string text;
  for (const WordCount& word : words.words()) {
    for (size_t at = 0; at < word.word.size();) {
      const Utf8Step step = decode_utf8(word.word.substr(at));
      text.push_back(step.code_point);
      at += static_cast<size_t>(step.length);
    }
    text.push_back(kWordEnd);
  }
  if (text.size() >= std::numeric_limits<uint32_t>::max()) {
    return unsupported("the different words of the text have more than 4294967295 characters together", {},
                       "train on a part of the text");
  }
  std::vector<CharacterCount> characters = count_characters(words);
  std::erase_if(characters, [](const CharacterCount& c) { return c.character == kWordEnd; });
  std::sort(characters.begin(), characters.end(), [](const CharacterCount& a, const CharacterCount& b) {
    return std::tie(a.count, a.character) > std::tie(b.count, b.character);
  });
  const SuffixArray array(std::move(text), longest + 1);
  std::vector<Substring> substrings = array.repeated();
  // By weight, then by the order of their characters, both from above: first and length order as the characters do.
  std::sort(substrings.begin(), substrings.end(), [](const Substring& a, const Substring& b) {
    const auto weight = [](const Substring& s) { return uint64_t{s.frequency} * s.length; };
    return std::tuple(weight(a), a.first, a.length) > std::tuple(weight(b), b.first, b.length);
  });
  if (characters.size() + substrings.size() > most) {
    substrings.resize(most > characters.size() ? most - characters.size() : 0);
  }
  std::vector<UnigramPiece> pieces;
  pieces.reserve(characters.size() + substrings.size());
  for (const CharacterCount& c : characters)
    pieces.push_back({jinja::encode({&c.character, 1}), static_cast<double>(c.count)});
  for (const Substring& s : substrings) {
    pieces.push_back({jinja::encode(array.at(s)), static_cast<double>(s.frequency) * s.length});
  }
  normalise(pieces);
  return pieces;
}

}  // namespace linnet
