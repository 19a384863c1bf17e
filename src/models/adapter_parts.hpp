// What the two forms of an adapter on disk have in common. Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "formats/stored_tensor.hpp"

namespace linnet {

// "model.layers.0.self_attn.q_proj" -> "q_proj"
inline std::string last_name(const std::string& module) {
  return module.substr(module.rfind('.') + 1);
}

// What most of `values`, which are not empty, are; of equally many the least.
inline double most_common(const std::vector<double>& values) {
  std::map<double, size_t> counts;
  for (const double value : values) counts[value]++;
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// A float32 copy that stands alone: the file may go. Error: NaN or infinite numbers.
Result<Tensor> finite_copy(const StoredTensor& tensor);

}  // namespace linnet
