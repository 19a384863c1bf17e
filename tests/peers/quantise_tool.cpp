// Quantises with an importance that is given, for the comparison with llama.cpp (tests/peers/quantize.py).
//
//   quantise_tool IN.gguf MIX IMPORTANCE.gguf OUT.gguf     IMPORTANCE: what the columns count, (C) or (E, C) of each
//                                                          matrix, under the matrix's name
#include <fmt/format.h>
#include <string>
#include <vector>

#include "export/quantise.hpp"

namespace linnet {
namespace {

Result<Importance> read_importance(const std::string& path) {
  TRY_ASSIGN(const auto gguf, Gguf::open(path));
  Importance importance;
  for (const StoredTensor& tensor : gguf->tensors().all()) {
    const Tensor columns = to_f32(tensor);
    importance.add(tensor.name, {columns.span<float>().begin(), columns.span<float>().end()});
  }
  return importance;
}

Status run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) return usage_error("quantise_tool IN.gguf MIX IMPORTANCE.gguf OUT.gguf");
  const QuantMix* mix = find_quant_mix(arguments[1]);
  if (!mix) return usage_error("there is no mix " + arguments[1]);
  TRY_ASSIGN(const ModelDescription model, describe_model(arguments[0]));
  TRY_ASSIGN(const Importance importance, read_importance(arguments[2]));
  ThreadPool pool(2);
  const CancelToken cancel;
  const QuantiseOptions options{.mix = mix, .importance = &importance};
  TRY(quantise(model, nullptr, nullptr, arguments[3], options, pool, cancel, {}));
  return ok_status();
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  const linnet::Status status = linnet::run(std::vector<std::string>(argv + 1, argv + argc));
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.error().to_string());
  return 1;
}
