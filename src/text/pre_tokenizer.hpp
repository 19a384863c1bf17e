// Pre-tokenizers: a normalised text is cut into the words that the model sees one by one (Hugging Face tokenizers,
// pre_tokenizers/).
// Thread safety: immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/matcher.hpp"
#include "text/text_growth.hpp"
#include "text/token_model.hpp"

namespace linnet {

// A text on its way through the stages.
struct PreText {
  std::string_view text;
  std::vector<TextSpan> words;
  bool starts_input = false;  // the first word stands at the beginning of the whole input
  std::string storage;        // owns `text` once a stage has rewritten it
};

// What becomes of the pieces that a pattern matches.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// How a Metaspace stage begins a word.
enum class PrependScheme { kAlways, kFirst, kNever };

class PreTokenizer {
 public:
  PreTokenizer() = default;
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;
  virtual ~PreTokenizer() = default;
  // Errors: the text grows beyond what `growth` leaves; a pattern that gives up.
  virtual Status apply(PreText& text, TextGrowth& growth) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

// Cuts every word where `matcher` matches. With `invert`, what it matches and what lies between change places.
std::unique_ptr<PreTokenizer> split_stage(std::unique_ptr<Matcher> matcher, SplitBehavior behavior, bool invert);

// Puts a space before every word that does not begin with one (ByteLevel's add_prefix_space).
std::unique_ptr<PreTokenizer> prefix_space_stage();

// Spells every word in GPT-2's byte alphabet.
std::unique_ptr<PreTokenizer> byte_letters_stage();

// Spaces become `mark`; words begin with it as `scheme` says; with `split`, a new word begins before each.
std::unique_ptr<PreTokenizer> metaspace_stage(std::string mark, PrependScheme scheme, bool split);

// Words of `length` characters.
std::unique_ptr<PreTokenizer> fixed_length_stage(size_t length);

// llama.cpp's "bert" tokenizer: words and single punctuation and CJK characters, each after U+2581, without control
// characters; `strip_accents` leaves the first character of every decomposition.
std::unique_ptr<PreTokenizer> llama_cpp_bert_stage(bool lowercase, bool strip_accents);

// Characters that BERT calls punctuation: ASCII's that are no letters or digits, and P*.
std::unique_ptr<Matcher> punctuation_matcher();

// One white space character (the Unicode property).
std::unique_ptr<Matcher> white_space_matcher();

// \w+|[^\w\s]+ as Rust's regex reads it.
std::unique_ptr<Matcher> words_matcher();

}  // namespace linnet
