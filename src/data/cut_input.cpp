#include "data/cut_input.hpp"

#include <algorithm>
#include <optional>

#include "base/check.hpp"
#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view beginning(std::string_view text, size_t bytes) {
  text = text.substr(0, bytes);
  return text.substr(0, text.size() - incomplete_utf8_tail(text));
}

// Where the last word of `text` begins that `rest`, which follows it, goes on with.
size_t end_of_words(std::string_view text, std::string_view rest) {
  if (rest.empty() || kSpaces.find(rest.front()) != kSpaces.npos) return text.size();
  const size_t space = text.find_last_of(kSpaces);
  return space == text.npos ? text.size() : space;
}

std::string* last_input(Sample& sample) {
  for (size_t i = sample.messages.size(); i-- > 0;) {
    Json& message = sample.messages[i];
    const auto content = message.find("content");
    if (message.value("role", "") != "user" || content == message.end() || !content->is_string()) continue;
    return content->get_ptr<std::string*>();
  }
  return nullptr;
}

}  // namespace

Result<bool> cut_to_tokens(std::string& text, int64_t tokens, const Tokenizer& tokenizer) {
  CHECK(tokens > 0);
  const auto fits = [&](size_t bytes) -> Result<bool> {
    TRY_ASSIGN(const std::vector<int32_t> ids, tokenizer.encode(beginning(text, bytes)));
    return static_cast<int64_t>(ids.size()) <= tokens;
  };
  size_t low = 0;  // fits
  size_t high = static_cast<size_t>(tokens);
  for (;; high *= 2) {
    high = std::min(high, text.size());
    TRY_ASSIGN(const bool fit, fits(high));
    if (!fit) break;
    if (high == text.size()) return false;
    low = high;
  }
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const bool fit, fits(middle));
    (fit ? low : high) = middle;
  }
  const std::string_view kept = beginning(text, low);
  text.resize(end_of_words(kept, std::string_view(text).substr(kept.size())));
  text.erase(text.find_last_not_of(kSpaces) + 1);
  return true;
}

Result<size_t> cut_inputs(std::vector<Sample>& samples, int64_t tokens, const Tokenizer& tokenizer, ThreadPool& pool) {
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<std::optional<Result<bool>>> cut(samples.size());
  pool.parallel_for(count, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      std::string* input = last_input(samples[static_cast<size_t>(i)]);
      cut[static_cast<size_t>(i)] = input == nullptr ? Result<bool>(false) : cut_to_tokens(*input, tokens, tokenizer);
    }
  });
  size_t number = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    std::optional<Result<bool>>& one = cut[i];
    CHECK(one.has_value());
    if (!one->ok()) return std::move(*one).error().at(samples[i].place);
    number += one->value() ? 1 : 0;
  }
  return number;
}

}  // namespace linnet
