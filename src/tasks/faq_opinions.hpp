// What a language model thought of questions, kept beside a taught list: where one answer was edited, the test of the
// next version asks it about that one alone, and has the numbers that it would have had anyway.
// Ownership: owns all. Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"

namespace linnet {

class FaqOpinions {
 public:
  // `model`: whose opinions these are, with all that they depend on but the prompt.
  explicit FaqOpinions(std::string model) : model_(std::move(model)) {}

  // Takes over what `file` holds of the same model. A file that is not there, is another model's or cannot be read
  // brings nothing: then the model is asked again.
  void load(const std::filesystem::path& file);
  Status save(const std::filesystem::path& file) const;

  // What was thought of the prompt of those tokens.
  std::optional<double> find(std::span<const int32_t> prompt) const;
  void add(std::span<const int32_t> prompt, double opinion);

 private:
  std::string model_;
  std::map<std::string, double> opinions_;  // by the SHA-256 of the tokens
};

}  // namespace linnet
