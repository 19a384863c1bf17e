// Normalizers: what is done to a text before it is cut into words (Hugging Face tokenizers, normalizers/).
// Thread safety: immutable. Every normalizer expects valid UTF-8 and gives valid UTF-8.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/matcher.hpp"
#include "text/text_growth.hpp"
#include "text/unicode.hpp"

namespace linnet {

class Normalizer {
 public:
  Normalizer() = default;
  Normalizer(const Normalizer&) = delete;
  Normalizer& operator=(const Normalizer&) = delete;
  virtual ~Normalizer() = default;
  // Errors: the text grows beyond what `growth` leaves; a pattern that gives up.
  virtual Status apply(std::string& text, TextGrowth& growth) const = 0;
  // Does apply() drop the first character of `text`? What is left then no longer begins where the text does, which
  // Metaspace's "first" asks.
  virtual bool drops_start(std::string_view) const { return false; }
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

// All of them in order; `starts_input` stays true where the first character did. Errors name the normalizer, counted
// from 1.
Status apply_normalizers(const Normalizers& normalizers, std::string& text, bool& starts_input, TextGrowth& growth);

std::unique_ptr<Normalizer> unicode_normalizer(NormalForm form);
std::unique_ptr<Normalizer> lowercase_normalizer();
// Drops combining marks (M*).
std::unique_ptr<Normalizer> strip_accents_normalizer();
std::unique_ptr<Normalizer> replace_normalizer(std::unique_ptr<Matcher> matcher, std::string content);
// Puts `prefix` before a text that is not empty.
std::unique_ptr<Normalizer> prepend_normalizer(std::string prefix);
std::unique_ptr<Normalizer> strip_normalizer(bool left, bool right);
std::unique_ptr<Normalizer> byte_letters_normalizer();
// Drops control characters, turns every other white space into a space.
std::unique_ptr<Normalizer> nmt_normalizer();

struct BertNormalization {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};
std::unique_ptr<Normalizer> bert_normalizer(BertNormalization options);

// SentencePiece's compiled character map: a Darts double array from byte strings to replacements.
class CharsMap {
 public:
  // `blob`: uint32 size of the array in bytes, the array, the replacements, each ended by a NUL. Errors: sizes that
  // lie.
  static Result<CharsMap> parse(std::string_view blob, std::string_view place);

  struct Match {
    size_t length = 0;  // bytes matched; 0: none
    std::string_view replacement;
  };
  Match longest(std::string_view text) const;
  Match shortest(std::string_view text) const;
  const std::string& blob() const { return blob_; }

 private:
  Match walk(std::string_view text, bool first) const;

  std::string blob_;
  size_t units_ = 0;       // of the array, which begins at byte 4 of the blob
  size_t strings_at_ = 0;  // offset of the replacements in the blob
};

// Hugging Face's use of the map: grapheme by grapheme, the shortest match for the whole of a grapheme under 6 bytes,
// else character by character.
std::unique_ptr<Normalizer> precompiled_normalizer(CharsMap map);

}  // namespace linnet
