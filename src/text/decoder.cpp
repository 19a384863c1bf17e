#include "text/decoder.hpp"

#include <utility>

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

constexpr std::string_view kReplacement = "\ufffd";

// A stage whose step is a class made from the stage's settings.
template <class Step, class Settings>
class StageOf : public DecoderStage {
 public:
  explicit StageOf(Settings settings) : settings_(std::move(settings)) {}
  std::unique_ptr<DecoderStep> start() const override { return std::make_unique<Step>(settings_); }

 private:
  Settings settings_;
};

template <class Step, class Settings>
std::unique_ptr<DecoderStage> stage_of(Settings settings) {
  return std::make_unique<StageOf<Step, Settings>>(std::move(settings));
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  std::string out;
  size_t done = 0;
  for (size_t at = 0; (at = text.find(from, done)) != std::string::npos; done = at + from.size()) {
    out.append(text, done, at - done).append(to);
  }
  if (done > 0) text = out.append(text, done);
}

struct NoSettings {};

class ByteLevelStep : public DecoderStep {
 public:
  explicit ByteLevelStep(NoSettings) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    auto bytes = letters_to_bytes(piece.text);
    out.push_back({bytes ? std::move(*bytes) : std::move(piece.text), begun_});
    begun_ = true;
  }

 private:
  bool begun_ = false;
};

class ByteFallbackStep : public DecoderStep {
 public:
  explicit ByteFallbackStep(NoSettings) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (const int byte = byte_of_piece(piece.text); byte >= 0) {
      bytes_.push_back(static_cast<char>(byte));
      return;
    }
    finish(out);
    out.push_back(std::move(piece));
  }
  void finish(std::vector<DecodedPiece>& out) override {
    if (bytes_.empty()) return;
    if (is_valid_utf8(bytes_)) {
      out.push_back({std::move(bytes_), false});
    } else {
      for (size_t i = 0; i < bytes_.size(); ++i) out.push_back({std::string(kReplacement), false});
    }
    bytes_.clear();
  }

 private:
  std::string bytes_;
};

class FuseStep : public DecoderStep {
 public:
  explicit FuseStep(NoSettings) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    piece.joins = std::exchange(begun_, true);
    out.push_back(std::move(piece));
  }

 private:
  bool begun_ = false;
};

struct StripSettings {
  std::string content;
  size_t left;
  size_t right;
};

class StripStep : public DecoderStep {
 public:
  explicit StripStep(StripSettings settings) : settings_(std::move(settings)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (!piece.joins) {
      end_text(out);
      left_ = settings_.left;
      joins_ = false;
    }
    held_ += piece.text;
    while (left_ > 0 && held_.starts_with(settings_.content)) {
      held_.erase(0, settings_.content.size());
      --left_;
    }
    if (held_.empty() || settings_.content.starts_with(held_)) {
      if (left_ > 0 || held_.empty()) return;
    } else {
      left_ = 0;
    }
    // What may yet turn out to be the end stays.
    size_t keep = 0;
    size_t end = held_.size();
    for (; keep < settings_.right && end >= settings_.content.size() &&
           std::string_view(held_).substr(0, end).ends_with(settings_.content);
         ++keep) {
      end -= settings_.content.size();
    }
    emit(end, out);
  }
  void finish(std::vector<DecodedPiece>& out) override { end_text(out); }

 private:
  void emit(size_t end, std::vector<DecodedPiece>& out) {
    if (end == 0) return;
    out.push_back({held_.substr(0, end), std::exchange(joins_, true)});
    held_.erase(0, end);
  }
  void end_text(std::vector<DecodedPiece>& out) {
    for (size_t i = 0; i < settings_.right && held_.ends_with(settings_.content); ++i) {
      held_.erase(held_.size() - settings_.content.size());
    }
    emit(held_.size(), out);
    held_.clear();
  }

  StripSettings settings_;
  std::string held_;
  size_t left_ = 0;
  bool joins_ = false;
};

struct ReplaceSettings {
  std::shared_ptr<const Matcher> matcher;
  std::string content;
  bool after_fuse;
};

// Of a text in several parts, what a match may still reach is held: it may lie across two parts.
class ReplaceStep : public DecoderStep {
 public:
  explicit ReplaceStep(ReplaceSettings settings) : settings_(std::move(settings)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (!piece.joins) {
      finish(out);
      begun_ = true;
    }
    held_ += piece.text;
    if (!settings_.after_fuse) return finish(out);
    if (const size_t settled = settings_.matcher->settled(held_); settled > 0) give(settled, out);
  }
  void finish(std::vector<DecodedPiece>& out) override {
    if (begun_) give(held_.size(), out);
    begun_ = joins_ = false;
  }

