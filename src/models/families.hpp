// Every family, for registry.cpp. Each is defined in the file of its name.
#pragma once

#include "models/family.hpp"

namespace linnet {

extern const Family kLlama, kMistral, kMixtral, kPhi3, kPhi, kGemma, kGemma2, kGemma3, kGpt2, kGptNeoX, kGptOss, kQwen2,
    kQwen3, kQwen3Moe, kOlmo2, kSmolLm3, kBert, kMpnet;

}  // namespace linnet
