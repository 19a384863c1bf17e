#include "cli/store_verbs.hpp"

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "tasks/model_handle.hpp"

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
          {"license", or_null(model.license())},
          {"pulled", or_null(model.manifest.pulled)},
          {"files", std::move(files)}};
}

Json run_to_json(const RunVersion& run) {
  return {{"name", run.name},
          {"origin", "run"},
          {"base", or_null(run.base())},
          {"version", run.number},
          {"path", run.folder.string()},
          {"bytes", run.bytes()},
          {"created", run.created()}};
}

Json finished_json(Json info, const RunVersion& version) {
  info["name"] = version.name;
  info["version"] = version.number;
  info["folder"] = version.folder.string();
  return info;
}

Json finished_json(Json info, const RunVersion& version, const LoopResult& loop) {
  Json json = finished_json(std::move(info), version);
  json["steps_done"] = loop.steps;
  json["held_out_loss"] = loop.held_out ? Json(*loop.held_out) : Json();
  return json;
}

Result<StoredModel> pull_shown(const std::string& name, PullOptions options) {
  auto printer = ProgressPrinter::for_stderr();
  options.cancel = &interrupt_token();
  options.progress = [&](const Progress& progress) { printer.update(progress); };
  options.notice = [&](std::string_view text) { printer.note(text); };
  auto model = pull(Store::standard(), name, options);
  printer.finish();
  return model;
}

Status ensure_model(const std::string& name) {
  const auto found = find_model(name);
  if (found.ok()) return ok_status();
  if (found.error().code != ErrorCode::kNotFound) return found.error();
  TRY(pull_shown(name));
  return ok_status();
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
