// Decoders: the pieces of ids back into text (Hugging Face tokenizers, decoders/; SentencePiece's Decode).
//
// A decoder is a chain of stages that take one piece at a time and hold back only what the pieces to come can still
// change, so that decoding as tokens arrive gives exactly what decoding them at once gives.
// Thread safety: a Decoder is immutable; each DecoderRun belongs to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/matcher.hpp"

namespace linnet {

// One piece between two stages. `joins`: it continues the text of the piece before, as after Fuse.
struct DecodedPiece {
  std::string text;
  bool joins = false;
};

// The state of one stage in one run.
class DecoderStep {
 public:
  DecoderStep() = default;
  DecoderStep(const DecoderStep&) = delete;
  DecoderStep& operator=(const DecoderStep&) = delete;
  virtual ~DecoderStep() = default;
  // Appends to `out` what is certain now that `piece` has come.
  virtual void push(DecodedPiece piece, std::vector<DecodedPiece>& out) = 0;
  // Appends what is left when no more pieces come.
  virtual void finish(std::vector<DecodedPiece>& out);
};

// One stage; makes the steps of runs.
class DecoderStage {
 public:
  DecoderStage() = default;
  DecoderStage(const DecoderStage&) = delete;
  DecoderStage& operator=(const DecoderStage&) = delete;
  virtual ~DecoderStage() = default;
  virtual std::unique_ptr<DecoderStep> start() const = 0;
};

using DecoderStages = std::vector<std::unique_ptr<DecoderStage>>;

// Pieces spelled in GPT-2's byte alphabet; a piece that is not is its own bytes. All of them are one text.
std::unique_ptr<DecoderStage> byte_level_decoder();
// Runs of "<0x0A>" become their bytes where those are UTF-8, else one U+FFFD each.
std::unique_ptr<DecoderStage> byte_fallback_decoder();
std::unique_ptr<DecoderStage> fuse_decoder();
// Drops up to `left` leading and `right` trailing characters `content` of each piece.
std::unique_ptr<DecoderStage> strip_decoder(std::string content, size_t left, size_t right);
// `after_fuse`: pieces may continue each other, and a match may lie across two of them. Decoding has no error to give,
// so whoever makes a chain of these sees to it that they cannot make a text grow without end.
std::unique_ptr<DecoderStage> replace_decoder(std::shared_ptr<const Matcher> matcher, std::string content,
                                              bool after_fuse);
// `mark` is a space; in the first piece nothing, where `drop_first`.
std::unique_ptr<DecoderStage> metaspace_decoder(std::string mark, bool drop_first);
// Pieces with `prefix` continue a word, others follow a space.
std::unique_ptr<DecoderStage> wordpiece_decoder(std::string prefix, bool cleanup);
// `suffix` ends a word: a space, at the very end nothing.
std::unique_ptr<DecoderStage> bpe_decoder(std::string suffix);
std::unique_ptr<DecoderStage> ctc_decoder(std::string pad, std::string delimiter, bool cleanup);
// SentencePiece: bytes and U+2581 as its Decode() reads them; `drop_space` is its dummy prefix taken back.
std::unique_ptr<DecoderStage> sentencepiece_decoder(bool drop_space, bool drop_every_leading_space);
// Pieces joined with a space, as Hugging Face joins them where no decoder is given.
std::unique_ptr<DecoderStage> spaces_decoder();

class DecoderRun {
 public:
  explicit DecoderRun(const DecoderStages& stages);
  // The text that is certain now; never half a character.
  std::string push(std::string piece);
  // The rest. Incomplete characters become U+FFFD.
  std::string finish();

 private:
  std::string deliver(std::vector<DecodedPiece> pieces, size_t stage);

  std::vector<std::unique_ptr<DecoderStep>> steps_;
  std::string held_;  // the beginning of a character
};

// Bytes of "<0x41>", or -1.
int byte_of_piece(std::string_view piece);

}  // namespace linnet
