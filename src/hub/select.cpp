#include "hub/select.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <map>
#include <optional>

#include "base/system.hpp"

namespace linnet {
namespace {

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return upper(c); });
  return out;
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

struct Split {
  std::string_view stem;  // without "-00001-of-00003" and ".gguf"
  uint32_t part = 1;
  uint32_t parts = 1;
};

uint32_t number(std::string_view five_digits) {
  uint32_t value = 0;
  for (const char c : five_digits) value = value * 10 + static_cast<uint32_t>(c - '0');
  return value;
}

// `path` ends in `extension`. llama.cpp and transformers write the same "-%05d-of-%05d".
Split split_of(std::string_view path, std::string_view extension) {
  path.remove_suffix(extension.size());
  constexpr size_t kTail = 15;
  if (path.size() <= kTail) return {path};
  const std::string_view tail = path.substr(path.size() - kTail);
  const bool split =
      tail[0] == '-' && tail.substr(6, 4) == "-of-" && all_digits(tail.substr(1, 5)) && all_digits(tail.substr(10));
  if (!split) return {path};
  return {path.substr(0, path.size() - kTail), number(tail.substr(1, 5)), number(tail.substr(10))};
}

// Whether `word` (in capitals) is how a quantisation is called: Q4_K_M, IQ4_XS, TQ1_0, BF16, MXFP4_MOE.
bool is_quant_word(std::string_view word) {
  for (const std::string_view name : {"F16", "FP16", "BF16", "F32", "FP32"}) {
    if (word == name) return true;
  }
  if (word.starts_with("MXFP4")) return true;
  if (word.starts_with("IQ") || word.starts_with("TQ")) word.remove_prefix(1);
  return word.size() >= 2 && word[0] == 'Q' && is_digit(word[1]);
}

struct Gguf {
  std::string quant;
  std::vector<size_t> files;  // in order of part
  uint32_t parts = 1;
  uint64_t bytes = 0;
};

bool is_weights_of_another_kind(std::string_view file) {
  const std::string name = upper(base_name(file));
  return name.starts_with("MMPROJ") || name.find("-MMPROJ") != name.npos || name.find("IMATRIX") != name.npos;
}

// All GGUF models of the repository by stem.
std::map<std::string, Gguf> find_ggufs(std::span<const RepoFile> files) {
  std::map<std::string, Gguf> found;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].name.ends_with(".gguf") || is_weights_of_another_kind(files[i].name)) continue;
    const Split split = split_of(files[i].name, ".gguf");
    Gguf& gguf = found[std::string(split.stem)];
    gguf.quant = quant_of(files[i].name);
    gguf.parts = split.parts;
    gguf.files.push_back(i);
    gguf.bytes += files[i].size;
  }
  for (auto& [stem, gguf] : found)
    std::ranges::sort(gguf.files, {}, [&](size_t i) { return std::string_view(files[i].name); });
  return found;
}

std::string list_ggufs(std::span<const RepoFile> files, const std::map<std::string, Gguf>& ggufs) {
  std::string text;
  constexpr int kMost = 40;
  int shown = 0;
  for (const auto& [stem, gguf] : ggufs) {
    if (++shown > kMost) return text + fmt::format("\n    … and {} more", ggufs.size() - kMost);
    const std::string_view file = files[gguf.files[0]].name;
    text += fmt::format("\n    :{:<12} {}  ({})", gguf.quant.empty() ? std::string(file) : gguf.quant, file,
                        format_bytes(gguf.bytes));
  }
  return text;
}

Result<Selection> take_gguf(std::span<const RepoFile> files, const Gguf& gguf, std::string_view place) {
  if (gguf.files.size() != gguf.parts) {
    return not_found(fmt::format("{} is split in {} parts, and {} of them are there", files[gguf.files[0]].name,
                                 gguf.parts, gguf.files.size()),
                     std::string(place));
  }
  return Selection{files[gguf.files[0]].name, gguf.quant, gguf.files};
}

// Small files that a safetensors model needs, or whose terms travel with it.
bool is_companion(std::string_view file) {
  static constexpr std::array<std::string_view, 19> kNames = {"config.json",
                                                              "generation_config.json",
                                                              "tokenizer.json",
                                                              "tokenizer_config.json",
                                                              "tokenizer.model",
                                                              "vocab.json",
                                                              "vocab.txt",
                                                              "merges.txt",
                                                              "special_tokens_map.json",
                                                              "added_tokens.json",
                                                              "chat_template.jinja",
                                                              "chat_template.json",
                                                              "modules.json",
                                                              "sentence_bert_config.json",
                                                              "config_sentence_transformers.json",
                                                              "model.safetensors.index.json",
                                                              "adapter_config.json",
                                                              "README.md",
                                                              "spiece.model"};
  const std::string_view name = base_name(file);
  const size_t depth = std::ranges::count(file, '/');
  // sentence-transformers keeps the settings of its modules in "1_Pooling/config.json" and the like.
  if (depth == 1) return is_digit(file[0]) && file.find('_') < file.find('/') && name == "config.json";
  if (depth != 0) return false;
  const std::string capitals = upper(name);
  for (const std::string_view legal : {"LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "USAGE_POLICY"}) {
    if (capitals.starts_with(legal)) return true;
  }
  return std::ranges::find(kNames, name) != kNames.end();
}

// The weights of the folder: "model*.safetensors" where there are any (a repository may hold the same weights again as
// "consolidated.safetensors"), else an adapter, else every safetensors file of the top folder.
Result<std::vector<size_t>> find_weights(std::span<const RepoFile> files, std::string_view place) {
  std::vector<size_t> model;
  std::vector<size_t> other;
  uint32_t parts = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string_view name = files[i].name;
    if (!name.ends_with(".safetensors") || name.find('/') != name.npos) continue;
    const Split split = split_of(name, ".safetensors");
    if (split.stem == "model") parts = std::max(parts, split.parts);
    (split.stem == "model" ? model : other).push_back(i);
  }
  // One whole file beats shards of the same; else every shard must be there.
  if (parts > 1) {
    std::erase_if(model, [&](size_t i) { return split_of(files[i].name, ".safetensors").parts != parts; });
    if (model.size() != parts) {
      return not_found(
          fmt::format("the model is cut in {} safetensors files, and {} of them are there", parts, model.size()),
          std::string(place));
    }
  }
  return model.empty() ? other : model;
}

