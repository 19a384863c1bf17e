#include "text/pre_tokenizer.hpp"

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

std::string_view word_text(const PreText& text, const TextSpan& word) {
  return text.text.substr(word.begin, word.end - word.begin);
}

class SplitStage : public PreTokenizer {
 public:
  SplitStage(std::unique_ptr<Matcher> matcher, SplitBehavior behavior, bool invert)
      : matcher_(std::move(matcher)), behavior_(behavior), invert_(invert) {}

  Status apply(PreText& text, TextGrowth&) const override {
    std::vector<TextSpan> words;
    words.reserve(text.words.size());
    std::vector<TextSpan> matches;
    for (const TextSpan& word : text.words) {
      if (behavior_ == SplitBehavior::kIsolated) {
        TRY(matcher_->find(word_text(text, word), word.begin, true, words));
        continue;
      }
      matches.clear();
      TRY(matcher_->find(word_text(text, word), word.begin, false, matches));
      if (behavior_ == SplitBehavior::kRemoved && invert_) {
        words.insert(words.end(), matches.begin(), matches.end());
      } else {
        join(word, matches, words);
      }
    }
    text.words = std::move(words);
    return ok_status();
  }

 private:
  struct Part {
    TextSpan span;
    bool delimiter;
  };

  void join(const TextSpan& word, const std::vector<TextSpan>& matches, std::vector<TextSpan>& out) const {
    std::vector<Part> parts;
    size_t at = word.begin;
    for (const TextSpan& match : matches) {
      if (at < match.begin) parts.push_back({{at, match.begin}, invert_});
      parts.push_back({match, !invert_});
      at = match.end;
    }
    if (at < word.end) parts.push_back({{at, word.end}, invert_});

    const size_t first = out.size();
    for (size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      const bool after_delimiter = i > 0 && parts[i - 1].delimiter;
      const bool grow = out.size() > first;
      switch (behavior_) {
        case SplitBehavior::kRemoved:
          if (!part.delimiter) out.push_back(part.span);
          break;
        case SplitBehavior::kMergedWithPrevious:
          // A delimiter joins what stands before it, unless that is a delimiter too.
          if (part.delimiter && !after_delimiter && grow) {
            out.back().end = part.span.end;
          } else {
            out.push_back(part.span);
          }
          break;
        case SplitBehavior::kMergedWithNext:
          if (!part.delimiter && after_delimiter && grow) {
            out.back().end = part.span.end;
          } else {
            out.push_back(part.span);
          }
          break;
        case SplitBehavior::kContiguous:
          if (i > 0 && part.delimiter == after_delimiter && grow) {
            out.back().end = part.span.end;
          } else {
            out.push_back(part.span);
          }
          break;
        case SplitBehavior::kIsolated:
          out.push_back(part.span);
          break;
      }
    }
  }

  std::unique_ptr<Matcher> matcher_;
  SplitBehavior behavior_;
  bool invert_;
};

// Gives every word a new text: `spell(word, first, out)` appends it to `out`, a few bytes for one at most.
template <class Spell>
Status rewrite(const char* rule, PreText& text, TextGrowth& growth, Spell spell) {
  std::string made;
  made.reserve(text.text.size() + text.text.size() / 4 + 16);
  for (size_t i = 0; i < text.words.size(); ++i) {
    const size_t begin = made.size();
    spell(word_text(text, text.words[i]), text.starts_input && text.words[i].begin == 0, made);
    text.words[i] = {begin, made.size()};
  }
  TRY(growth.take(rule, text.text.size(), made.size()));
  text.storage = std::move(made);
  text.text = text.storage;
  return ok_status();
}

class PrefixSpaceStage : public PreTokenizer {
 public:
  Status apply(PreText& text, TextGrowth& growth) const override {
    return rewrite("ByteLevel's add_prefix_space", text, growth, [](std::string_view word, bool, std::string& out) {
      if (!word.starts_with(' ')) out.push_back(' ');
      out += word;
    });
  }
};

class ByteLettersStage : public PreTokenizer {
 public:
  Status apply(PreText& text, TextGrowth& growth) const override {
    return rewrite("ByteLevel", text, growth,
                   [](std::string_view word, bool, std::string& out) { out += bytes_to_letters(word); });
  }
};

class MetaspaceStage : public PreTokenizer {
 public:
  MetaspaceStage(std::string mark, PrependScheme scheme, bool split)
      : mark_(std::move(mark)),
        scheme_(scheme),
        split_(split ? split_stage(literal_matcher(mark_), SplitBehavior::kMergedWithNext, false) : nullptr) {}

  Status apply(PreText& text, TextGrowth& growth) const override {
    TRY(rewrite("Metaspace", text, growth, [&](std::string_view word, bool first, std::string& out) {
      const bool wants = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && first);
      if (wants && !word.starts_with(mark_) && !word.starts_with(' ')) out += mark_;
      for (const char c : word) {
        if (c == ' ') {
          out += mark_;
        } else {
          out.push_back(c);
        }
      }
    }));
    return split_ ? split_->apply(text, growth) : ok_status();
  }

 private:
  std::string mark_;
  PrependScheme scheme_;
  std::unique_ptr<PreTokenizer> split_;
};

class FixedLengthStage : public PreTokenizer {
 public:
  explicit FixedLengthStage(size_t length) : length_(length) {}

