// Drives a tokenizer for the comparison with its peers (tests/peers/compare_tokenizers.py) and times it.
//
//   tokenizer_tool KIND FILE encode [--add-special] [--parse-special]   texts in, ids out
//   tokenizer_tool KIND FILE decode [--keep-special] [--stream]         ids in, texts out
//   tokenizer_tool KIND FILE to-json                                    the same tokenizer as a tokenizer.json
//   tokenizer_tool KIND FILE bench TEXT                                 MB/s of encoding the file TEXT
// KIND: json (tokenizer.json), spm (tokenizer.model), gguf (a JSON object of the fields of GgufTokenizerFields).
// On stdin and stdout a text is its bytes and a list of ids is int32 values, each after its count of bytes as a uint32,
// all in the machine's byte order.
#include <chrono>
#include <fmt/format.h>
#include <iostream>

#include "base/file.hpp"
#include "base/json.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/sentencepiece.hpp"
#include "text/tokenizer.hpp"
#include "text/tokenizer_export.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {
namespace {

Result<Tokenizer> load_fields(const std::string& path) {
  TRY_ASSIGN(const Json json, read_json_file(path, 1ull << 30));
  GgufTokenizerFields fields;
  fields.model = json.at("model");
  const auto list = [&](const char* key, auto& out) {
    if (json.contains(key)) json.at(key).get_to(out);
  };
  list("tokens", fields.tokens);
  list("scores", fields.scores);
  list("token_type", fields.token_types);
  list("merges", fields.merges);
  const auto optional = [&]<class T>(const char* key, std::optional<T>& out) {
    if (json.contains(key)) out = json.at(key).get<T>();
  };
  optional("pre", fields.pre);
  optional("bos_token_id", fields.bos);
  optional("eos_token_id", fields.eos);
  optional("eot_token_id", fields.eot);
  optional("unknown_token_id", fields.unk);
  optional("seperator_token_id", fields.sep);
  optional("padding_token_id", fields.pad);
  optional("cls_token_id", fields.cls);
  optional("mask_token_id", fields.mask);
  optional("add_bos_token", fields.add_bos);
  optional("add_eos_token", fields.add_eos);
  optional("add_space_prefix", fields.add_space_prefix);
  optional("remove_extra_whitespaces", fields.remove_extra_whitespaces);
  if (json.contains("general.name")) fields.model_name = json.at("general.name").get<std::string>();
  if (json.contains("precompiled_charsmap")) {
    for (const Json& byte : json.at("precompiled_charsmap")) {
      fields.precompiled_charsmap.push_back(static_cast<char>(byte.get<int>()));
    }
  }
  return load_gguf_tokenizer(fields, path);
}

Result<Tokenizer> load(std::string_view kind, const std::string& path) {
  if (kind == "gguf") return load_fields(path);
  if (kind == "json") {
    TRY_ASSIGN(const std::string text, read_file(path, 1ull << 30));
    return load_tokenizer_json(text, {}, path);
  }
  if (kind == "spm") {
    TRY_ASSIGN(const std::string bytes, read_file(path, 1ull << 30));
    return load_sentencepiece(bytes, path);
  }
  return usage_error("KIND is json, spm or gguf");
}

// False at the end of the input.
template <class Unit>
Result<bool> read_frame(std::vector<Unit>& units) {
  uint32_t bytes = 0;
  if (!std::cin.read(reinterpret_cast<char*>(&bytes), sizeof bytes)) return false;
  if (bytes % sizeof(Unit) != 0) return usage_error("a frame that does not hold whole values");
  units.resize(bytes / sizeof(Unit));
  if (!std::cin.read(reinterpret_cast<char*>(units.data()), bytes)) return usage_error("the last frame is cut short");
  return true;
}

template <class Units>
void write_frame(const Units& units) {
  const auto bytes = static_cast<uint32_t>(units.size() * sizeof(units[0]));
  std::cout.write(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  std::cout.write(reinterpret_cast<const char*>(units.data()), bytes);
}

Status encode_frames(const Tokenizer& tokenizer, const EncodeOptions& options) {
  for (std::vector<char> text;;) {
    TRY_ASSIGN(const bool more, read_frame(text));
    if (!more) return ok_status();
    TRY_ASSIGN(const auto ids, tokenizer.encode({text.data(), text.size()}, options));
    write_frame(ids);
  }
}

Status decode_frames(const Tokenizer& tokenizer, const DecodeOptions& options, bool stream) {
  for (std::vector<int32_t> ids;;) {
    TRY_ASSIGN(const bool more, read_frame(ids));
    if (!more) return ok_status();
    if (!stream) {
      write_frame(tokenizer.decode(ids, options));
      continue;
    }
    Detokenizer detokenizer(tokenizer, options);
    std::string text;
    for (const int32_t id : ids) text += detokenizer.push(id);
    write_frame(text + detokenizer.finish());
  }
}

Status bench(const Tokenizer& tokenizer, const std::string& path) {
  TRY_ASSIGN(const std::string text, read_file(path));
  TRY(tokenizer.encode(text));  // what is learned once, and memory met first, is not counted
  const auto start = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto ids, tokenizer.encode(text));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{:.1f} MB/s, {} bytes, {} tokens\n", static_cast<double>(text.size()) / seconds / 1e6, text.size(),
             ids.size());
  return ok_status();
}

Status run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) return usage_error("tokenizer_tool KIND FILE encode|decode|bench ...");
  const auto start = std::chrono::steady_clock::now();
  TRY_ASSIGN(const Tokenizer tokenizer, load(arguments[0], arguments[1]));
  const auto flag = [&](std::string_view name) {
    return std::find(arguments.begin() + 3, arguments.end(), name) != arguments.end();
  };
  if (arguments[2] == "encode") return encode_frames(tokenizer, {flag("--add-special"), flag("--parse-special")});
  if (arguments[2] == "decode") return decode_frames(tokenizer, {!flag("--keep-special")}, flag("--stream"));
  if (arguments[2] == "to-json") {
    TRY_ASSIGN(const std::string json, to_tokenizer_json(tokenizer));
    std::cout << json << '\n';
    return ok_status();
  }
  if (arguments[2] == "bench" && arguments.size() == 4) {
    fmt::print("loaded in {:.1f} ms\n",
               std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    return bench(tokenizer, arguments[3]);
  }
  return usage_error("encode, decode or bench");
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const auto status = linnet::run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::cerr << status.error().to_string() << '\n';
  return 1;
}