 private:
  // Gives the first `end` bytes of what is held, replaced.
  void give(size_t end, std::vector<DecodedPiece>& out) {
    std::vector<TextSpan> matches;
    // A pattern that gives up leaves the text as it is: decoding has no error to give.
    if (!settings_.matcher->find(std::string_view(held_).substr(0, end), 0, false, matches).ok()) matches.clear();
    std::string made;
    size_t at = 0;
    for (const TextSpan& match : matches) {
      made.append(held_, at, match.begin - at);
      made += settings_.content;
      at = match.end;
    }
    made.append(held_, at, end - at);
    out.push_back({std::move(made), std::exchange(joins_, true)});
    held_.erase(0, end);
  }

  ReplaceSettings settings_;
  std::string held_;
  bool begun_ = false;
  bool joins_ = false;  // of what is given next
};

struct MetaspaceSettings {
  std::string mark;
  bool drop_first;
};

class MetaspaceStep : public DecoderStep {
 public:
  explicit MetaspaceStep(MetaspaceSettings settings) : settings_(std::move(settings)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    const bool drop = std::exchange(first_, false) && settings_.drop_first;
    replace_all(piece.text, settings_.mark, drop ? "" : " ");
    out.push_back(std::move(piece));
  }

 private:
  MetaspaceSettings settings_;
  bool first_ = true;
};

// Hugging Face's clean_up_tokenization.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

struct WordPieceSettings {
  std::string prefix;
  bool cleanup;
};

class WordPieceStep : public DecoderStep {
 public:
  explicit WordPieceStep(WordPieceSettings settings) : settings_(std::move(settings)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (!std::exchange(first_, false)) {
      if (piece.text.starts_with(settings_.prefix)) {
        piece.text.erase(0, settings_.prefix.size());
      } else {
        piece.text.insert(0, 1, ' ');
      }
    }
    if (settings_.cleanup) clean_up(piece.text);
    out.push_back(std::move(piece));
  }

 private:
  WordPieceSettings settings_;
  bool first_ = true;
};

class BpeStep : public DecoderStep {
 public:
  explicit BpeStep(std::string suffix) : suffix_(std::move(suffix)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (waiting_) give(" ", out);
    held_ = std::move(piece);
    waiting_ = true;
  }
  void finish(std::vector<DecodedPiece>& out) override {
    if (waiting_) give("", out);
    waiting_ = false;
  }

 private:
  void give(std::string_view end, std::vector<DecodedPiece>& out) {
    replace_all(held_.text, suffix_, end);
    out.push_back(std::move(held_));
  }

  std::string suffix_;
  DecodedPiece held_;
  bool waiting_ = false;
};

struct CtcSettings {
  std::string pad;
  std::string delimiter;
  bool cleanup;
};

class CtcStep : public DecoderStep {
 public:
  explicit CtcStep(CtcSettings settings) : settings_(std::move(settings)) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (begun_ && piece.text == last_) return;
    begun_ = true;
    last_ = piece.text;
    replace_all(piece.text, settings_.pad, "");
    if (settings_.cleanup) {
      clean_up(piece.text);
      replace_all(piece.text, settings_.delimiter, " ");
    }
    if (!piece.text.empty()) out.push_back(std::move(piece));
  }

 private:
  CtcSettings settings_;
  std::string last_;
  bool begun_ = false;
};

struct SentencePieceSettings {
  bool drop_space;
  bool drop_every_leading_space;
};

class SentencePieceStep : public DecoderStep {
 public:
  explicit SentencePieceStep(SentencePieceSettings settings) : settings_(settings) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (const int byte = byte_of_piece(piece.text); byte >= 0) {
      bytes_.push_back(static_cast<char>(byte));
      give_bytes(false, out);
      at_start_ = false;
      return;
    }
    give_bytes(true, out);
    constexpr std::string_view kMark = "\u2581";
    if (at_start_ && settings_.drop_space && piece.text.starts_with(kMark)) {
      piece.text.erase(0, kMark.size());
      if (!settings_.drop_every_leading_space) at_start_ = false;
    }
    if (!piece.text.empty()) at_start_ = false;
    replace_all(piece.text, kMark, " ");
    out.push_back({std::move(piece.text), true});
  }
  void finish(std::vector<DecodedPiece>& out) override { give_bytes(true, out); }

 private:
  // Whole characters, and one U+FFFD for each byte that is in none. Unless `all`, what may become a character stays.
  void give_bytes(bool all, std::vector<DecodedPiece>& out) {
    while (!bytes_.empty()) {
      const Utf8Step step = decode_utf8(bytes_);
      if (!step.valid && !all && incomplete_utf8_tail(bytes_) == bytes_.size()) return;
      const size_t length = step.valid ? static_cast<size_t>(step.length) : 1;
      out.push_back({step.valid ? bytes_.substr(0, length) : std::string(kReplacement), true});
      bytes_.erase(0, length);
    }
  }

  SentencePieceSettings settings_;
  std::string bytes_;
  bool at_start_ = true;
};

