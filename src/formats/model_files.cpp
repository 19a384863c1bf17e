#include "formats/model_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/core.h>
#include <span>

#include "base/file.hpp"
#include "base/json.hpp"
#include "formats/hugging_face.hpp"
#include "formats/safetensors.hpp"
#include "formats/split_weights.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kWeightsName = "model.safetensors";
constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr std::string_view kTokenizerModel = "tokenizer.model";
constexpr uint64_t kMaxTemplate = 16 << 20;

bool is_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

// ---- what is refused by name

// Formats of weights that are programs, or belong to other frameworks, by extension.
struct Foreign {
  std::string_view extension;
  std::string_view what;
};
constexpr std::array kForeign{Foreign{".bin", "a pickle of PyTorch"},
                              Foreign{".pt", "a pickle of PyTorch"},
                              Foreign{".pth", "a pickle of PyTorch"},
                              Foreign{".ckpt", "a pickle of PyTorch"},
                              Foreign{".pkl", "a pickle"},
                              Foreign{".h5", "a file of TensorFlow"},
                              Foreign{".msgpack", "a file of Flax"},
                              Foreign{".onnx", "a file of ONNX"},
                              Foreign{".tflite", "a file of TFLite"}};

const Foreign* find_foreign(const fs::path& path) {
  const std::string extension = path.extension().string();
  const auto it = std::find_if(kForeign.begin(), kForeign.end(),
                               [&](const Foreign& foreign) { return foreign.extension == extension; });
  return it == kForeign.end() ? nullptr : &*it;
}

Error refuse_foreign(std::string_view what, const fs::path& path) {
  if (what.find("pickle") == what.npos) {
    return unsupported(fmt::format("is {}, which Linnet does not read", what), path.string(),
                       "take this model as safetensors or GGUF");
  }
  return unsupported(
      fmt::format("is {}: loading one can run any program that is hidden in it, so Linnet never does", what),
      path.string(),
      "take this model as safetensors or GGUF (on Hugging Face: the tab \"Files\", or the space "
      "safetensors/convert)");
}

// The first bytes of a file; fewer when it is shorter or unreadable.
std::string read_head(const fs::path& path, size_t size) {
  std::string head;
  // A file shorter than `size` is no error here.
  (void)stream_file(path, size, [&](std::span<const std::byte> chunk) -> Status {
    head.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    return ok_status();
  });
  return head;
}

bool looks_like_pickle(std::string_view head) {
  // A pickle of protocol 2 or later; or a zip archive, which torch.save has written since PyTorch 1.6.
  const bool pickle = head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
  return pickle || head.starts_with("PK\x03\x04");
}

// ---- GGUF

// tokenizer.chat_template, and tokenizer.chat_template.NAME for the others.
Status read_gguf_templates(const GgufMetadata& metadata, ModelFiles& files) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  for (const GgufEntry& entry : metadata.entries()) {
    if (!entry.key.starts_with(kKey) || entry.value.type != GgufType::kString) continue;
    TRY_ASSIGN(const std::string_view text, metadata.string(entry.key));
    if (entry.key == kKey) files.chat_template = std::string(text);
    if (entry.key.size() > kKey.size() + 1 && entry.key[kKey.size()] == '.') {
      files.named_chat_templates.emplace(entry.key.substr(kKey.size() + 1), text);
    }
  }
  return ok_status();
}

Result<ModelFiles> open_gguf(const fs::path& path) {
  ModelFiles files;
  files.kind = ModelFiles::Kind::kGguf;
  files.path = path;
  files.folder = path.parent_path();
  TRY_ASSIGN(files.gguf, Gguf::open(path));
  files.tensors = std::shared_ptr<const TensorSource>(files.gguf, &files.gguf->tensors());
  files.mapped.assign(files.gguf->files().begin(), files.gguf->files().end());
  const GgufMetadata& metadata = files.gguf->metadata();
  TRY(read_gguf_templates(metadata, files));
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (!metadata.has(key)) continue;
    TRY_ASSIGN(const int64_t id, metadata.integer(key, INT64_MIN, INT64_MAX));
    if (id < 0 || id >= UINT32_MAX) continue;  // how some converters write "none"
    const bool known =
        std::find(files.eos_token_ids.begin(), files.eos_token_ids.end(), id) != files.eos_token_ids.end();
    if (!known) files.eos_token_ids.push_back(id);
  }
  return files;
}

// ---- Hugging Face folders

Result<SharedJson> read_json_if_there(const ModelFiles& files, std::string_view name) {
  const auto path = files.file(name);
  if (!path) return SharedJson();
  TRY_ASSIGN(Json json, read_json_file(path->string()));
  if (!json.is_object()) return invalid(fmt::format("expected an object, got {}", json.type_name()), path->string());
  return std::make_shared<const Json>(std::move(json));
}

