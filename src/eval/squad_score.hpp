// Exact match and F1 of a short answer, as SQuAD counts them.
//
// Source: Rajpurkar et al. 2016, arXiv:1606.05250, and its evaluate-v2.0.py (2018, arXiv:1806.03822).
// Thread safety: pure functions. Strings are UTF-8.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

// Texts are normalised first: lower case, without ASCII punctuation and without the words a, an, the; one space between
// words.

// 1 where the normalised texts are equal, else 0. The best over `references`; none at all: 1 for an empty answer.
double exact_match(std::string_view answer, std::span<const std::string> references);
// Harmonic mean of precision and recall of the normalised words, counted as often as they occur; where one side has no
// word, 1 if neither has. The best over `references`; none at all: 1 for an empty answer.
double answer_f1(std::string_view answer, std::span<const std::string> references);

// The words that F1 counts, sorted.
std::vector<std::string> sorted_answer_words(std::string_view text);
// How many words two such lists have in common, each as often as both have it; and their F1.
size_t common_words(std::span<const std::string> a, std::span<const std::string> b);
double words_f1(std::span<const std::string> a, std::span<const std::string> b);

}  // namespace linnet
