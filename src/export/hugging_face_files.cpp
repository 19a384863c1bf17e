#include "export/hugging_face_files.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "text/large_object.hpp"
#include "text/tokenizer_export.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

// What libraries read from a model's folder beside config.json and the weights, none of which an export changes.
constexpr std::array<std::string_view, 13> kCopied{"generation_config.json",
                                                   "tokenizer.json",
                                                   "tokenizer.model",
                                                   "tokenizer_config.json",
                                                   "special_tokens_map.json",
                                                   "added_tokens.json",
                                                   "vocab.json",
                                                   "vocab.txt",
                                                   "merges.txt",
                                                   "modules.json",
                                                   "sentence_bert_config.json",
                                                   "config_sentence_transformers.json",
                                                   "1_Pooling/config.json"};

Json id_or_null(int32_t id) {
  return id == kNoToken ? Json() : Json(id);
}

// Every id after which a reply ends, the tokenizer's eos first.
std::vector<int64_t> end_ids(const ModelFiles& files, const Tokenizer* tokenizer) {
  std::vector<int64_t> ids;
  const auto add = [&](int64_t id) {
    if (id != kNoToken && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (tokenizer) add(tokenizer->special().eos);
  for (const int64_t id : files.eos_token_ids) add(id);
  if (tokenizer) {
    for (const int32_t id : tokenizer->end_ids()) add(id);
  }
  return ids;
}

// What transformers' generate() starts and stops with.
Json generation_config(const ModelFiles& files, const Tokenizer* tokenizer, const Json& config) {
  Json json = Json::object();
  const std::vector<int64_t> ends = end_ids(files, tokenizer);
  if (!config["bos_token_id"].is_null()) json["bos_token_id"] = config["bos_token_id"];
  if (!ends.empty()) json["eos_token_id"] = ends.size() == 1 ? Json(ends[0]) : Json(ends);
  if (!config["pad_token_id"].is_null()) json["pad_token_id"] = config["pad_token_id"];
  return json;
}

Json added_tokens(const Tokenizer& tokenizer) {
  Json tokens = Json::object();
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const TokenKind kind = tokenizer.kind(id);
    const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (!special && kind != TokenKind::kUserDefined) continue;
    append_member(tokens, std::to_string(id),
                  Json{{"content", std::string(tokenizer.piece(id))},
                       {"lstrip", false},
                       {"normalized", false},
                       {"rstrip", false},
                       {"single_word", false},
                       {"special", special}});
  }
  return tokens;
}

Json tokenizer_config(const ModelDescription& model, const Tokenizer& tokenizer) {
  Json json = Json::object();
  json["added_tokens_decoder"] = added_tokens(tokenizer);
  const SpecialIds& ids = tokenizer.special();
  const auto name = [&](const char* key, int32_t id) {
    if (id != kNoToken) json[key] = std::string(tokenizer.piece(id));
  };
  name("bos_token", ids.bos);
  name("cls_token", ids.cls);
  name("eos_token", ids.eos);
  name("mask_token", ids.mask);
  name("pad_token", ids.pad);
  name("sep_token", ids.sep);
  name("unk_token", ids.unk);
  json["clean_up_tokenization_spaces"] = false;
  json["model_max_length"] = model.transformer.max_positions;
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  // Also here: before version 4.44 transformers looks nowhere else.
  if (model.files.chat_template) json["chat_template"] = *model.files.chat_template;
  return json;
}

// The names come from the model's file.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(kLetters) == name.npos;
}

Status write_chat_templates(const ModelFiles& files, const fs::path& folder, ExportWarnings& warnings) {
  if (files.chat_template) TRY(write_file(folder / "chat_template.jinja", *files.chat_template));
  for (const auto& [name, text] : files.named_chat_templates) {
    if (name == "default" && files.chat_template) continue;
    if (is_plain_name(name)) {
      TRY(write_file(folder / "additional_chat_templates" / (name + ".jinja"), text));
    } else {
      warnings.push_back(fmt::format("the chat template \"{}\" is left out: its name cannot be a file's", name));
    }
  }
  return ok_status();
}

}  // namespace

void add_token_ids(const ModelFiles& files, const Tokenizer* tokenizer, Json& config) {
  if (tokenizer) {
    config["bos_token_id"] = id_or_null(tokenizer->special().bos);
    config["pad_token_id"] = id_or_null(tokenizer->special().pad);
  }
  const std::vector<int64_t> ends = end_ids(files, tokenizer);
  config["eos_token_id"] = ends.empty() ? Json() : Json(ends[0]);
}

Status write_companions(const ModelDescription& model, const Tokenizer* tokenizer, const Json& config,
                        const fs::path& folder, ExportWarnings& warnings) {
  const ModelFiles& files = model.files;
  for (const std::string_view name : kCopied) {
    const auto path = files.file(name);
    if (!path) continue;
    TRY_ASSIGN(const std::string bytes, read_file(*path));
    TRY(write_file(folder / name, bytes));
  }
  TRY(write_chat_templates(files, folder, warnings));
  if (!tokenizer) {
    warnings.emplace_back("the model has no tokenizer: the folder holds none");
  } else if (!files.tokenizer_json) {
    TRY_ASSIGN(const std::string json, to_tokenizer_json(*tokenizer));
    TRY(write_file(folder / "tokenizer.json", json));
  }
  if (files.kind != ModelFiles::Kind::kGguf) return ok_status();
  if (tokenizer)
    TRY(write_file(folder / "tokenizer_config.json", dump_json(tokenizer_config(model, *tokenizer), 2) + "\n"));
  if (!model.transformer.has_head) return ok_status();
  return write_file(folder / "generation_config.json",
                    dump_json(generation_config(files, tokenizer, config), 2) + "\n");
}

}  // namespace linnet
