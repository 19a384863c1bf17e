// The instruction sets that kernels are compiled for, and which of them this machine has.
//
// Detected with CPUID, and XGETBV for what the operating system saves on a context switch (Intel SDM volume 1, 13.3 and
// 14.3). Thread safety: all functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

// From the slowest to the fastest.
enum class Isa : uint8_t {
  kBaseline,    // x86-64-v2, elsewhere named "portable": the references of the ops
  kAvx2,        // AVX2, FMA, F16C: Haswell (2013), Zen
  kAvxVnni,     // and AVX-VNNI: Alder Lake (2021)
  kAvx512,      // AVX-512 F, BW, DQ, VL: Skylake-X (2017)
  kAvx512Vnni,  // and AVX-512 VNNI: Cascade Lake (2019)
  kAvx512Bf16,  // and AVX-512 BF16: Zen 4 (2022), Sapphire Rapids
};

std::span<const Isa> all_isas();  // in the order of Isa
std::string_view isa_name(Isa isa);
std::optional<Isa> parse_isa(std::string_view name);

bool machine_has(Isa isa);
// The names of the sets that this machine has, slowest first, with commas.
std::string machine_isas();

// The fastest that this machine has, or the one that `forced` names ($LINNET_ISA; empty: none). Fails on a name that is
// unknown or that this machine lacks, with those it has.
Result<Isa> choose_isa(std::string_view forced);

// What else `linnet doctor` may want to say of the processor: "avx2 avx512f avx512_bf16 amx_int8", as Linux spells
// them.
std::string cpu_features();

}  // namespace linnet
