#include <array>
#include <fmt/core.h>

#include "models/families.hpp"

namespace linnet {

std::span<const Family* const> families() {
  static constexpr std::array<const Family*, 18> kFamilies{
      &kLlama,   &kMistral, &kMixtral, &kPhi3,  &kPhi,      &kGemma, &kGemma2,  &kGemma3, &kGpt2,
      &kGptNeoX, &kGptOss,  &kQwen2,   &kQwen3, &kQwen3Moe, &kOlmo2, &kSmolLm3, &kBert,   &kMpnet,
  };
  return kFamilies;
}

Result<const Family*> find_family(std::string_view model_type, const std::string& place) {
  std::string known;
  for (const Family* family : families()) {
    if (family->model_type == model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family->model_type);
  }
  return unsupported(fmt::format("models of type \"{}\" are not known", model_type), place, "known: " + known);
}

}  // namespace linnet
