// Scores of a short answer: exact match and F1 as SQuAD counts them, key facts, and the numbers of GSM8K.
//
// Sources: Rajpurkar et al. 2016, arXiv:1606.05250, and its evaluate-v2.0.py; Cobbe et al. 2021, arXiv:2110.14168, with
// the two readings of lm-evaluation-harness's task gsm8k ("strict-match", "flexible-extract").
// Thread safety: pure functions. Strings are UTF-8; invalid bytes count as they are.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

// Lower case, without ASCII punctuation and without the words a, an, the; one space between words.
std::string normalize_answer(std::string_view text);

// 1 where the normalised texts are equal, else 0. The best over `references`; none at all: 1 for an empty answer.
double exact_match(std::string_view answer, std::span<const std::string> references);
// Harmonic mean of precision and recall of the normalised words, counted as often as they occur; where one side has no
// word, 1 if neither has. The best over `references`.
double answer_f1(std::string_view answer, std::span<const std::string> references);

// The words that F1 counts, sorted; and F1 of two such lists.
std::vector<std::string> sorted_answer_words(std::string_view text);
double words_f1(std::span<const std::string> a, std::span<const std::string> b);

// What an answer must say: every fact, in one of its spellings.
using KeyFacts = std::vector<std::vector<std::string>>;
// "Monday / Mon | 9-17 / 9 to 5": `|` between facts, `/` between accepted spellings of one. A `/` or `|` that belongs
// to the text is written `\/`, `\|`. Empty parts are left out.
KeyFacts parse_key_facts(std::string_view text);
// The share of the facts that are in `answer`; 1 where there is none. A spelling is in it when its words stand there
// one after the other, as whole words, whatever their case and the punctuation around them; what lies between digits
// (9.50, 10:30) is no punctuation.
double facts_found(std::string_view answer, const KeyFacts& facts);

// Whether `answer` says that it has none: it is empty, or a sentence of it is of the kind "I don't know", "I cannot
// help with that", "please ask us". English; a list of phrases, all of them in answer_score.cpp.
bool declines(std::string_view answer);

// The number after "####" that GSM8K's solutions end in; empty where there is none.
std::string strict_number(std::string_view solution);
// The last number anywhere in the text; empty where there is none.
std::string flexible_number(std::string_view text);
// Whether a number that was found is that of a reference solution: lower case, without ",", "$", what stands before
// "#### ", and a full stop at the end.
bool same_number(std::string_view found, std::string_view reference);

}  // namespace linnet
