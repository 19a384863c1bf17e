#include "formats/hugging_face.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <set>

#include "base/json.hpp"

namespace linnet {

// ---- multimodal folders

bool is_multimodal_config(const Json& config) {
  const auto it = config.find("text_config");
  return it != config.end() && it->is_object();
}

Json text_config_of(const Json& config) {
  if (!config.is_object() || !is_multimodal_config(config)) return config;
  Json text = *config.find("text_config");
  std::set<std::string, std::less<>> present;  // an ordered Json object finds a key by looking at all of them
  for (const auto& item : text.items()) present.insert(item.key());
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_config") && key != "quantization_config") continue;  // other towers
    if (present.insert(key).second) text.get_ref<Json::object_t&>().emplace_back(key, value);
  }
  return text;
}

namespace {

// How the language model's tensors begin in multimodal checkpoints, and what a text-only checkpoint says instead.
struct Prefix {
  std::string_view from;
  std::string_view to;
};
constexpr std::array kLanguagePrefixes{Prefix{"language_model.model.", "model."},
                                       Prefix{"model.language_model.model.", "model."},
                                       Prefix{"model.language_model.", "model."}, Prefix{"language_model.", ""}};
constexpr std::string_view kHead = "lm_head.";
// Towers beside a language model whose own tensors have no prefix (Qwen2-VL, Phi-3-vision).
constexpr std::array<std::string_view, 12> kOtherTowers{"visual.",
                                                        "vision_tower.",
                                                        "vision_model.",
                                                        "multi_modal_projector.",
                                                        "audio_tower.",
                                                        "audio_model.",
                                                        "model.visual.",
                                                        "model.vision_tower.",
                                                        "model.vision_model.",
                                                        "model.audio_tower.",
                                                        "model.multi_modal_projector.",
                                                        "model.vision_embed_tokens."};

const Prefix* language_prefix(std::string_view name) {
  const auto it = std::find_if(kLanguagePrefixes.begin(), kLanguagePrefixes.end(),
                               [&](const Prefix& prefix) { return name.starts_with(prefix.from); });
  return it == kLanguagePrefixes.end() ? nullptr : &*it;
}

bool is_other_tower(std::string_view name) {
  return std::any_of(kOtherTowers.begin(), kOtherTowers.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

size_t keep_text_tensors(std::vector<StoredTensor>& tensors) {
  const size_t before = tensors.size();
  const bool prefixed = std::any_of(tensors.begin(), tensors.end(),
                                    [](const StoredTensor& tensor) { return language_prefix(tensor.name) != nullptr; });
  std::erase_if(tensors, [&](const StoredTensor& tensor) {
    if (!prefixed) return is_other_tower(tensor.name);
    return !language_prefix(tensor.name) && !tensor.name.starts_with(kHead);
  });
  for (StoredTensor& tensor : tensors) {
    if (const Prefix* prefix = language_prefix(tensor.name)) {
      tensor.name = std::string(prefix->to) + tensor.name.substr(prefix->from.size());
    }
  }
  return before - tensors.size();
}

// ---- quantisation

namespace {

Error not_decoded(std::string_view method, const std::string& place) {
  return unsupported(fmt::format("the weights are quantised with {}, which Linnet does not decode", method), place,
                     "take this model unquantised (safetensors in F32, F16, BF16 or FP8), or as GGUF");
}

// compressed-tensors covers many formats; those of plain FP8 weights with scales are read.
bool is_plain_fp8(const Json& quantisation) {
  const auto groups = quantisation.find("config_groups");
  if (groups == quantisation.end() || !groups->is_object() || groups->empty()) return false;
  return std::all_of(groups->begin(), groups->end(), [](const Json& group) {
    const auto weights = group.is_object() ? group.find("weights") : group.end();
    if (!group.is_object() || weights == group.end() || !weights->is_object()) return false;
    return weights->value("type", Json()) == "float" && weights->value("num_bits", Json()) == 8;
  });
}

Result<QuantisationConfig> read_fp8_blocks(const Json& quantisation, const std::string& place) {
  QuantisationConfig config{.fp8 = true};
  const auto blocks = quantisation.find("weight_block_size");
  if (blocks == quantisation.end() || blocks->is_null()) return config;
  const bool pair = blocks->is_array() && blocks->size() == 2 && (*blocks)[0].is_number_unsigned() &&
                    (*blocks)[1].is_number_unsigned();
  constexpr uint64_t kLargest = 1 << 20;
  const auto in_range = [&](size_t i) {
    const auto value = (*blocks)[i].get<uint64_t>();
    return value >= 1 && value <= kLargest;
  };
  if (!pair || !in_range(0) || !in_range(1)) {
    return invalid("quantization_config: weight_block_size must be two positive integers", place);
  }
  config.block_rows = (*blocks)[0].get<int64_t>();
  config.block_columns = (*blocks)[1].get<int64_t>();
  return config;
}

}  // namespace

Result<QuantisationConfig> read_quantisation_config(const Json& config, const std::string& place) {
  TRY_ASSIGN(const JsonObject top, JsonObject::of(config, place));
  // MLX writes "quantization": {"group_size": 64, "bits": 4} and packs weights in U32.
  if (const Json* mlx = top.find("quantization"); mlx && mlx->is_object() && mlx->contains("bits")) {
    return not_decoded("MLX", place);
  }
  const Json* json = top.find("quantization_config");
  if (!json) return QuantisationConfig{};
  TRY_ASSIGN(const JsonObject quantisation, JsonObject::of(*json, place + ": quantization_config"));
  if (const Json* four = quantisation.find("load_in_4bit"); four && *four == true)
    return not_decoded("bitsandbytes", place);
  if (const Json* eight = quantisation.find("load_in_8bit"); eight && *eight == true) {
    return not_decoded("bitsandbytes", place);
  }
  TRY_ASSIGN(const std::string method, quantisation.string_or("quant_method", ""));
  if (method == "fp8" || method == "fbgemm_fp8") return read_fp8_blocks(*json, place);
  if (method == "compressed-tensors" && is_plain_fp8(*json)) return read_fp8_blocks(*json, place);
  if (method == "mxfp4") return QuantisationConfig{};
  if (method == "gptq") return not_decoded("GPTQ", place);
  if (method == "awq") return not_decoded("AWQ", place);
  if (method.starts_with("bitsandbytes")) return not_decoded("bitsandbytes", place);
  return not_decoded(method.empty() ? "an unnamed method (quantization_config has no quant_method)" : method, place);
}

Status refuse_packed_weights(const std::vector<StoredTensor>& tensors) {
  struct Mark {
    std::string_view text;
    std::string_view method;
  };
  constexpr std::array kMarks{Mark{".g_idx", "GPTQ"},
                              Mark{".qweight", "GPTQ or AWQ"},
                              Mark{".qzeros", "GPTQ or AWQ"},
                              Mark{".weight.absmax", "bitsandbytes"},
                              Mark{".weight.quant_state.bitsandbytes__nf4", "bitsandbytes"},
                              Mark{".weight.quant_state.bitsandbytes__fp4", "bitsandbytes"},
                              Mark{".SCB", "bitsandbytes"},
                              Mark{".weight_packed", "compressed-tensors"}};
  for (const Mark& mark : kMarks) {
    for (const StoredTensor& tensor : tensors) {
      if (tensor.name.ends_with(mark.text)) return not_decoded(mark.method, tensor.place());
    }
  }
  return ok_status();
}

// ---- small fields

Result<std::vector<int64_t>> token_ids(const Json& config, std::string_view key, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(config, place));
  const Json* value = object.find(key);
  if (!value) return std::vector<int64_t>{};
  if (!value->is_array()) {
    TRY_ASSIGN(const int64_t id, object.integer(key, 0, INT32_MAX));
    return std::vector<int64_t>{id};
  }
  std::vector<int64_t> ids;
  for (const Json& item : *value) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > INT32_MAX) {
      return invalid(fmt::format("field \"{}\" must be a token id or a list of them", key), place);
    }
    ids.push_back(item.get<int64_t>());
  }
  return ids;
}

Result<ChatTemplates> chat_templates_of(const Json& tokenizer_config, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(tokenizer_config, place));
  ChatTemplates templates;
  const Json* value = object.find("chat_template");
  if (!value) return templates;
  if (value->is_string()) {
    templates.main = value->get<std::string>();
    return templates;
  }
  const Error wrong = invalid("field \"chat_template\" must be a string or a list of {\"name\", \"template\"}", place);
  if (!value->is_array()) return wrong;
  for (const Json& item : *value) {
    const auto field = [&](const char* key) {
      const auto it = item.is_object() ? item.find(key) : item.end();
      return item.is_object() && it != item.end() && it->is_string() ? &*it : nullptr;
    };
    const Json* name = field("name");
    const Json* text = field("template");
    if (!name || !text) return wrong;
    if (*name == "default") templates.main = text->get<std::string>();
    templates.named.insert_or_assign(name->get<std::string>(), text->get<std::string>());
  }
  return templates;
}

}  // namespace linnet
