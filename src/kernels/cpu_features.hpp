// Extensions that the processor has and the operating system lets programs use.
//
// On x86-64 from CPUID, and XGETBV for what is saved on a context switch (Intel SDM volume 1, 13.3 and 14.3); on arm64
// from the capabilities that the kernel tells each program, which are those that all of its cores share. Elsewhere
// there are none. AMX counts where the operating system gives this process its registers when it is asked.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace linnet {

// Names are those of Linux: "avx512_bf16", "asimddp". An unknown one is not there.
bool cpu_has(std::initializer_list<std::string_view> names);  // all of them

// Whether Intel made it; only ever so on x86-64.
bool cpu_is_intel();

// Those of the known ones that are there, with spaces: "avx2 avx512f avx512_bf16 amx_int8".
std::string cpu_features();

}  // namespace linnet