Status read_chat_templates(ModelFiles& files) {
  if (files.tokenizer_config) {
    const std::string place = (files.folder / "tokenizer_config.json").string();
    TRY_ASSIGN(ChatTemplates templates, chat_templates_of(*files.tokenizer_config, place));
    files.chat_template = std::move(templates.main);
    files.named_chat_templates = std::move(templates.named);
  }
  // The files win over the field, as in transformers.
  if (const auto path = files.file("chat_template.jinja")) {
    TRY_ASSIGN(files.chat_template, read_file(*path, kMaxTemplate));
  }
  std::error_code code;
  for (fs::directory_iterator it(files.folder / "additional_chat_templates", code), end; !code && it != end;
       it.increment(code)) {
    if (it->path().extension() != ".jinja" || !is_file(it->path())) continue;
    TRY_ASSIGN(std::string text, read_file(it->path(), kMaxTemplate));
    files.named_chat_templates.insert_or_assign(it->path().stem().string(), std::move(text));
  }
  return ok_status();
}

Status read_eos(ModelFiles& files) {
  if (files.generation_config) {
    const std::string place = (files.folder / "generation_config.json").string();
    TRY_ASSIGN(files.eos_token_ids, token_ids(*files.generation_config, "eos_token_id", place));
  }
  if (!files.eos_token_ids.empty() || !files.config) return ok_status();
  TRY_ASSIGN(files.eos_token_ids, token_ids(*files.config, "eos_token_id", (files.folder / "config.json").string()));
  return ok_status();
}

// What lies beside the weights and is no weight.
Status read_neighbours(ModelFiles& files) {
  TRY_ASSIGN(files.generation_config, read_json_if_there(files, "generation_config.json"));
  TRY_ASSIGN(files.tokenizer_config, read_json_if_there(files, "tokenizer_config.json"));
  files.tokenizer_json = files.file(kTokenizerJson);
  files.tokenizer_model = files.file(kTokenizerModel);
  TRY(read_chat_templates(files));
  return read_eos(files);
}

// `weights`: a .safetensors file or an index, in the folder of the model.
Result<ModelFiles> open_hugging_face(const fs::path& given, const fs::path& weights) {
  ModelFiles files;
  files.kind = ModelFiles::Kind::kHuggingFace;
  files.path = given;
  files.folder = weights.parent_path();
  const std::string config_place = (files.folder / "config.json").string();
  TRY_ASSIGN(files.config, read_json_if_there(files, "config.json"));
  if (!files.config) {
    const bool adapter = files.file("adapter_config.json").has_value();
    return not_found(adapter ? "this is a LoRA adapter, not a model" : "config.json is missing beside the weights",
                     files.folder.string(),
                     adapter ? "name the model that it was trained on" : "download the whole folder of the model");
  }
  const bool multimodal = is_multimodal_config(*files.config);
  files.config = std::make_shared<const Json>(text_config_of(*files.config));
  TRY_ASSIGN(const QuantisationConfig quantisation, read_quantisation_config(*files.config, config_place));
  TRY(read_neighbours(files));

  const bool sharded = weights.extension() == ".json";
  TRY_ASSIGN(SafetensorsFile file, sharded ? open_safetensors_index(weights) : open_safetensors(weights));
  files.mapped = std::move(file.files);
  std::vector<StoredTensor> tensors = std::move(file.tensors);
  TRY(refuse_packed_weights(tensors));
  TRY(attach_fp8_scales(tensors, quantisation));
  TRY(join_mxfp4(tensors));
  if (multimodal) files.tensors_left_out = keep_text_tensors(tensors);
  TRY_ASSIGN(TensorSource source, TensorSource::of(std::move(tensors)));
  files.tensors = std::make_shared<const TensorSource>(std::move(source));
  return files;
}

// A tokenizer alone: a folder, or a file of any name. What lies beside a file counts only where the file has the name
// that a model's tokenizer has.
Result<ModelFiles> open_tokenizer(const fs::path& given) {
  ModelFiles files;
  files.kind = ModelFiles::Kind::kHuggingFace;
  files.path = given;
  std::error_code code;
  const bool folder = fs::is_directory(given, code);
  files.folder = folder ? given : given.parent_path();
  files.tensors = std::make_shared<const TensorSource>();
  if (folder || given.filename() == kTokenizerJson || given.filename() == kTokenizerModel) TRY(read_neighbours(files));
  if (folder) return files;
  const bool json = given.extension() == ".json";
  files.tokenizer_json = json ? std::optional(given) : std::nullopt;
  files.tokenizer_model = json ? std::nullopt : std::optional(given);
  return files;
}