// The folder as a model, or nothing when it has no safetensors.
Result<std::optional<Selection>> take_folder(std::span<const RepoFile> files, std::string_view place) {
  TRY_ASSIGN(std::vector<size_t> chosen, find_weights(files, place));
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(files, [&](const RepoFile& f) { return f.name == name; });
  };
  if (chosen.empty() || (!has("config.json") && !has("adapter_config.json"))) return std::optional<Selection>();
  for (size_t i = 0; i < files.size(); ++i) {
    if (is_companion(files[i].name)) chosen.push_back(i);
  }
  std::ranges::sort(chosen, {}, [&](size_t i) { return std::string_view(files[i].name); });
  return std::optional(Selection{"", "", std::move(chosen)});
}

Error nothing_here(std::span<const RepoFile> files, std::string_view place) {
  for (const RepoFile& file : files) {
    const std::string_view name = file.name;
    if (name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") || name.ends_with(".ckpt")) {
      return unsupported(
          fmt::format("holds its weights as a pickle ({}), which can run any code when it is loaded", name),
          std::string(place), "look for a conversion to safetensors or GGUF of the same model");
    }
  }
  return not_found("holds neither a GGUF file nor a config.json with safetensors", std::string(place));
}

}  // namespace

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(
                                     a, b, {}, [](char c) { return upper(c); }, [](char c) { return upper(c); });
}

std::string quant_of(std::string_view file) {
  if (!file.ends_with(".gguf")) return {};
  const std::string stem = upper(base_name(split_of(file, ".gguf").stem));
  // The longest run of letters, digits and '_' at the end that begins, after a separator, as a quantisation does.
  size_t start = stem.size();
  for (size_t i = stem.size(); i-- > 0;) {
    const char c = stem[i];
    if (c == '-' || c == '.') break;
    const bool boundary = i == 0 || stem[i - 1] == '-' || stem[i - 1] == '.' || stem[i - 1] == '_';
    if (boundary && is_quant_word(std::string_view(stem).substr(i))) start = i;
  }
  if (start == stem.size()) return {};
  // Unsloth's own mixtures stand beside the plain ones of the same name.
  if (start >= 4 && stem.compare(start - 4, 4, "-UD-") == 0) start -= 3;
  return stem.substr(start);
}

Result<Selection> select_files(std::span<const RepoFile> files, std::string_view selector, std::string_view place) {
  const auto ggufs = find_ggufs(files);
  if (selector.empty()) {
    TRY_ASSIGN(std::optional<Selection> folder, take_folder(files, place));
    if (folder) return *std::move(folder);
    if (ggufs.empty()) return nothing_here(files, place);
    if (ggufs.size() == 1) return take_gguf(files, ggufs.begin()->second, place);
    return usage_error(
        fmt::format("{}: holds {} models; say which with one of{}", place, ggufs.size(), list_ggufs(files, ggufs)));
  }
  std::vector<const Gguf*> matches;
  for (const auto& [stem, gguf] : ggufs) {
    const bool named = std::ranges::any_of(gguf.files, [&](size_t i) { return files[i].name == selector; });
    if (named) return take_gguf(files, gguf, place);
    // A folder may carry the name of the quant: "BF16/model-00001-of-00002.gguf".
    if (same_ignoring_case(gguf.quant, selector) || same_ignoring_case(base_name(files[gguf.files[0]].name), selector))
      matches.push_back(&gguf);
  }
  if (matches.size() == 1) return take_gguf(files, *matches[0], place);
  if (matches.size() > 1) {
    return usage_error(fmt::format("{}: \"{}\" fits {} files; name the file{}", place, selector, matches.size(),
                                   list_ggufs(files, ggufs)));
  }
  if (ggufs.empty()) {
    Error error = nothing_here(files, place);
    if (error.code == ErrorCode::kUnsupported) return error;
    return not_found(fmt::format("holds no GGUF file, so there is no \"{}\"", selector), std::string(place),
                     "leave out what follows ':' to take the safetensors model");
  }
  return not_found(fmt::format("holds no \"{}\"; there are{}", selector, list_ggufs(files, ggufs)), std::string(place));
}

}  // namespace linnet
