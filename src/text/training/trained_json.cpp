#include "text/training/trained_json.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/json.hpp"
#include "text/large_object.hpp"

namespace linnet {

namespace {

constexpr const char* kSpaceMark = "\u2581";
// Of <unk> and the bytes' tokens: so low that a text which spells "<0x0A>" is cut into the characters of that.
constexpr double kNeverChosen = -1000;

// `unknown`: token 0 is <unk>.
Json frame(std::span<const std::string> specials, size_t first_special, bool unknown) {
  Json added = Json::array();
  const auto add = [&](size_t id, const std::string& content) {
    added.push_back(Json{{"id", id},
                         {"content", content},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", true}});
  };
  if (unknown) add(0, kUnknownPiece);
  for (size_t i = 0; i < specials.size(); ++i) add(first_special + i, specials[i]);
  return Json{{"version", "1.0"},          {"truncation", nullptr}, {"padding", nullptr},
              {"added_tokens", added},     {"normalizer", nullptr}, {"pre_tokenizer", nullptr},
              {"post_processor", nullptr}, {"decoder", nullptr},    {"model", nullptr}};
}

}  // namespace

std::string byte_piece(int byte) {
  return fmt::format("<0x{:02X}>", byte);
}

std::string bpe_tokenizer_json(const TrainedBpe& trained, std::span<const std::string> specials) {
  Json root = frame(specials, 0, false);
  Json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  root["pre_tokenizer"] = byte_level;
  root["decoder"] = std::move(byte_level);
  Json vocab = Json::object();
  for (size_t id = 0; id < trained.pieces.size(); ++id) append_member(vocab, trained.pieces[id], id);
  Json merges = Json::array();
  const auto piece = [&](int32_t id) -> const std::string& { return trained.pieces[static_cast<size_t>(id)]; };
  for (const auto& [left, right] : trained.merges) merges.push_back(Json::array({piece(left), piece(right)}));
  root["model"] = Json{{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false}};
  root["model"]["vocab"] = std::move(vocab);
  root["model"]["merges"] = std::move(merges);
  return dump_json(root) + "\n";
}

std::string unigram_tokenizer_json(const TrainedUnigram& trained, std::span<const std::string> specials,
                                   bool byte_tokens) {
  Json vocab = Json::array({Json::array({kUnknownPiece, kNeverChosen})});
  for (int byte = 0; byte_tokens && byte < 256; ++byte) vocab.push_back(Json::array({byte_piece(byte), kNeverChosen}));
  for (const UnigramPiece& piece : trained.pieces) vocab.push_back(Json::array({piece.text, piece.score}));
  // The special tokens are none of the model's pieces: it would find them in a text that spells them.
  Json root = frame(specials, vocab.size(), true);
  // A run of line breaks is a word, and a word begins with its space.
  const Json breaks{{"type", "Split"}, {"pattern", {{"String", "\n"}}}, {"behavior", "Contiguous"}, {"invert", false}};
  const Json spaces{{"type", "Metaspace"}, {"replacement", kSpaceMark}, {"prepend_scheme", "never"}, {"split", true}};
  root["pre_tokenizer"] = Json{{"type", "Sequence"}, {"pretokenizers", Json::array({breaks, spaces})}};
  root["decoder"] =
      byte_tokens ? Json{{"type", "Sequence"}, {"decoders", Json::array({Json{{"type", "ByteFallback"}}, spaces})}}
                  : spaces;
  root["model"] = Json{{"type", "Unigram"}, {"unk_id", 0}};
  root["model"]["vocab"] = std::move(vocab);
  root["model"]["byte_fallback"] = byte_tokens;
  return dump_json(root) + "\n";
}

std::string trained_tokenizer_config(std::span<const std::string> specials, bool unknown) {
  Json config{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (!specials.empty()) config["eos_token"] = specials[0];
  if (unknown) config["unk_token"] = kUnknownPiece;
  return dump_json(config, 2) + "\n";
}

}  // namespace linnet