  Status apply(PreText& text, TextGrowth&) const override {
    std::vector<TextSpan> words;
    for (const TextSpan& word : text.words) {
      TextSpan part{word.begin, word.begin};
      size_t characters = 0;
      while (part.end < word.end) {
        part.end += static_cast<size_t>(decode_utf8(text.text.substr(part.end, word.end - part.end)).length);
        if (++characters == length_ || part.end == word.end) {
          words.push_back(part);
          part.begin = part.end;
          characters = 0;
        }
      }
    }
    text.words = std::move(words);
    return ok_status();
  }

 private:
  size_t length_;
};

class LlamaCppBertStage : public PreTokenizer {
 public:
  LlamaCppBertStage(bool lowercase, bool strip_accents) : lowercase_(lowercase), strip_accents_(strip_accents) {}

  Status apply(PreText& text, TextGrowth& growth) const override {
    std::string made;
    std::vector<TextSpan> words;
    bool in_word = false;
    const auto begin_word = [&] {
      words.push_back({made.size(), made.size()});
      made += "\u2581";
    };
    for (const TextSpan& word : text.words) {
      in_word = false;
      for (size_t at = word.begin; at < word.end;) {
        const Utf8Step step = decode_utf8(text.text.substr(at, word.end - at));
        at += static_cast<size_t>(step.length);
        const char32_t c = strip_accents_ ? first_of_decomposition(step.code_point) : step.code_point;
        const uint16_t flags = CharTable::get().flags(c);
        if (flags & kWhiteSpace) {
          in_word = false;
          continue;
        }
        if (c == 0 || c == kReplacementCharacter || (flags & (kControl | kFormat)) || is_private_use(c)) continue;
        if (strip_accents_ && (flags & kMark)) continue;
        const bool alone = (flags & kPunctuation) || (c < 0x7F && (flags & kSymbol)) || is_cjk_ideograph(c);
        if (alone || !in_word) begin_word();
        in_word = !alone;
        if (lowercase_) {
          append_utf8(made, simple_lowercase(c));
        } else {
          append_utf8(made, c);
        }
        words.back().end = made.size();
      }
    }
    TRY(growth.take("BERT's words", text.text.size(), made.size()));
    text.storage = std::move(made);
    text.text = text.storage;
    text.words = std::move(words);
    return ok_status();
  }

 private:
  bool lowercase_;
  bool strip_accents_;
};

// Matches each character, or each run of characters, whose class is not 0; a run is of one class.
template <class ClassOf>
class ClassMatcher : public Matcher {
 public:
  ClassMatcher(ClassOf class_of, bool runs) : class_of_(class_of), runs_(runs) {}

  Status find(std::string_view text, size_t base, bool gaps, std::vector<TextSpan>& out) const override {
    size_t gap = 0;
    for (size_t at = 0; at < text.size();) {
      const Utf8Step step = decode_utf8(text.substr(at));
      const int kind = class_of_(step.code_point);
      size_t end = at + static_cast<size_t>(step.length);
      if (kind == 0) {
        at = end;
        continue;
      }
      while (runs_ && end < text.size()) {
        const Utf8Step next = decode_utf8(text.substr(end));
        if (class_of_(next.code_point) != kind) break;
        end += static_cast<size_t>(next.length);
      }
      if (gaps && gap < at) out.push_back({base + gap, base + at});
      out.push_back({base + at, base + end});
      at = gap = end;
    }
    if (gaps && gap < text.size()) out.push_back({base + gap, base + text.size()});
    return ok_status();
  }

 private:
  ClassOf class_of_;
  bool runs_;
};

template <class ClassOf>
std::unique_ptr<Matcher> class_matcher(ClassOf class_of, bool runs) {
  return std::make_unique<ClassMatcher<ClassOf>>(class_of, runs);
}

}  // namespace

std::unique_ptr<PreTokenizer> split_stage(std::unique_ptr<Matcher> matcher, SplitBehavior behavior, bool invert) {
  return std::make_unique<SplitStage>(std::move(matcher), behavior, invert);
}

std::unique_ptr<PreTokenizer> prefix_space_stage() {
  return std::make_unique<PrefixSpaceStage>();
}

std::unique_ptr<PreTokenizer> byte_letters_stage() {
  return std::make_unique<ByteLettersStage>();
}

std::unique_ptr<PreTokenizer> metaspace_stage(std::string mark, PrependScheme scheme, bool split) {
  return std::make_unique<MetaspaceStage>(std::move(mark), scheme, split);
}

std::unique_ptr<PreTokenizer> llama_cpp_bert_stage(bool lowercase, bool strip_accents) {
  return std::make_unique<LlamaCppBertStage>(lowercase, strip_accents);
}

std::unique_ptr<PreTokenizer> fixed_length_stage(size_t length) {
  return std::make_unique<FixedLengthStage>(length);
}

std::unique_ptr<Matcher> punctuation_matcher() {
  return class_matcher(
      [](char32_t c) -> int {
        const uint16_t flags = CharTable::get().flags(c);
        return (flags & kPunctuation) || (c < 0x80 && (flags & kSymbol)) ? 1 : 0;
      },
      false);
}

std::unique_ptr<Matcher> white_space_matcher() {
  return class_matcher([](char32_t c) -> int { return CharTable::get().flags(c) & kWhiteSpace ? 1 : 0; }, false);
}

std::unique_ptr<Matcher> words_matcher() {
  return class_matcher(
      [](char32_t c) -> int {
        if (is_word_character(c)) return 1;
        return CharTable::get().flags(c) & kWhiteSpace ? 0 : 2;
      },
      true);
}

}  // namespace linnet
