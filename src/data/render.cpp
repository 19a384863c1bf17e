#include "data/render.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/check.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

// Learned are the assistant's messages whose weight is not 0. Templates do not see the weight.
std::vector<bool> take_weights(Json& messages) {
  std::vector<bool> learned;
  for (Json& message : messages) {
    const auto weight = message.find("weight");
    const bool counts = weight == message.end() || *weight != 0;
    learned.push_back(counts && message.value("role", "") == "assistant");
    if (weight != message.end()) message.erase("weight");
  }
  return learned;
}

uint64_t count_learned(const TokenSequence& sequence, size_t from = 0) {
  return static_cast<uint64_t>(
      std::count(sequence.learned.begin() + static_cast<ptrdiff_t>(from), sequence.learned.end(), 1));
}

}  // namespace

uint64_t TokenSet::tokens() const {
  uint64_t sum = 0;
  for (const TokenSequence& one : sequences) sum += one.tokens.size();
  return sum;
}

uint64_t TokenSet::learned() const {
  uint64_t sum = 0;
  for (const TokenSequence& one : sequences) sum += count_learned(one);
  return sum;
}

bool cut_to_length(TokenSequence& sequence, int64_t max_length, CutCount& count) {
  const auto most = static_cast<size_t>(max_length);
  if (sequence.tokens.size() <= most) return false;
  ++count.sequences;
  count.tokens += sequence.tokens.size() - most;
  count.learned += count_learned(sequence, most);
  sequence.whole = static_cast<uint32_t>(sequence.tokens.size());
  sequence.tokens.resize(most);
  sequence.learned.resize(most);
  return true;
}

Renderer::Renderer(RenderSettings settings) : settings_(std::move(settings)), encoder_(*settings_.tokenizer) {
  CHECK(settings_.max_length >= 2);
  spans_ = {.chat_template = settings_.chat_template,
            .encoder = nullptr,
            .end_ids = settings_.tokenizer->end_ids(),
            .options = settings_.options};
  for (const int32_t id : settings_.end_ids) {
    if (std::ranges::count(spans_.end_ids, id) == 0) spans_.end_ids.push_back(id);
  }
}

Result<std::vector<TokenSequence>> Renderer::render(const Sample& sample, DataForm form) const {
  const bool plain = form == DataForm::kPromptCompletion && settings_.chat_template == nullptr;
  auto sequences = form == DataForm::kText ? render_text(sample.text)
                   : plain                 ? render_completion(sample.messages)
                                           : render_messages(sample.messages, sample.tools);
  if (!sequences.ok()) return std::move(sequences).error().at(sample.place);
  return sequences;
}

Result<std::vector<TokenSequence>> Renderer::render_text(const std::string& text) const {
  TRY_ASSIGN(std::vector<int32_t> ids, settings_.tokenizer->encode(text, {.add_special = true}));
  const int32_t eos = settings_.tokenizer->special().eos;
  if (eos != kNoToken && (ids.empty() || ids.back() != eos)) ids.push_back(eos);
  std::vector<TokenSequence> out;
  const auto length = static_cast<size_t>(settings_.max_length);
  for (size_t begin = 0; begin == 0 || begin + 1 < ids.size(); begin += length - 1) {
    const size_t end = std::min(begin + length, ids.size());
    TokenSequence sequence;
    sequence.tokens.assign(ids.begin() + static_cast<ptrdiff_t>(begin), ids.begin() + static_cast<ptrdiff_t>(end));
    sequence.learned.assign(sequence.tokens.size(), 1);
    if (!sequence.learned.empty()) sequence.learned.front() = 0;
    out.push_back(std::move(sequence));
  }
  return out;
}

// Cut into tokens apart, so that the prompt's are those that the model will see when it is asked.
Result<std::vector<TokenSequence>> Renderer::render_completion(const Json& messages) const {
  if (messages.size() != 2 || !settings_.system.empty()) {
    return unsupported("the model has no chat template, so it has no place for a system message", {},
                       "write it into the prompts, or choose a model that is made to chat");
  }
  const Tokenizer& tokenizer = *settings_.tokenizer;
  const int32_t eos = tokenizer.special().eos;
  TokenSequence sequence;
  TRY_ASSIGN(sequence.tokens, tokenizer.encode(messages[0].at("content").get<std::string>(), {.add_special = true}));
  if (!sequence.tokens.empty() && sequence.tokens.back() == eos) sequence.tokens.pop_back();
  sequence.learned.assign(sequence.tokens.size(), 0);
  TRY_ASSIGN(const std::vector<int32_t> reply, tokenizer.encode(messages[1].at("content").get<std::string>(), {}));
  sequence.tokens.insert(sequence.tokens.end(), reply.begin(), reply.end());
  if (eos != kNoToken) sequence.tokens.push_back(eos);
  sequence.learned.resize(sequence.tokens.size(), 1);
  if (!sequence.learned.empty()) sequence.learned.front() = 0;
  return std::vector<TokenSequence>{std::move(sequence)};
}

