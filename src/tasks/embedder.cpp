#include "tasks/embedder.hpp"

#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "models/text_vectors.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {

namespace {

// As 1_Pooling/config.json names them.
constexpr std::pair<const char*, ops::Pooling> kModes[] = {{"pooling_mode_mean_tokens", ops::Pooling::kMean},
                                                           {"pooling_mode_cls_token", ops::Pooling::kCls},
                                                           {"pooling_mode_max_tokens", ops::Pooling::kMax},
                                                           {"pooling_mode_lasttoken", ops::Pooling::kLastToken}};

Status read_pooling_module(const std::filesystem::path& path, PoolingConfig& config) {
  TRY_ASSIGN(const Json json, read_json_file(path.string()));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, path.string()));
  int chosen = 0;
  for (const auto& [key, pooling] : kModes) {
    TRY_ASSIGN(const bool on, object.boolean_or(key, false));
    if (!on) continue;
    config.pooling = pooling;
    ++chosen;
  }
  if (chosen == 1) return ok_status();
  return unsupported("a pooling other than exactly one of mean, cls, max and last token", path.string());
}

// "sentence_transformers.models.Pooling" -> "Pooling"
std::string last_part(const std::string& dotted) {
  return dotted.substr(dotted.rfind('.') + 1);
}

// One entry of modules.json.
Status apply_module(const Json& item, const ModelFiles& files, const std::string& place, PoolingConfig& config) {
  TRY_ASSIGN(const JsonObject module, JsonObject::of(item, place));
  TRY_ASSIGN(const std::string type, module.string("type"));
  TRY_ASSIGN(const std::string folder, module.string_or("path", ""));
  const std::string kind = last_part(type);
  if (kind == "Transformer") return ok_status();
  if (kind == "Normalize") {
    config.normalise = true;
    return ok_status();
  }
  if (kind != "Pooling") {
    return unsupported(fmt::format("module \"{}\"", type), place, "supported: Transformer, Pooling, Normalize");
  }
  const auto path = files.file(folder + "/config.json");
  if (!path) return not_found(folder + "/config.json is missing", files.folder.string());
  return read_pooling_module(*path, config);
}

// sentence_bert_config.json: how much of a text is read.
Status read_length(const std::filesystem::path& path, PoolingConfig& config) {
  TRY_ASSIGN(const Json json, read_json_file(path.string()));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, path.string()));
  TRY_ASSIGN(config.max_tokens, object.integer_or("max_seq_length", config.max_tokens, 1, config.max_tokens));
  return ok_status();
}

}  // namespace

Result<PoolingConfig> read_pooling(const ModelHandle& model) {
  const ModelFiles& files = model.description.files;
  PoolingConfig config;
  config.max_tokens = model.config().max_positions;
  config.pooling = model.config().causal ? ops::Pooling::kLastToken : ops::Pooling::kMean;
  if (const auto path = files.file("sentence_bert_config.json")) TRY(read_length(*path, config));
  const auto modules = files.file("modules.json");
  if (!modules) return config;
  TRY_ASSIGN(const Json list, read_json_file(modules->string()));
  if (!list.is_array()) return invalid("must be a list of modules", modules->string());
  config.normalise = false;
  for (const Json& item : list) TRY(apply_module(item, files, modules->string(), config));
  return config;
}

Status write_pooling(const PoolingConfig& pooling, int64_t width, const std::filesystem::path& folder) {
  const char* const kPoolingFolder = "1_Pooling";
  Json modules = Json::array();
  const auto add = [&](const std::string& kind, const std::string& path) {
    const size_t number = modules.size();
    modules.push_back({{"idx", number},
                       {"name", std::to_string(number)},
                       {"path", path},
                       {"type", "sentence_transformers.models." + kind}});
  };
  add("Transformer", "");
  add("Pooling", kPoolingFolder);
  if (pooling.normalise) add("Normalize", "2_Normalize");
  Json modes{{"word_embedding_dimension", width}};
  for (const auto& [key, mode] : kModes) modes[key] = mode == pooling.pooling;
  const auto write = [&](const char* name, const Json& json) { return write_file(folder / name, dump_json(json, 2)); };
  std::error_code code;  // what could not be made is said by what is written into it
  std::filesystem::create_directories(folder / kPoolingFolder, code);
  TRY(write("modules.json", modules));
  TRY(write("1_Pooling/config.json", modes));
  return write("sentence_bert_config.json", {{"max_seq_length", pooling.max_tokens}, {"do_lower_case", false}});
}

Result<Embedder> Embedder::load(ModelHandle model, Runtime& runtime, int64_t max_tokens) {
  TRY_ASSIGN(PoolingConfig pooling, read_pooling(model));
  if (max_tokens > 0) pooling.max_tokens = std::min(pooling.max_tokens, max_tokens);
  TRY_ASSIGN(Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model));
  TRY_ASSIGN(Transformer transformer, load_weights(model, runtime, pooling.max_tokens, adapters));
  return Embedder(std::move(model), std::move(tokenizer), runtime, std::move(transformer), pooling);
}

Result<std::vector<int32_t>> Embedder::encode(const std::string& text, TooLong too_long) const {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer_.encode(text, {.add_special = true}));
  if (tokens.empty()) return invalid("the text is empty");
  const auto limit = static_cast<size_t>(pooling_.max_tokens);
  if (tokens.size() <= limit) return tokens;
  if (too_long == TooLong::kError) {
    return invalid(fmt::format("the text has {} tokens, the model takes {}", tokens.size(), limit), {},
                   "cut the text in parts, or allow the rest to be ignored with --truncate");
  }
  // The closing special token stays, as sentence-transformers keeps it.
  const int32_t last = tokens.back();
  tokens.resize(limit);
  if (last == tokenizer_.special().sep) tokens.back() = last;
  return tokens;
}

Result<std::vector<std::vector<int32_t>>> Embedder::encode(std::span<const std::string> texts, TooLong too_long) const {
  std::vector<std::vector<int32_t>> tokens;
  tokens.reserve(texts.size());
  for (const std::string& text : texts) {
    TRY_ASSIGN(tokens.emplace_back(), encode(text, too_long));
  }
  return tokens;
}

Result<Tensor> Embedder::embed(std::span<const std::vector<int32_t>> texts) const {
  return text_vectors(runtime_->context(), transformer_, texts, pooling_.pooling, pooling_.normalise);
}

Result<Tensor> Embedder::embed(std::span<const std::string> texts, TooLong too_long) const {
  constexpr size_t kTexts = 64;  // together: enough to use each weight often, and of one text's memory each
  const int64_t width = transformer_.config().hidden_size;
  Tensor vectors = Tensor::empty(DType::kF32, {static_cast<int64_t>(texts.size()), width});
  for (size_t begin = 0; begin < texts.size(); begin += kTexts) {
    TRY_ASSIGN(const auto tokens, encode(texts.subspan(begin, std::min(kTexts, texts.size() - begin)), too_long));
    TRY_ASSIGN(const Tensor part, embed(tokens));
    std::copy_n(part.data<float>(), part.elements(), vectors.data<float>() + static_cast<int64_t>(begin) * width);
  }
  return vectors;
}

}  // namespace linnet