// ---- which of a folder's files are the model

struct Listing {
  std::vector<fs::path> safetensors;
  std::vector<fs::path> gguf;  // of a split model only its first part
  std::vector<fs::path> foreign;
};

Result<Listing> list_folder(const fs::path& folder) {
  Listing listing;
  std::error_code code;
  fs::directory_iterator it(folder, code);
  if (code) return Error{ErrorCode::kIo, "cannot list the folder: " + code.message(), folder.string(), {}};
  for (const fs::directory_iterator end; it != end; it.increment(code)) {
    if (code) return Error{ErrorCode::kIo, "cannot list the folder: " + code.message(), folder.string(), {}};
    const fs::path& path = it->path();
    if (!is_file(path)) continue;
    if (path.extension() == ".safetensors") listing.safetensors.push_back(path);
    if (path.extension() == ".gguf" && parse_gguf_split_name(path).index <= 1) listing.gguf.push_back(path);
    if (find_foreign(path)) listing.foreign.push_back(path);
  }
  std::sort(listing.safetensors.begin(), listing.safetensors.end());
  std::sort(listing.gguf.begin(), listing.gguf.end());
  std::sort(listing.foreign.begin(), listing.foreign.end());
  return listing;
}

Error several(const std::vector<fs::path>& paths, const fs::path& folder, std::string_view what) {
  std::string names;
  for (size_t i = 0; i < paths.size() && i < 8; ++i) names += (i ? ", " : "") + paths[i].filename().string();
  if (paths.size() > 8) names += fmt::format(" and {} more", paths.size() - 8);
  return invalid(fmt::format("the folder holds {} {} files: {}", paths.size(), what, names), folder.string(),
                 "name the one that you mean");
}

Result<ModelFiles> open_folder(const fs::path& folder) {
  if (is_file(folder / kWeightsName)) return open_hugging_face(folder, folder / kWeightsName);
  if (is_file(folder / kIndexName)) return open_hugging_face(folder, folder / kIndexName);
  TRY_ASSIGN(const Listing listing, list_folder(folder));
  const bool has_config = is_file(folder / "config.json");
  if (listing.safetensors.size() == 1 && (has_config || listing.gguf.empty())) {
    return open_hugging_face(folder, listing.safetensors.front());
  }
  if (listing.gguf.size() == 1) return open_gguf(listing.gguf.front());
  if (listing.gguf.size() > 1) return several(listing.gguf, folder, "GGUF");
  if (!listing.safetensors.empty()) return several(listing.safetensors, folder, "safetensors");
  if (!listing.foreign.empty()) {
    return refuse_foreign(find_foreign(listing.foreign.front())->what, listing.foreign.front());
  }
  if (is_file(folder / kTokenizerJson) || is_file(folder / kTokenizerModel)) return open_tokenizer(folder);
  return not_found("no model here: neither model.safetensors nor a .gguf file", folder.string());
}

// One shard of a set stands for the set.
fs::path weights_of(const fs::path& file) {
  const fs::path index = file.parent_path() / kIndexName;
  const bool shard = file.stem().string().find("-of-") != std::string::npos;
  return shard && is_file(index) ? index : file;
}

Result<ModelFiles> open_file(const fs::path& path) {
  const std::string head = read_head(path, 4);
  if (is_gguf(std::as_bytes(std::span(head)))) return open_gguf(path);
  if (path.extension() == ".gguf") return open_gguf(path);  // the reader says what is wrong with it
  if (path.extension() == ".safetensors") return open_hugging_face(path, weights_of(path));
  if (path.filename().string().ends_with(".safetensors.index.json")) return open_hugging_face(path, path);
  if (looks_like_pickle(head)) return refuse_foreign("a pickle of PyTorch", path);
  if (const Foreign* foreign = find_foreign(path)) return refuse_foreign(foreign->what, path);
  if (path.extension() == ".json" || path.extension() == ".model") return open_tokenizer(path);
  return invalid("is no model file: neither GGUF nor safetensors", path.string(),
                 "give a .gguf file, a .safetensors file, or a folder that holds a model");
}

}  // namespace

bool ModelFiles::has_weights() const {
  return !tensors->all().empty();
}

std::optional<fs::path> ModelFiles::file(std::string_view name) const {
  if (kind == Kind::kGguf) return std::nullopt;
  fs::path candidate = folder / name;
  if (!is_file(candidate)) return std::nullopt;
  return candidate;
}

Result<ModelFiles> open_model_files(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) return not_found("no such file or folder", path.string());
  return fs::is_directory(status) ? open_folder(path) : open_file(path);
}

}  // namespace linnet
