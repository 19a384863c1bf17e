#include "eval/translation_score.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <unordered_map>

#include "base/check.hpp"
#include "base/strings.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr const char* kAgreesWith = "2.6.0";  // the version of sacreBLEU whose numbers these are

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

bool is_point(char c) {
  return c == '.' || c == ',';
}
// All of ASCII's space to ~ but letters, digits, ' , - and full stop.
bool is_symbol(char c) {
  return (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

// Every pair of neighbours that `match` takes becomes `before` first `between` second `after`; a character belongs to
// one pair at most, as in a regular expression's substitution. Bytes of characters beyond ASCII are neither digits nor
// points, so bytes will do.
template <class Match>
std::string spread_pairs(const std::string& text, const Match& match, std::string_view before, std::string_view after) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 == text.size() || !match(text[i], text[i + 1])) {
      out += text[i];
      continue;
    }
    out += before;
    out += text[i];
    out += ' ';
    out += text[++i];
    out += after;
  }
  return out;
}

std::string join(const std::vector<std::string_view>& words, size_t begin, size_t count) {
  std::string out;
  for (size_t i = begin; i < begin + count; ++i) {
    if (i > begin) out += ' ';
    out += words[i];
  }
  return out;
}

using NgramCounts = std::map<std::string, double>;

struct Segment {
  size_t length = 0;
  std::array<NgramCounts, kBleuOrder> ngrams;

  explicit Segment(std::string_view text) {
    const std::string tokens = tokenize_13a(jinja::strip_space(text, false, true));
    const std::vector<std::string_view> words = jinja::split_words(tokens);
    length = words.size();
    for (size_t n = 1; n <= kBleuOrder; ++n) {
      for (size_t i = 0; i + n <= length; ++i) ++ngrams[n - 1][join(words, i, n)];
    }
  }
};

using CharacterCounts = std::array<std::unordered_map<std::u32string_view, int64_t>, kChrfOrder>;

std::u32string without_spaces(std::string_view text) {
  std::u32string out = jinja::decode(text);
  std::erase_if(out, jinja::is_space);
  return out;
}

CharacterCounts count_characters(const std::u32string& text) {
  CharacterCounts counts;
  for (size_t n = 1; n <= kChrfOrder; ++n) {
    for (size_t i = 0; i + n <= text.size(); ++i) ++counts[n - 1][std::u32string_view(text).substr(i, n)];
  }
  return counts;
}

std::string reference_count(std::span<const Translation> segments) {
  for (const Translation& segment : segments) {
    if (segment.references.size() != segments[0].references.size()) return "var";
  }
  return std::to_string(segments.empty() ? 1 : segments[0].references.size());
}

template <class Counts>
Metric metric_of(std::string name, std::span<const Translation> segments, const Counts& counts_of,
                 Metric::Finish finish) {
  Metric metric(std::move(name), counts_of(Translation{"", {""}}).size(), std::move(finish));
  for (const Translation& segment : segments) metric.add(counts_of(segment));
  return metric;
}

}  // namespace

std::string tokenize_13a(std::string_view line) {
  std::string text(line);
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  std::string spread = " ";
  for (const char c : text + ' ') spread += is_symbol(c) ? std::string{' ', c, ' '} : std::string(1, c);
  // A point stands by itself unless digits are on that side; a dash after a digit does.
  spread = spread_pairs(
      spread, [](char a, char b) { return !is_ascii_digit(a) && is_point(b); }, "", " ");
  spread = spread_pairs(
      spread, [](char a, char b) { return is_point(a) && !is_ascii_digit(b); }, " ", "");
  spread = spread_pairs(
      spread, [](char a, char b) { return is_ascii_digit(a) && b == '-'; }, "", " ");
  const std::vector<std::string_view> words = jinja::split_words(spread);
  return join(words, 0, words.size());
}

BleuCounts bleu_counts(const Translation& segment) {
  CHECK(!segment.references.empty());
  const Segment output(segment.output);
  BleuCounts counts{};
  counts[0] = static_cast<double>(output.length);
  std::array<NgramCounts, kBleuOrder> most;
  double nearest = -1;
  for (const std::string& text : segment.references) {
    const Segment reference(text);
    const auto length = static_cast<double>(reference.length);
    const double off = std::abs(length - counts[0]), best = std::abs(nearest - counts[0]);
    if (nearest < 0 || off < best || (off == best && length < nearest)) nearest = length;
    for (size_t n = 0; n < kBleuOrder; ++n) {
      for (const auto& [ngram, times] : reference.ngrams[n]) most[n][ngram] = std::max(most[n][ngram], times);
    }
  }
  counts[1] = nearest;
  for (size_t n = 0; n < kBleuOrder; ++n) {
    for (const auto& [ngram, times] : output.ngrams[n]) {
      counts[2 + kBleuOrder + n] += times;
      const auto found = most[n].find(ngram);
      if (found != most[n].end()) counts[2 + n] += std::min(times, found->second);
    }
  }
  return counts;
}