class SpacesStep : public DecoderStep {
 public:
  explicit SpacesStep(NoSettings) {}
  void push(DecodedPiece piece, std::vector<DecodedPiece>& out) override {
    if (std::exchange(begun_, true)) piece.text.insert(0, 1, ' ');
    out.push_back(std::move(piece));
  }

 private:
  bool begun_ = false;
};

}  // namespace

void DecoderStep::finish(std::vector<DecodedPiece>&) {}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  const int high = digit(piece[3]);
  const int low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::unique_ptr<DecoderStage> byte_level_decoder() {
  return stage_of<ByteLevelStep>(NoSettings{});
}
std::unique_ptr<DecoderStage> byte_fallback_decoder() {
  return stage_of<ByteFallbackStep>(NoSettings{});
}
std::unique_ptr<DecoderStage> fuse_decoder() {
  return stage_of<FuseStep>(NoSettings{});
}
std::unique_ptr<DecoderStage> strip_decoder(std::string content, size_t left, size_t right) {
  return stage_of<StripStep>(StripSettings{std::move(content), left, right});
}
std::unique_ptr<DecoderStage> replace_decoder(std::shared_ptr<const Matcher> matcher, std::string content,
                                              bool after_fuse) {
  return stage_of<ReplaceStep>(ReplaceSettings{std::move(matcher), std::move(content), after_fuse});
}
std::unique_ptr<DecoderStage> metaspace_decoder(std::string mark, bool drop_first) {
  return stage_of<MetaspaceStep>(MetaspaceSettings{std::move(mark), drop_first});
}
std::unique_ptr<DecoderStage> wordpiece_decoder(std::string prefix, bool cleanup) {
  return stage_of<WordPieceStep>(WordPieceSettings{std::move(prefix), cleanup});
}
std::unique_ptr<DecoderStage> bpe_decoder(std::string suffix) {
  return stage_of<BpeStep>(std::move(suffix));
}
std::unique_ptr<DecoderStage> ctc_decoder(std::string pad, std::string delimiter, bool cleanup) {
  return stage_of<CtcStep>(CtcSettings{std::move(pad), std::move(delimiter), cleanup});
}
std::unique_ptr<DecoderStage> sentencepiece_decoder(bool drop_space, bool drop_every_leading_space) {
  return stage_of<SentencePieceStep>(SentencePieceSettings{drop_space, drop_every_leading_space});
}
std::unique_ptr<DecoderStage> spaces_decoder() {
  return stage_of<SpacesStep>(NoSettings{});
}

DecoderRun::DecoderRun(const DecoderStages& stages) {
  for (const auto& stage : stages) steps_.push_back(stage->start());
}

std::string DecoderRun::deliver(std::vector<DecodedPiece> pieces, size_t stage) {
  std::vector<DecodedPiece> made;
  for (; stage < steps_.size(); ++stage) {
    made.clear();
    for (DecodedPiece& piece : pieces) steps_[stage]->push(std::move(piece), made);
    std::swap(pieces, made);
  }
  for (const DecodedPiece& piece : pieces) held_ += piece.text;
  const size_t incomplete = incomplete_utf8_tail(held_);
  std::string ready = held_.substr(0, held_.size() - incomplete);
  held_.erase(0, ready.size());
  return is_valid_utf8(ready) ? ready : replace_invalid_utf8(ready);
}

std::string DecoderRun::push(std::string piece) {
  std::vector<DecodedPiece> pieces;
  pieces.push_back({std::move(piece), false});
  return deliver(std::move(pieces), 0);
}

std::string DecoderRun::finish() {
  std::string text;
  for (size_t i = 0; i < steps_.size(); ++i) {
    std::vector<DecodedPiece> rest;
    steps_[i]->finish(rest);
    text += deliver(std::move(rest), i + 1);
  }
  text += replace_invalid_utf8(std::exchange(held_, std::string()));
  return text;
}

}  // namespace linnet
