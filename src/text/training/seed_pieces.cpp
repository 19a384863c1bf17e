#include "text/training/seed_pieces.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <tuple>

#include "base/system.hpp"
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

// By weight, then by the order of their characters, both from above: first and length order as the characters do.
bool is_heavier(const Substring& a, const Substring& b) {
  const auto weight = [](const Substring& s) { return uint64_t{s.frequency} * s.length; };
  return std::tuple(weight(a), a.first, a.length) > std::tuple(weight(b), b.first, b.length);
}

void keep_heaviest(std::vector<Substring>& substrings, size_t most) {
  if (substrings.size() <= most) return;
  std::nth_element(substrings.begin(), substrings.begin() + static_cast<ptrdiff_t>(most), substrings.end(), is_heavier);
  substrings.resize(most);
}

// Suffixes of words as far as anybody looks at them: `depth` characters.
class SuffixArray {
 public:
  SuffixArray(std::u32string text, size_t depth) : text_(std::move(text)), depth_(depth) {
    suffixes_.reserve(text_.size());
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] != kWordEnd) suffixes_.push_back(static_cast<uint32_t>(i));
    }
  }

  // By quicksort of one character at a time (Bentley and Sedgewick 1997), so that it can be stopped between two steps.
  Status sort(const CancelToken& cancel) {
    std::vector<Range> open{{0, suffixes_.size(), 0, kMostSplits}};
    while (!open.empty()) {
      TRY(cancel.check());
      const Range range = open.back();
      open.pop_back();
      if (range.same == depth_) continue;
      if (range.end - range.begin <= kSmallRange || range.splits == 0) {
        sort_at_once(range);
      } else {
        split(range, open);
      }
    }
    return ok_status();
  }

  std::u32string_view at(const Substring& s) const {
    return std::u32string_view(text_).substr(suffixes_[s.first], s.length);
  }

  // The `most` heaviest inner nodes of 2 to `depth - 1` characters, the heaviest first: intervals of suffixes between
  // which the common beginning is never shorter, and somewhere as short. Requires sort().
  Result<std::vector<Substring>> repeated(size_t most, const CancelToken& cancel) const {
    constexpr uint32_t kSuffixesBetweenLooks = 1 << 16;
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
      if (i % kSuffixesBetweenLooks == 0) {
        TRY(cancel.check());
        if (found.size() / 2 > most) keep_heaviest(found, most);
      }
    }
    keep_heaviest(found, most);
    std::sort(found.begin(), found.end(), is_heavier);
    return found;
  }

 private:
  static constexpr size_t kSmallRange = 1 << 14;  // suffixes that std::sort has sorted in no time
  static constexpr int kMostSplits = 64;          // by one place, where the characters were chosen badly

  // Suffixes [begin, end) of the array, which begin with `same` characters alike.
  struct Range {
    size_t begin = 0;
    size_t end = 0;
    size_t same = 0;
    int splits = 0;
  };

  void sort_at_once(const Range& range) {
    const auto first = suffixes_.begin();
    std::sort(first + static_cast<ptrdiff_t>(range.begin), first + static_cast<ptrdiff_t>(range.end),
              [&](uint32_t a, uint32_t b) {
                const size_t same = common(a, b);
                return same < depth_ && text_[a + same] < text_[b + same];
              });
  }

  // Into those whose next character is below, is, and is above one that one of them has.
  void split(const Range& range, std::vector<Range>& open) {
    const auto next = [&](uint32_t suffix) { return text_[suffix + range.same]; };
    const char32_t low = next(suffixes_[range.begin]);
    const char32_t mid = next(suffixes_[(range.begin + range.end) / 2]);
    const char32_t high = next(suffixes_[range.end - 1]);
    const char32_t pivot = std::max(std::min(low, mid), std::min(std::max(low, mid), high));
    const auto first = suffixes_.begin();
    const auto end = first + static_cast<ptrdiff_t>(range.end);
    const auto equal = std::partition(first + static_cast<ptrdiff_t>(range.begin), end,
                                      [&](uint32_t suffix) { return next(suffix) < pivot; });
    const auto above = std::partition(equal, end, [&](uint32_t suffix) { return next(suffix) == pivot; });
    const auto equal_at = static_cast<size_t>(equal - first);
    const auto above_at = static_cast<size_t>(above - first);
    open.push_back({range.begin, equal_at, range.same, range.splits - 1});
    open.push_back({equal_at, above_at, pivot == kWordEnd ? depth_ : range.same + 1, kMostSplits});
    open.push_back({above_at, range.end, range.same, range.splits - 1});
  }

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

uint64_t count_characters(std::string_view valid_utf8) {
  return static_cast<uint64_t>(
      std::ranges::count_if(valid_utf8, [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// As much as the text and the array of its suffixes take.
Status check_memory(uint64_t characters) {
  const uint64_t needed = characters * (sizeof(char32_t) + sizeof(uint32_t));
  const uint64_t available = memory_info().available;
  if (needed <= available) return ok_status();
  return out_of_memory(fmt::format("finding the pieces of the text needs {}, and {} are free", format_bytes(needed),
                                   format_bytes(available)),
                       "train on a part of the text, or a tokenizer of kind bpe");
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

Result<std::vector<UnigramPiece>> seed_pieces(const WordCounts& words, size_t longest, size_t most,
                                              const CancelToken& cancel) {
  uint64_t length = 0;
  for (const WordCount& word : words.words()) length += count_characters(word.word) + 1;
  if (length >= std::numeric_limits<uint32_t>::max()) {
    return unsupported("the different words of the text have more than 4294967295 characters together", {},
                       "train on a part of the text");
  }
  TRY(check_memory(length));
  std::u32string text;
  text.reserve(length);
  for (const WordCount& word : words.words()) {
    for (size_t at = 0; at < word.word.size();) {
      const Utf8Step step = decode_utf8(word.word.substr(at));
      text.push_back(step.code_point);
      at += static_cast<size_t>(step.length);
    }
    text.push_back(kWordEnd);
  }
  std::vector<CharacterCount> characters = count_characters(words);
  std::erase_if(characters, [](const CharacterCount& c) { return c.character == kWordEnd; });
  std::sort(characters.begin(), characters.end(), [](const CharacterCount& a, const CharacterCount& b) {
    return std::tie(a.count, a.character) > std::tie(b.count, b.character);
  });
  SuffixArray array(std::move(text), longest + 1);
  TRY(array.sort(cancel));
  const size_t room = most > characters.size() ? most - characters.size() : 0;
  TRY_ASSIGN(const std::vector<Substring> substrings, array.repeated(room, cancel));
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