Bleu bleu(std::span<const double> sums) {
  CHECK(sums.size() == std::tuple_size_v<BleuCounts>);
  Bleu out{.output_length = sums[0], .reference_length = sums[1]};
  if (out.output_length < out.reference_length) {
    out.brevity_penalty = out.output_length > 0 ? std::exp(1 - out.reference_length / out.output_length) : 0;
  }
  const auto matched = sums.subspan(2, kBleuOrder), totals = sums.subspan(2 + kBleuOrder, kBleuOrder);
  if (std::all_of(matched.begin(), matched.end(), [](double x) { return x == 0; })) return out;
  double smooth = 1, logs = 0;
  for (size_t n = 0; n < kBleuOrder && totals[n] > 0; ++n) {
    // Where nothing matches, half of what the last such order got.
    if (matched[n] == 0) smooth *= 2;
    out.precisions[n] = 100 * (matched[n] == 0 ? 1 / smooth : matched[n]) / totals[n];
  }
  for (const double precision : out.precisions) {
    if (precision == 0) return out;
    logs += std::log(precision);
  }
  out.score = out.brevity_penalty * std::exp(logs / static_cast<double>(kBleuOrder));
  return out;
}

std::string Bleu::to_string() const {
  return fmt::format("{:.2f} {:.1f}/{:.1f}/{:.1f}/{:.1f} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})", score,
                     precisions[0], precisions[1], precisions[2], precisions[3], brevity_penalty,
                     reference_length > 0 ? output_length / reference_length : 0, static_cast<int64_t>(output_length),
                     static_cast<int64_t>(reference_length));
}

ChrfCounts chrf_counts(const Translation& segment) {
  CHECK(!segment.references.empty());
  const std::u32string output = without_spaces(segment.output);
  const CharacterCounts ours = count_characters(output);
  ChrfCounts best{};
  double best_score = -1;
  for (const std::string& text : segment.references) {
    const std::u32string reference = without_spaces(text);
    const CharacterCounts theirs = count_characters(reference);
    ChrfCounts counts{};
    for (size_t n = 0; n < kChrfOrder; ++n) {
      double* out = counts.data() + 3 * n;
      for (const auto& [ngram, times] : theirs[n]) out[1] += static_cast<double>(times);
      for (const auto& [ngram, times] : ours[n]) {
        if (!theirs[n].empty()) out[0] += static_cast<double>(times);
        const auto found = theirs[n].find(ngram);
        if (found != theirs[n].end()) out[2] += static_cast<double>(std::min(times, found->second));
      }
    }
    const double score = chrf(counts);
    if (score > best_score) {
      best_score = score;
      best = counts;
    }
  }
  return best;
}

double chrf(std::span<const double> sums) {
  CHECK(sums.size() == std::tuple_size_v<ChrfCounts>);
  constexpr double kFactor = 4;  // β²
  double precision = 0, recall = 0, orders = 0;
  for (size_t n = 0; n < kChrfOrder; ++n) {
    const double output = sums[3 * n], reference = sums[3 * n + 1], both = sums[3 * n + 2];
    if (output == 0 || reference == 0) continue;
    precision += both / output;
    recall += both / reference;
    ++orders;
  }
  if (orders == 0 || precision + recall == 0) return 0;
  precision /= orders;
  recall /= orders;
  return 100 * ((1 + kFactor) * precision * recall) / (kFactor * precision + recall);
}

Metric bleu_metric(std::span<const Translation> segments) {
  return metric_of("bleu", segments, bleu_counts,
                   [](std::span<const double> sums, size_t) { return bleu(sums).score; });
}

Metric chrf_metric(std::span<const Translation> segments) {
  return metric_of("chrf", segments, chrf_counts, [](std::span<const double> sums, size_t) { return chrf(sums); });
}

std::string bleu_signature(std::span<const Translation> segments) {
  return fmt::format("nrefs:{}|case:mixed|eff:no|tok:13a|smooth:exp|version:{}", reference_count(segments),
                     kAgreesWith);
}

std::string chrf_signature(std::span<const Translation> segments) {
  return fmt::format("nrefs:{}|case:mixed|eff:yes|nc:{}|nw:0|space:no|version:{}", reference_count(segments),
                     kChrfOrder, kAgreesWith);
}

}  // namespace linnet
