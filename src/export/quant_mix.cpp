#include "export/quant_mix.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace linnet {

namespace {

constexpr std::array kMixes{
    QuantMix{"F32", QuantType::kF32, 0},        QuantMix{"F16", QuantType::kF16, 1},
    QuantMix{"BF16", QuantType::kBF16, 32},     QuantMix{"Q8_0", QuantType::kQ8_0, 7},
    QuantMix{"Q6_K", QuantType::kQ6_K, 18},     QuantMix{"Q5_K_M", QuantType::kQ5_K, 17},
    QuantMix{"Q5_K_S", QuantType::kQ5_K, 16},   QuantMix{"Q5_1", QuantType::kQ5_1, 9},
    QuantMix{"Q5_0", QuantType::kQ5_0, 8},      QuantMix{"Q4_K_M", QuantType::kQ4_K, 15},
    QuantMix{"Q4_K_S", QuantType::kQ4_K, 14},   QuantMix{"IQ4_NL", QuantType::kIQ4_NL, 25},
    QuantMix{"IQ4_XS", QuantType::kIQ4_XS, 30}, QuantMix{"Q4_1", QuantType::kQ4_1, 3},
    QuantMix{"Q4_0", QuantType::kQ4_0, 2},      QuantMix{"MXFP4", QuantType::kMXFP4, 38},
    QuantMix{"Q3_K_L", QuantType::kQ3_K, 13},   QuantMix{"Q3_K_M", QuantType::kQ3_K, 12},
    QuantMix{"Q3_K_S", QuantType::kQ3_K, 11},   QuantMix{"Q2_K", QuantType::kQ2_K, 10},
};

// The layers where a mix spends more: the first and the last eighth, and every third between.
bool more_bits_here(int64_t layer, int64_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

// The number behind "blk.", or 0.
int64_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int64_t layer = 0;
  if (name.starts_with(kPrefix)) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

QuantType for_head(const QuantMix& mix) {
  if (mix.base == QuantType::kQ8_0 || mix.base == QuantType::kMXFP4) return QuantType::kQ8_0;
  return QuantType::kQ6_K;
}

QuantType for_values(const QuantMix& mix, const MixModel& model, int64_t layer) {
  const std::string_view m = mix.name;
  const bool shared = model.queries_per_kv_head >= 4;
  QuantType type = mix.base;
  if (m == "Q2_K") type = shared ? QuantType::kQ4_K : QuantType::kQ3_K;
  if (m == "Q3_K_M") type = layer < 2 ? QuantType::kQ5_K : QuantType::kQ4_K;
  if (m == "Q3_K_L") type = QuantType::kQ5_K;
  if ((m == "IQ4_NL" || m == "IQ4_XS") && shared) type = QuantType::kQ5_K;
  if ((m == "Q4_K_M" || m == "Q5_K_M") && more_bits_here(layer, model.layers)) type = QuantType::kQ6_K;
  if (m == "Q4_K_S" && layer < 4) type = QuantType::kQ5_K;
  // A 70B Llama: its values are an eighth of what others have, so more bits cost little.
  const bool is_70b = model.layers == 80 && model.queries_per_kv_head == 8;
  if (is_70b && (type == QuantType::kQ3_K || type == QuantType::kQ4_K)) type = QuantType::kQ5_K;
  return model.experts == 8 ? QuantType::kQ8_0 : type;
}

QuantType for_ffn_down(const QuantMix& mix, const MixModel& model, int64_t layer) {
  const std::string_view m = mix.name;
  const bool more = more_bits_here(layer, model.layers);
  if (m == "Q2_K") return QuantType::kQ3_K;
  if (m == "Q3_K_M") {
    if (layer < model.layers / 16) return QuantType::kQ5_K;
    return !model.falcon || more ? QuantType::kQ4_K : QuantType::kQ3_K;
  }
  if (m == "Q3_K_L") return model.falcon ? QuantType::kQ4_K : QuantType::kQ5_K;
  if (m == "Q4_K_M") {
    if (!model.falcon) return more ? QuantType::kQ6_K : QuantType::kQ4_K;
    if (layer < model.layers / 16) return QuantType::kQ6_K;
    return more ? QuantType::kQ5_K : QuantType::kQ4_K;
  }
  if (m == "Q5_K_M" && more) return QuantType::kQ6_K;
  const bool early = layer < model.layers / 8;
  if (early && !model.calibrated && (m == "IQ4_NL" || m == "IQ4_XS")) return QuantType::kQ5_K;
  if (early && model.calibrated && m == "Q4_0") return QuantType::kQ4_1;
  if (early && model.calibrated && m == "Q5_0") return QuantType::kQ5_1;
  if (early && m == "Q4_K_S" && !model.falcon) return QuantType::kQ5_K;
  return mix.base;
}

QuantType for_attention_output(const QuantMix& mix, const MixModel& model) {
  if (model.falcon) return mix.base;
  const std::string_view m = mix.name;
  if (model.experts == 8) {
    constexpr std::string_view kRaised[] = {"Q2_K", "IQ4_NL", "Q3_K_S", "Q3_K_M", "IQ4_XS", "Q4_K_S", "Q4_K_M"};
    const bool raised = std::find(std::begin(kRaised), std::end(kRaised), m) != std::end(kRaised);
    return raised ? QuantType::kQ5_K : mix.base;
  }
  if (m == "Q2_K") return QuantType::kQ3_K;
  if (m == "Q3_K_M") return QuantType::kQ4_K;
  if (m == "Q3_K_L") return QuantType::kQ5_K;
  return mix.base;
}

// One matrix for queries, keys and values.
QuantType for_joined_attention(const QuantMix& mix) {
  const std::string_view m = mix.name;
  if (m == "Q3_K_M" || m == "Q3_K_L") return QuantType::kQ4_K;
  if (m == "Q4_K_M") return QuantType::kQ5_K;
  if (m == "Q5_K_M") return QuantType::kQ6_K;
  return mix.base;
}

QuantType wanted_for(const QuantMix& mix, const MixModel& model, std::string_view name) {
  if (quant_format(mix.base).is_plain()) return mix.base;
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (name == "output.weight" || (model.tied && name == "token_embd.weight")) return for_head(mix);
  // Of a mixture only the experts are MXFP4.
  if (mix.base == QuantType::kMXFP4 && model.experts > 0) return has("_exps") ? mix.base : QuantType::kQ8_0;
  const int64_t layer = layer_of(name);
  if (has("attn_v.weight")) return for_values(mix, model, layer);
  if (has("attn_k.weight") && model.experts == 8) return QuantType::kQ8_0;
  if (has("ffn_down")) return for_ffn_down(mix, model, layer);
  if (has("attn_output.weight")) return for_attention_output(mix, model);
  if (has("attn_qkv.weight")) return for_joined_attention(mix);
  return mix.base;
}

double bits(const QuantFormat& format) {
  return 8.0 * static_cast<double>(format.block_bytes) / static_cast<double>(format.block_elements);
}

// The best format of small blocks within the bits of `wanted`; below four and a half there is none.
QuantType for_narrow_rows(const QuantFormat& wanted) {
  constexpr QuantType kSmall[] = {QuantType::kQ8_0, QuantType::kQ5_1, QuantType::kQ5_0, QuantType::kIQ4_NL};
  for (const QuantType type : kSmall) {
    if (bits(quant_format(type)) <= bits(wanted)) return type;
  }
  return QuantType::kIQ4_NL;
}

}  // namespace

std::span<const QuantMix> quant_mixes() {
  return kMixes;
}

const QuantMix* find_quant_mix(std::string_view name) {
  std::string asked(name);
  for (char& c : asked) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (asked == "Q3_K" || asked == "Q4_K" || asked == "Q5_K") asked += "_M";  // as llama.cpp takes them
  const auto found = std::find_if(kMixes.begin(), kMixes.end(), [&](const QuantMix& mix) { return mix.name == asked; });
  return found == kMixes.end() ? nullptr : &*found;
}

MixChoice choose_format(const QuantMix& mix, const MixModel& model, std::string_view name, const Shape& shape) {
  const QuantFormat& wanted = quant_format(wanted_for(mix, model, name));
  const int64_t width = shape[-1];
  if (width % wanted.block_elements == 0) return {&wanted, nullptr};
  const QuantFormat& small = quant_format(for_narrow_rows(wanted));
  if (width % small.block_elements == 0) return {&small, &wanted};
  return {&quant_format(QuantType::kF16), &wanted};
}

}  // namespace linnet
