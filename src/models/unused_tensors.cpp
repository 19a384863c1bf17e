#include "models/unused_tensors.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>

#include "base/log.hpp"

namespace linnet {

namespace {

// Names by how they begin and end.
struct Pattern {
  std::string_view begin;
  std::string_view end;

  bool matches(std::string_view name) const { return name.starts_with(begin) && name.ends_with(end); }
};

// Computed from rope_theta and rope_scaling, whatever the file says; transformers leaves them unread too.
constexpr std::array kRotaryBuffers{Pattern{"", ".rotary_emb.inv_freq"}, Pattern{"", ".attn_rot_embd.weight"}};
// The causal mask of GPT-2 and GPT-NeoX: ones below the diagonal (1, 1, T, T), and the number that stands for
// -infinity.
constexpr std::array kMasks{Pattern{"", ".attn.bias"}, Pattern{"", ".attention.bias"}};
constexpr std::array kMaskedBiases{Pattern{"", ".attn.masked_bias"}, Pattern{"", ".attention.masked_bias"}};
// 0, 1, 2, ...
constexpr std::array kPositionIds{Pattern{"", "embeddings.position_ids"}};
// BERT's heads for pretraining and classification. An encoder's result is its hidden states, which pass none of them.
constexpr std::array kEncoderHeads{Pattern{"pooler.", ""}, Pattern{"cls.", ""}};
// Read with the config (models/gguf_config.hpp).
constexpr std::array kGgufRope{Pattern{"rope_freqs.weight", ""}, Pattern{"rope_factors_long.weight", ""},
                               Pattern{"rope_factors_short.weight", ""}};
// Multi-token prediction (arXiv:2404.19737): layers behind the model that guess further tokens, for speed only.
constexpr std::array kTokensAhead{Pattern{"mtp.", ""}, Pattern{"model.mtp.", ""}, Pattern{"model.mtp_layers.", ""}};
constexpr std::array kHeads{Pattern{"lm_head.weight", ""}, Pattern{"embed_out.weight", ""}};

bool any(std::span<const Pattern> patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& p) { return p.matches(name); });
}

bool is_harmless(const StoredTensor& tensor, const TransformerConfig& config) {
  const std::string_view name = tensor.name;
  if (any(kRotaryBuffers, name) || any(kGgufRope, name)) return !config.ropes.empty();
  if (any(kMasks, name)) return config.causal && tensor.shape.rank() == 4;
  if (any(kMaskedBiases, name)) return config.causal && tensor.shape.elements() == 1;
  if (any(kPositionIds, name)) return config.ropes.empty();
  return !config.has_head && any(kEncoderHeads, name);
}

bool is_copy(const StoredTensor& a, const StoredTensor& b) {
  return a.format == b.format && a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes) &&
         std::ranges::equal(a.split_scales, b.split_scales) && !a.scale && !b.scale;
}

// The first number between dots: the layer's; -1 where there is none.
int64_t layer_of(std::string_view name) {
  for (size_t at = name.find('.'); at != name.npos; at = name.find('.', at + 1)) {
    int64_t layer = -1;
    const char* const end = name.data() + name.size();
    const auto [after, code] = std::from_chars(name.data() + at + 1, end, layer);
    if (code == std::errc() && after != end && *after == '.') return layer;
  }
  return -1;
}

Error refuse(const StoredTensor& tensor, size_t others, const TransformerConfig& config) {
  const std::string more = others == 0 ? "" : fmt::format(" (nor do {} others of the file)", others);
  if (any(kHeads, tensor.name) && config.tied_head) {
    return invalid("is not the embedding, though the config ties the two" + more, tensor.place(),
                   "if the head was trained on its own, set \"tie_word_embeddings\" to false in config.json; if not, "
                   "remove the tensor from the file");
  }
  if (layer_of(tensor.name) >= config.num_layers()) {
    return invalid(fmt::format("belongs to no layer: the config says that there are {}{}", config.num_layers(), more),
                   tensor.place(), "the config and the weights belong to different models");
  }
  return invalid(
      fmt::format("belongs to nothing in a model of type {} with this config{}", config.model_type, more),
      tensor.place(),
      "without it the model would say something else: compare the config with the one that was published with the "
      "weights (its model_type, and fields like attention_bias); if it is right, Linnet cannot run this model");
}

}  // namespace

Status check_unused(const TensorSource& source, const std::vector<bool>& used, const TransformerConfig& config,
                    const StoredTensor* embedding) {
  const StoredTensor* first = nullptr;
  size_t surplus = 0;
  size_t ahead = 0;
  for (size_t i = 0; i < source.all().size(); ++i) {
    const StoredTensor& tensor = source.all()[i];
    if (used[i] || is_harmless(tensor, config)) continue;
    if (any(kTokensAhead, tensor.name) || tensor.name.find(".nextn.") != std::string::npos) {
      ++ahead;
      continue;
    }
    if (config.tied_head && embedding && any(kHeads, tensor.name) && is_copy(tensor, *embedding)) continue;
    if (!first) first = &tensor;
    ++surplus;
  }
  if (first) return refuse(*first, surplus - 1, config);
  if (ahead > 0) {
    log_warning("{}: the {} tensors that predict several tokens ahead are left out; the text stays the same",
                source.all().front().file, ahead);
  }
  return ok_status();
}

}  // namespace linnet
