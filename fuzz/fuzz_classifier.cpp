// Any bytes as a classifier's files: refused, or a text gets the chances of its labels, which sum to 1.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "train/label_head.hpp"
#include "train/word_classifier.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const auto file = parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
  if (!file.ok()) return 0;
  constexpr int64_t kWidth = 4;
  (void)LabelHead::read(*file, kWidth, "fuzz.safetensors");
  const auto words = WordClassifier::read(*file, "fuzz.safetensors");
  if (!words.ok()) return 0;
  for (const char* text : {"", "aa bb aa", "never seen"}) {
    double sum = 0;
    for (const double chance : words->log_probabilities(text)) sum += std::exp(chance);
    if (std::isfinite(sum) && std::abs(sum - 1) > 1e-6) std::abort();
  }
  return 0;
}
