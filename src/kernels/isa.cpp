#include "kernels/isa.hpp"

#include <array>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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
    IsaName{Isa::kBaseline, kBaselineName},  IsaName{Isa::kAvx2, "avx2"},
    IsaName{Isa::kAvxVnni, "avxvnni"},       IsaName{Isa::kAvx512, "avx512"},
    IsaName{Isa::kAvx512Vnni, "avx512vnni"}, IsaName{Isa::kAvx512Bf16, "avx512bf16"},
};
constexpr std::array kIsas{Isa::kBaseline, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16};

enum Register : uint8_t { kEax, kEbx, kEcx, kEdx };
enum class Saved : uint8_t { kNothing, kYmm, kZmm, kTiles };

// One feature bit of CPUID, and the registers that the operating system must save for it.
struct Feature {
  std::string_view name;
  uint8_t leaf;
  uint8_t subleaf;
  Register where;
  uint8_t bit;
  Saved needs;
};
constexpr std::array kFeatures{
    Feature{"sse4_2", 1, 0, kEcx, 20, Saved::kNothing}, Feature{"fma", 1, 0, kEcx, 12, Saved::kYmm},
    Feature{"f16c", 1, 0, kEcx, 29, Saved::kYmm},       Feature{"avx2", 7, 0, kEbx, 5, Saved::kYmm},
    Feature{"avx_vnni", 7, 1, kEax, 4, Saved::kYmm},    Feature{"avx512f", 7, 0, kEbx, 16, Saved::kZmm},
    Feature{"avx512bw", 7, 0, kEbx, 30, Saved::kZmm},   Feature{"avx512dq", 7, 0, kEbx, 17, Saved::kZmm},
    Feature{"avx512vl", 7, 0, kEbx, 31, Saved::kZmm},   Feature{"avx512_vnni", 7, 0, kEcx, 11, Saved::kZmm},
    Feature{"avx512_bf16", 7, 1, kEax, 5, Saved::kZmm}, Feature{"avx512_fp16", 7, 0, kEdx, 23, Saved::kZmm},
    Feature{"amx_int8", 7, 0, kEdx, 25, Saved::kTiles}, Feature{"amx_bf16", 7, 0, kEdx, 22, Saved::kTiles},
};

#if defined(__x86_64__)
bool cpuid_bit(const Feature& feature) {
  std::array<unsigned, 4> registers{};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &registers[0], &registers[1], &registers[2], &registers[3])) {
    return false;
  }
  return (registers[feature.where] >> feature.bit & 1) != 0;
}

// XCR0: the register files that the operating system saves.
uint32_t saved_state() {
  constexpr Feature kOsxsave{"osxsave", 1, 0, kEcx, 27, Saved::kNothing};
  if (!cpuid_bit(kOsxsave)) return 0;
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool is_saved(Saved what) {
  constexpr uint32_t kYmmMask = 0x6;       // SSE and AVX state
  constexpr uint32_t kZmmMask = 0xE6;      // and opmask, upper halves, upper sixteen
  constexpr uint32_t kTileMask = 0x60000;  // tile configuration and data
  const uint32_t mask = what == Saved::kYmm     ? kYmmMask
                        : what == Saved::kZmm   ? kZmmMask
                        : what == Saved::kTiles ? kTileMask
                                                : 0;
  return (saved_state() & mask) == mask;
}
#else
bool cpuid_bit(const Feature& /*feature*/) {
  return false;
}
bool is_saved(Saved /*what*/) {
  return false;
}
#endif

bool has_feature(std::string_view name) {
  for (const Feature& feature : kFeatures) {
    if (feature.name == name) return cpuid_bit(feature) && is_saved(feature.needs);
  }
  return false;
}

bool has_all(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (!has_feature(name)) return false;
  }
  return true;
}

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
      return has_all({"avx2", "fma", "f16c"});
    case Isa::kAvxVnni:
      return machine_has(Isa::kAvx2) && has_feature("avx_vnni");
    case Isa::kAvx512:
      return machine_has(Isa::kAvx2) && has_all({"avx512f", "avx512bw", "avx512dq", "avx512vl"});
    case Isa::kAvx512Vnni:
      return machine_has(Isa::kAvx512) && has_feature("avx512_vnni");
    case Isa::kAvx512Bf16:
      return machine_has(Isa::kAvx512Vnni) && has_feature("avx512_bf16");
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
      if (machine_has(isa)) best = isa;
    }
    return best;
  }
  const std::optional<Isa> isa = parse_isa(forced);
  const std::string hint = "this machine has " + machine_isas();
  if (!isa) return usage_error("LINNET_ISA names no instruction set: " + std::string(forced), hint);
  if (!machine_has(*isa)) return usage_error("this machine lacks the instruction set " + std::string(forced), hint);
  return *isa;
}

std::string cpu_features() {
  std::string names;
  for (const Feature& feature : kFeatures) {
    if (!has_feature(feature.name)) continue;
    if (!names.empty()) names += ' ';
    names += feature.name;
  }
  return names;
}

}  // namespace linnet
