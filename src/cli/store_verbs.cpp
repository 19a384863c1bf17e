#include "cli/store_verbs.hpp"

#include "base/json.hpp"

namespace linnet::cli {

namespace {

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

const char* origin_name(StoredModel::Origin origin) {
  switch (origin) {
    case StoredModel::Origin::kStore:
      return "store";
    case StoredModel::Origin::kHuggingFaceCache:
      return "hugging_face_cache";
    case StoredModel::Origin::kPath:
      break;
  }
  return "path";
}

}  // namespace

Json model_to_json(const StoredModel& model) {
  Json files = Json::array();
  for (const ModelFile& file : model.manifest.files) {
    files.push_back({{"name", file.name}, {"size", file.size}, {"sha256", or_null(file.sha256)}});
  }
  return {{"name", model.name},
          {"short_name", or_null(model.short_name)},
          {"origin", origin_name(model.origin)},
          {"path", model.path.string()},
          {"bytes", model.bytes},
          {"source", or_null(model.manifest.source)},
          {"revision", or_null(model.manifest.revision)},
          {"license", or_null(model.manifest.license)},
          {"pulled", or_null(model.manifest.pulled)},
          {"files", std::move(files)}};
}

Json run_to_json(const RunVersion& run) {
  return {{"name", run.name},
          {"origin", "run"},
          {"base", run.base()},
          {"version", run.number},
          {"path", run.folder.string()},
          {"bytes", run.bytes()},
          {"created", run.created()}};
}

std::string origin_note(const StoredModel& model) {
  switch (model.origin) {
    case StoredModel::Origin::kStore:
      return "";
    case StoredModel::Origin::kHuggingFaceCache:
      return "in the Hugging Face cache";
    case StoredModel::Origin::kPath:
      break;
  }
  return "your own file";
}

}  // namespace linnet::cli
