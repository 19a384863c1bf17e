#include "kernels/cpu_features.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/system.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace linnet {

namespace {

#if defined(__x86_64__)
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
    Feature{"amx_tile", 7, 0, kEdx, 24, Saved::kTiles}, Feature{"amx_int8", 7, 0, kEdx, 25, Saved::kTiles},
    Feature{"amx_bf16", 7, 0, kEdx, 22, Saved::kTiles},
};

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
  return (saved_state() & mask) == mask && (what != Saved::kTiles || allow_tile_registers());
}

bool has_feature(const Feature& feature) {
  return cpuid_bit(feature) && is_saved(feature.needs);
}
#elif defined(__aarch64__)
// One bit of the two words of capabilities (Linux, arch/arm64/include/uapi/asm/hwcap.h).
struct Feature {
  std::string_view name;
  uint8_t word;
  uint8_t bit;
};
constexpr std::array kFeatures{
    Feature{"asimd", 0, 1}, Feature{"asimdhp", 0, 10}, Feature{"asimddp", 0, 20}, Feature{"i8mm", 1, 13},
    Feature{"bf16", 1, 14}, Feature{"sve", 0, 22},     Feature{"sve2", 1, 1},
};

bool has_feature(const Feature& feature) {
  return (cpu_capabilities()[feature.word] >> feature.bit & 1) != 0;
}
#else
struct Feature {
  std::string_view name;
};
constexpr std::array<Feature, 0> kFeatures;

bool has_feature(const Feature& /*feature*/) {
  return false;
}
#endif

}  // namespace

bool cpu_has(std::initializer_list<std::string_view> names) {
  return std::all_of(names.begin(), names.end(), [](std::string_view name) {
    return std::any_of(kFeatures.begin(), kFeatures.end(),
                       [&](const Feature& feature) { return feature.name == name && has_feature(feature); });
  });
}

bool cpu_is_intel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel") != 0;
#else
  return false;
#endif
}

std::string cpu_features() {
  std::string names;
  for (const Feature& feature : kFeatures) {
    if (!has_feature(feature)) continue;
    if (!names.empty()) names += ' ';
    names += feature.name;
  }
  return names;
}

}  // namespace linnet
