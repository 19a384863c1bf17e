#include "tasks/tokenizer_loader.hpp"

#include <atomic>
#include <memory>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "text/sentencepiece.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {

namespace {

constexpr int64_t kMaxTokenId = int64_t{1} << 26;

Status read_optional_id(const GgufMetadata& metadata, const char* key, std::optional<int64_t>& into) {
  if (!metadata.has(key)) return ok_status();
  // Some converters write -1 or 2^32 - 1 for "none".
  TRY_ASSIGN(const int64_t id, metadata.integer(key, INT64_MIN, INT64_MAX));
  if (id >= 0 && id < kMaxTokenId) into = id;
  return ok_status();
}

Status read_optional_flag(const GgufMetadata& metadata, const char* key, std::optional<bool>& into) {
  if (!metadata.has(key)) return ok_status();
  TRY_ASSIGN(into, metadata.boolean(key));
  return ok_status();
}

}  // namespace

Result<GgufTokenizerFields> read_gguf_tokenizer_fields(const GgufMetadata& metadata) {
  GgufTokenizerFields fields;
  TRY_ASSIGN(const std::string_view model, metadata.string("tokenizer.ggml.model"));
  fields.model = model;
  if (metadata.has("tokenizer.ggml.pre")) {
    TRY_ASSIGN(const std::string_view pre, metadata.string("tokenizer.ggml.pre"));
    fields.pre = std::string(pre);
  }
  TRY_ASSIGN(const std::vector<std::string_view> tokens, metadata.strings("tokenizer.ggml.tokens"));
  fields.tokens.assign(tokens.begin(), tokens.end());
  if (metadata.has("tokenizer.ggml.scores")) {
    TRY_ASSIGN(fields.scores, metadata.floats("tokenizer.ggml.scores"));
  }
  if (metadata.has("tokenizer.ggml.token_type")) {
    TRY_ASSIGN(const std::vector<int64_t> types, metadata.integers("tokenizer.ggml.token_type", INT32_MIN, INT32_MAX));
    fields.token_types.assign(types.begin(), types.end());
  }
  if (metadata.has("tokenizer.ggml.merges")) {
    TRY_ASSIGN(const std::vector<std::string_view> merges, metadata.strings("tokenizer.ggml.merges"));
    fields.merges.assign(merges.begin(), merges.end());
  }
  if (const GgufValue* map = metadata.find("tokenizer.ggml.precompiled_charsmap");
      map && map->type == GgufType::kArray) {
    const auto bytes = map->elements();
    fields.precompiled_charsmap.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  TRY(read_optional_id(metadata, "tokenizer.ggml.bos_token_id", fields.bos));
  TRY(read_optional_id(metadata, "tokenizer.ggml.eos_token_id", fields.eos));
  TRY(read_optional_id(metadata, "tokenizer.ggml.eot_token_id", fields.eot));
  TRY(read_optional_id(metadata, "tokenizer.ggml.unknown_token_id", fields.unk));
  TRY(read_optional_id(metadata, "tokenizer.ggml.seperator_token_id", fields.sep));
  TRY(read_optional_id(metadata, "tokenizer.ggml.padding_token_id", fields.pad));
  TRY(read_optional_id(metadata, "tokenizer.ggml.cls_token_id", fields.cls));
  TRY(read_optional_id(metadata, "tokenizer.ggml.mask_token_id", fields.mask));
  TRY(read_optional_flag(metadata, "tokenizer.ggml.add_bos_token", fields.add_bos));
  TRY(read_optional_flag(metadata, "tokenizer.ggml.add_eos_token", fields.add_eos));
  TRY(read_optional_flag(metadata, "tokenizer.ggml.add_sep_token", fields.add_sep));
  TRY(read_optional_flag(metadata, "tokenizer.ggml.add_space_prefix", fields.add_space_prefix));
  TRY(read_optional_flag(metadata, "tokenizer.ggml.remove_extra_whitespaces", fields.remove_extra_whitespaces));
  return fields;
}

namespace {

// A warning for each kind of loss, once, however many texts have it.
LossReport warn_once() {
  struct Said {
    std::atomic<bool> not_utf8 = false;
    std::atomic<bool> no_token = false;
  };
  return [said = std::make_shared<Said>()](const EncodeLoss& loss) {
    std::atomic<bool>& before = loss.kind == EncodeLoss::Kind::kNotUtf8 ? said->not_utf8 : said->no_token;
    if (!before.exchange(true)) log_warning("{}", loss.to_string());
  };
}

Result<Tokenizer> read_tokenizer(const ModelFiles& files) {
  if (files.gguf) {
    const GgufMetadata& metadata = files.gguf->metadata();
    TRY_ASSIGN(const std::string_view model, metadata.string_or("tokenizer.ggml.model", "none"));
    if (model == "none" || model == "no_vocab") {  // llama.cpp's names for it, new and old
      return not_found("the file holds no tokenizer", metadata.place(),
                       "it can be exported; to write text, take a file that has one");
    }
    TRY_ASSIGN(const GgufTokenizerFields fields, read_gguf_tokenizer_fields(metadata));
    return load_gguf_tokenizer(fields, metadata.place());
  }
  if (files.tokenizer_json) {
    TRY_ASSIGN(const std::string json, read_file(*files.tokenizer_json));
    const std::string config = files.tokenizer_config ? dump_json(*files.tokenizer_config) : "";
    return load_tokenizer_json(json, config, files.tokenizer_json->string());
  }
  if (files.tokenizer_model) {
    TRY_ASSIGN(const std::string bytes, read_file(*files.tokenizer_model));
    return load_sentencepiece(bytes, files.tokenizer_model->string());
  }
  return not_found("there is no tokenizer", files.folder.string(),
                   "put the model's tokenizer.json (or tokenizer.model) beside its weights");
}

}  // namespace

Result<Tokenizer> load_tokenizer(const ModelFiles& files) {
  TRY_ASSIGN(Tokenizer tokenizer, read_tokenizer(files));
  tokenizer.on_loss(warn_once());
  return tokenizer;
}

}  // namespace linnet
