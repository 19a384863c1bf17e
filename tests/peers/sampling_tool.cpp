// The sampler's distributions, for the comparison with transformers (tests/peers/sampling.py).
//
//   sampling_tool    stdin: JSON lines {"logits", "prompt", "settings"}; stdout: {"probabilities"} each
#include <iostream>

#include "base/json.hpp"
#include "engine/sampler.hpp"

namespace linnet {
namespace {

SamplingParams settings_of(const Json& json) {
  SamplingParams params;
  params.temperature = json.value("temperature", 1.0f);
  params.top_k = json.value("top_k", 0);
  params.top_p = json.value("top_p", 1.0f);
  params.min_p = json.value("min_p", 0.0f);
  params.typical_p = json.value("typical_p", 1.0f);
  params.repetition_penalty = json.value("repetition_penalty", 1.0f);
  return params;
}

Json probabilities(const Json& job) {
  Sampler sampler(settings_of(job.at("settings")));
  const auto logits = job.at("logits").get<std::vector<float>>();
  const auto prompt = job.at("prompt").get<std::vector<int32_t>>();
  sampler.add_prompt(prompt);
  std::vector<double> out(logits.size());
  for (const auto& candidate : sampler.distribution(logits)) {
    out[static_cast<size_t>(candidate.id)] = candidate.probability;
  }
  return {{"probabilities", out}};
}

}  // namespace
}  // namespace linnet

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto job = linnet::parse_json(line, "stdin");
    if (!job.ok()) {
      std::cerr << job.error().to_string() << '\n';
      return 1;
    }
    std::cout << linnet::dump_json(linnet::probabilities(*job)) << '\n';
  }
  return 0;
}
