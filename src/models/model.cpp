#include "models/model.hpp"

#include <set>

#include "base/json.hpp"
#include "models/gguf_config.hpp"
#include "models/hf_config.hpp"

namespace linnet {

Result<ModelDescription> describe_model(const std::filesystem::path& path) {
  TRY_ASSIGN(ModelFiles files, open_model_files(path));
  return describe_model(std::move(files));
}

Result<ModelDescription> describe_model(ModelFiles files) {
  if (!files.has_weights()) {
    return invalid("there are no weights here, at most a tokenizer", files.path.string(),
                   "linnet tokens and linnet show take a tokenizer alone; for all else, name the whole model");
  }
  ModelDescription model;
  model.files = std::move(files);
  std::string place;
  if (model.files.kind == ModelFiles::Kind::kGguf) {
    TRY_ASSIGN(GgufConfig gguf, config_from_gguf(*model.files.gguf));
    model.family = gguf.family;
    model.config = std::make_shared<const Json>(std::move(gguf.config));
    place = model.files.gguf->metadata().place();
  } else {
    if (!model.files.config) {
      return not_found("config.json is missing", model.files.folder.string(),
                       "weights alone do not say what model they are: put the model's config.json beside them");
    }
    model.config = model.files.config;
    place = (model.files.folder / "config.json").string();
    TRY_ASSIGN(const JsonObject object, JsonObject::of(*model.config, place));
    TRY_ASSIGN(const std::string type, object.string("model_type"));
    TRY_ASSIGN(model.family, find_family(type, place));
    model.config = std::make_shared<const Json>(with_defaults(*model.config, model.family->defaults));
  }
  TRY_ASSIGN(const JsonObject object, JsonObject::of(*model.config, place));
  TRY_ASSIGN(model.transformer, model.family->read_config(object));
  if (model.files.kind == ModelFiles::Kind::kGguf) TRY(read_rope_tensors(*model.files.tensors, model.transformer));
  return model;
}

std::vector<std::filesystem::path> source_files(const ModelDescription& model) {
  const ModelFiles& files = model.files;
  std::set<std::filesystem::path> paths;
  for (const StoredTensor& tensor : files.tensors->all()) paths.insert(tensor.file);
  for (const char* name : {"config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json",
                           "tokenizer.model", "chat_template.jinja", "model.safetensors.index.json"}) {
    if (auto path = files.file(name)) paths.insert(*std::move(path));
  }
  return {paths.begin(), paths.end()};
}

Result<Transformer> load_transformer(const ModelDescription& model) {
  return Transformer::load(model.transformer, model.family->tensors(model.transformer), *model.files.tensors,
                           model.files.kind == ModelFiles::Kind::kGguf);
}

}  // namespace linnet
