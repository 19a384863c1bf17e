#include "cli/verbs.hpp"

#include <array>

namespace linnet::cli {

namespace {

constexpr const char* kTalking = "Talking";
constexpr const char* kInside = "Looking inside";

constexpr std::array<Verb, 2> kVerbs{{
    {"generate", "Continue a text, or answer a question", "linnet generate smollm2 --chat \"Why is the sky blue?\"",
     kTalking, declare_generate},
    {"logits", "Write logits and hidden states of given token ids",
     "linnet logits smollm2 --ids ids.json --out out.safetensors", kInside, declare_logits},
}};

}  // namespace

std::span<const Verb> verbs() {
  return kVerbs;
}

}  // namespace linnet::cli
