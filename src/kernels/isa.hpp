// The instruction sets that kernels are compiled for, and which of them this machine has.
//
// What the processor has, kernels/cpu_features.hpp says. Thread safety: all functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

// From the slowest to the fastest of each architecture; but without AMX, choose_isa() passes kAvx512Bf16 over on
// Intel's processors.
enum class Isa : uint8_t {
  kBaseline,  // x86-64-v2, elsewhere named "portable": the references of the ops
  // x86-64
  kAvx2,        // AVX2, FMA, F16C: Haswell (2013), Zen
  kAvxVnni,     // and AVX-VNNI: Alder Lake (2021)
  kAvx512,      // AVX-512 F, BW, DQ, VL: Skylake-X (2017)
  kAvx512Vnni,  // and AVX-512 VNNI: Cascade Lake (2019)
  kAvx512Bf16,  // and AVX-512 BF16: Zen 4 (2022), Sapphire Rapids
  kAmx,         // and AMX, AVX-512 FP16: Sapphire Rapids (2023)
  // arm64
  kDotprod,  // Advanced SIMD with dot products of int8: Cortex-A76 (2018), Neoverse N1, Apple M1
  kI8mm,     // and products of int8 matrices: Neoverse V1 (2020), Cortex-A710
  kArmBf16,  // and bfloat16, which the same processors have
};

std::span<const Isa> all_isas();  // of this machine's architecture, in the order of Isa
std::string_view isa_name(Isa isa);
std::optional<Isa> parse_isa(std::string_view name);

bool machine_has(Isa isa);
// The names of the sets that this machine has, slowest first, with commas.
std::string machine_isas();

// The fastest that this machine has, or the one that `forced` names ($LINNET_ISA; empty: none). Fails on a name that is
// unknown or that this machine lacks, with those it has.
Result<Isa> choose_isa(std::string_view forced);

}  // namespace linnet
