#include "text/sentencepiece_normalizer.hpp"

#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr std::string_view kSpaceMark = "\u2581";
constexpr std::string_view kReplacement = "\ufffd";
constexpr std::string_view kRule = "SentencePiece's character map";

struct Prefix {
  std::string_view text;  // what it becomes
  size_t length = 0;      // bytes of the input
};

class SentencePieceNormalizer : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalization options)
      : options_(std::move(options)), verbatim_(make_matcher(options_.verbatim)) {}

  Status apply(std::string& text, TextGrowth& growth) const override {
    std::string made = normalize(text, growth.most(text.size()));
    TRY(growth.take(kRule, text.size(), made.size()));
    text = std::move(made);
    return ok_status();
  }

 protected:
  Prefix prefix(std::string_view text) const {
    if (const size_t length = verbatim_.longest_prefix(text); length > 0) return {text.substr(0, length), length};
    if (const CharsMap::Match match = options_.map.longest(text); match.length > 0) {
      return {match.replacement, match.length};
    }
    const Utf8Step step = decode_utf8(text);
    if (!step.valid) return {kReplacement, 1};
    return {text.substr(0, static_cast<size_t>(step.length)), static_cast<size_t>(step.length)};
  }

  std::string_view space() const { return options_.escape_whitespaces ? kSpaceMark : std::string_view(" "); }

  SentencePieceNormalization options_;

 private:
  static AddedTokenMatcher make_matcher(const std::vector<std::string>& texts) {
    std::vector<AddedToken> tokens;
    for (const std::string& text : texts) {
      AddedToken token;
      token.content = text;
      tokens.push_back(std::move(token));
    }
    return {std::move(tokens), AddedTokenOrder::kLeftmost};
  }

  // Stops once there are more than `most` bytes.
  std::string normalize(std::string_view text, size_t most) const {
    if (options_.remove_extra_whitespaces) {
      while (!text.empty()) {
        const Prefix first = prefix(text);
        if (first.text != " ") break;
        text.remove_prefix(first.length);
      }
    }
    std::string out;
    if (text.empty()) return out;
    out.reserve(text.size() + text.size() / 2 + 8);
    if (options_.add_dummy_prefix && !options_.whitespace_as_suffix) out += space();
    bool after_space = options_.remove_extra_whitespaces;
    while (!text.empty() && out.size() <= most) {
      Prefix next = prefix(text);
      text.remove_prefix(next.length);
      while (after_space && next.text.starts_with(' ')) next.text.remove_prefix(1);
      if (!next.text.empty()) {
        for (const char c : next.text) {
          if (c == ' ') {
            out += space();
          } else {
            out.push_back(c);
          }
        }
        after_space = next.text.ends_with(' ');
      }
      after_space &= options_.remove_extra_whitespaces;
    }
    if (options_.remove_extra_whitespaces) {
      while (std::string_view(out).ends_with(space())) out.erase(out.size() - space().size());
    }
    if (options_.add_dummy_prefix && options_.whitespace_as_suffix) out += space();
    return out;
  }

  AddedTokenMatcher verbatim_;
};

class LlamaCppUnigramNormalizer : public SentencePieceNormalizer {
 public:
  using SentencePieceNormalizer::SentencePieceNormalizer;

  Status apply(std::string& text, TextGrowth& growth) const override {
    const size_t most = growth.most(text.size());
    std::string out;
    out.reserve(text.size() + text.size() / 2 + 8);
    bool prepended = false;
    bool in_word = false;
    for (std::string_view rest = text; !rest.empty() && out.size() <= most;) {
      const Prefix next = prefix(rest);
      rest.remove_prefix(next.length);
      for (const char c : next.text) {
        if (c == ' ') {
          in_word = false;
          if (!options_.remove_extra_whitespaces) out += space();
          continue;
        }
        if (!in_word && ((options_.add_dummy_prefix && !prepended) || options_.remove_extra_whitespaces)) {
          out += space();
          prepended = true;
        }
        in_word = true;
        out.push_back(c);
      }
    }
    TRY(growth.take(kRule, text.size(), out.size()));
    text = std::move(out);
    return ok_status();
  }
};

}  // namespace

std::unique_ptr<Normalizer> sentencepiece_normalizer(SentencePieceNormalization options) {
  return std::make_unique<SentencePieceNormalizer>(std::move(options));
}

std::unique_ptr<Normalizer> llama_cpp_unigram_normalizer(SentencePieceNormalization options) {
  return std::make_unique<LlamaCppUnigramNormalizer>(std::move(options));
}

}  // namespace linnet
