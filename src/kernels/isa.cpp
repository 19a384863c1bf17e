#include "kernels/isa.hpp"

#include <array>

#include "kernels/cpu_features.hpp"

namespace linnet {

namespace {

struct IsaName {
  Isa isa;
  std::string_view name;
};
#if defined(__x86_64__)
constexpr std::string_view kBaselineName = "x86-64-v2";
#else
constexpr std::string_view kBaselineName = "portable";
#endif
constexpr std::array kNames{
    IsaName{Isa::kBaseline, kBaselineName},
    IsaName{Isa::kAvx2, "avx2"},
    IsaName{Isa::kAvxVnni, "avxvnni"},
    IsaName{Isa::kAvx512, "avx512"},
    IsaName{Isa::kAvx512Vnni, "avx512vnni"},
    IsaName{Isa::kAvx512Bf16, "avx512bf16"},
    IsaName{Isa::kAmx, "amx"},
    IsaName{Isa::kDotprod, "dotprod"},
    IsaName{Isa::kI8mm, "i8mm"},
    IsaName{Isa::kArmBf16, "armbf16"},
};
#if defined(__x86_64__)
constexpr std::array kIsas{Isa::kBaseline,   Isa::kAvx2,       Isa::kAvxVnni, Isa::kAvx512,
                           Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx};
#elif defined(__aarch64__)
constexpr std::array kIsas{Isa::kBaseline, Isa::kDotprod, Isa::kI8mm, Isa::kArmBf16};
#else
constexpr std::array kIsas{Isa::kBaseline};
#endif

}  // namespace

std::span<const Isa> all_isas() {
  return kIsas;
}

std::string_view isa_name(Isa isa) {
  for (const IsaName& entry : kNames) {
    if (entry.isa == isa) return entry.name;
  }
  return "unknown";
}

std::optional<Isa> parse_isa(std::string_view name) {
  for (const IsaName& entry : kNames) {
    if (entry.name == name) return entry.isa;
  }
  return std::nullopt;
}

bool machine_has(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return true;
    case Isa::kAvx2:
      return cpu_has({"avx2", "fma", "f16c"});
    case Isa::kAvxVnni:
      return machine_has(Isa::kAvx2) && cpu_has({"avx_vnni"});
    case Isa::kAvx512:
      return machine_has(Isa::kAvx2) && cpu_has({"avx512f", "avx512bw", "avx512dq", "avx512vl"});
    case Isa::kAvx512Vnni:
      return machine_has(Isa::kAvx512) && cpu_has({"avx512_vnni"});
    case Isa::kAvx512Bf16:
      return machine_has(Isa::kAvx512Vnni) && cpu_has({"avx512_bf16"});
    case Isa::kAmx:
      return machine_has(Isa::kAvx512Bf16) && cpu_has({"avx512_fp16", "amx_tile", "amx_bf16"});
    case Isa::kDotprod:
      return cpu_has({"asimd", "asimddp"});
    case Isa::kI8mm:
      return machine_has(Isa::kDotprod) && cpu_has({"i8mm"});
    case Isa::kArmBf16:
      return machine_has(Isa::kI8mm) && cpu_has({"bf16"});
  }
  return false;
}

std::string machine_isas() {
  std::string names;
  for (const Isa isa : kIsas) {
    if (!machine_has(isa)) continue;
    if (!names.empty()) names += ", ";
    names += isa_name(isa);
  }
  return names;
}

Result<Isa> choose_isa(std::string_view forced) {
  if (forced.empty()) {
    Isa best = Isa::kBaseline;
    for (const Isa isa : kIsas) {
      // Intel's cores multiply pairs of bfloat16 at half the rate of float32 (measured on Sapphire Rapids).
      const bool slower = isa == Isa::kAvx512Bf16 && cpu_is_intel();
      if (machine_has(isa) && !slower) best = isa;
    }
    return best;
  }
  const std::optional<Isa> isa = parse_isa(forced);
  const std::string hint = "this machine has " + machine_isas();
  if (!isa) return usage_error("LINNET_ISA names no instruction set: " + std::string(forced), hint);
  if (!machine_has(*isa)) return usage_error("this machine lacks the instruction set " + std::string(forced), hint);
  return *isa;
}

}  // namespace linnet
