// Activations, alone and as gates (Shazeer 2020, arXiv:2002.05202).
#pragma once

#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

enum class Activation : uint8_t {
  kSilu,      // x * sigmoid(x)
  kGelu,      // x * Φ(x), by erf
  kGeluTanh,  // its tanh form (arXiv:1606.08415)
  kRelu,
};

Tensor activate(Context& ctx, Activation activation, const Tensor& x);
// activation(gate) * up, a gated linear unit (Shazeer 2020, arXiv:2002.05202). Same shapes.
Tensor gated(Context& ctx, Activation activation, const Tensor& gate, const Tensor& up);
// gpt-oss: g = min(gate, limit), u = clamp(up, -limit, limit) -> (u + 1) * g * sigmoid(alpha * g).
Tensor gated_clamped(Context& ctx, const Tensor& gate, const Tensor& up, float alpha, float limit);

// Of the table; null where it has none for the activation.
GateKernel gate_kernel(const KernelTable& kernels, Activation activation);
GateVjpKernel gate_vjp_kernel(const KernelTable& kernels, Activation activation);
// See GateKernel and GateVjpKernel; by the table, or the reference.
void gate_numbers(const KernelTable& kernels, Activation activation, const float* gate, const float* up, int64_t n,
                  float* out);
struct GateNumbers {
  const float* gate;
  const float* up;
  const float* dy;
};
void gate_numbers_vjp(const KernelTable& kernels, Activation activation, const GateNumbers& at, int64_t n,
                      float* d_gate, float* d_up, float* out);
// The same of an activation alone, over n numbers x. dx may be dy; out may be null.
void activate_numbers(const KernelTable& kernels, Activation activation, const float* x, int64_t n, float* out);
void activate_numbers_vjp(const KernelTable& kernels, Activation activation, const float* x, int64_t n, const float* dy,
                          float* dx, float* out);

// The reference functions and their derivatives, for kernels and tests.
float activate_scalar(Activation activation, float x);
float activate_scalar_grad(Activation activation, float x);

}  // namespace linnet::ops
