// What this machine could do at most, measured with loops that do nothing else.
// Thread safety: one thread at a time, as its Runtime.
#pragma once

#include "tasks/runtime.hpp"

namespace linnet {

struct MachinePeaks {
  double read = 0;  // bytes per second, from memory
  // Multiplications and additions per second, in registers; 0 where the kernels have no such loop.
  double int8 = 0;
  double f32 = 0;
  double bf16 = 0;
};

// On all threads of `runtime`; takes about a second and 256 MB.
MachinePeaks measure_peaks(Runtime& runtime);

// Multiplications and additions per second of products in bfloat16, where these kernels have them and `bfloat16` asks
// for it, else in float32. Takes some tens of milliseconds.
double product_peak(Runtime& runtime, bool bfloat16);

}  // namespace linnet