Result<std::vector<TokenSequence>> Renderer::render_messages(const Json& messages, const Json& tools) const {
  if (settings_.chat_template == nullptr) {
    return unsupported(
        "the model has no chat template, so conversations cannot be written down for it", {},
        "choose a model that is made to chat, or teach from plain text, or from prompts with completions");
  }
  ChatRequest request;
  request.messages = messages;
  request.tools = tools;
  request.extra = settings_.extra;
  if (!settings_.system.empty() && (messages.empty() || messages.front().value("role", "") != "system")) {
    request.messages.insert(request.messages.begin(), Json{{"role", "system"}, {"content", settings_.system}});
  }
  const std::vector<bool> learned = take_weights(request.messages);
  TRY_ASSIGN(const std::optional<PromptMarks> marks, encoder_.mark(request.messages));
  ReplySpanSettings spans = spans_;
  spans.encoder = &encoder_;
  TRY_ASSIGN(const std::vector<RenderedReplies> texts, find_reply_spans(spans, request, learned, marks));
  std::vector<TokenSequence> out;
  for (const RenderedReplies& text : texts) {
    TRY_ASSIGN(PromptEncoder::Encoded encoded, encoder_.encode_spans(text.text, marks, text.spans));
    TokenSequence sequence;
    sequence.tokens = std::move(encoded.tokens);
    sequence.learned.assign(sequence.tokens.size(), 0);
    for (const TokenRange& range : encoded.ranges) {
      std::fill(sequence.learned.begin() + static_cast<ptrdiff_t>(range.begin),
                sequence.learned.begin() + static_cast<ptrdiff_t>(range.end), uint8_t{1});
    }
    if (!sequence.learned.empty()) sequence.learned.front() = 0;
    out.push_back(std::move(sequence));
  }
  return out;
}

Result<TokenSet> Renderer::render_all(const std::vector<Sample>& samples, DataForm form, ThreadPool& pool,
                                      const ProgressCallback& progress, const CancelToken* cancel) const {
  constexpr int64_t kAtOnce = 4096;  // between looks at the clock and at Ctrl-C
  TokenSet out;
  const auto count = static_cast<int64_t>(samples.size());
  RateMeter meter;
  for (int64_t first = 0; first < count; first += kAtOnce) {
    if (cancel != nullptr) TRY(cancel->check());
    const int64_t some = std::min(kAtOnce, count - first);
    std::vector<std::optional<Result<std::vector<TokenSequence>>>> done(static_cast<size_t>(some));
    pool.parallel_for(some, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        done[static_cast<size_t>(i)] = render(samples[static_cast<size_t>(first + i)], form);
      }
    });
    for (int64_t i = 0; i < some; ++i) {
      std::optional<Result<std::vector<TokenSequence>>>& one = done[static_cast<size_t>(i)];
      CHECK(one.has_value());
      TRY_ASSIGN(std::vector<TokenSequence> sequences, std::move(one).value());
      bool cut = false;
      for (TokenSequence& sequence : sequences) {
        sequence.sample = static_cast<uint32_t>(first + i);
        cut |= cut_to_length(sequence, settings_.max_length, out.cut);
        out.sequences.push_back(std::move(sequence));
      }
      if (cut) out.cut_samples.push_back(static_cast<uint32_t>(first + i));
    }
    if (progress) {
      Progress now{.stage = "reading",
                   .done = static_cast<uint64_t>(first + some),
                   .total = samples.size(),
                   .unit = ProgressUnit::kCount};
      meter.add(now.done, RateMeter::Clock::now());
      meter.fill(now, RateMeter::Clock::now());
      progress(now);
    }
  }
  return out;
}

}  // namespace linnet
