#include "hub/manifest.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

constexpr size_t kMostFiles = 10000;
constexpr size_t kMostModels = 1000;

Result<ModelFile> parse_file(const Json& json, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  ModelFile file;
  TRY_ASSIGN(file.name, object.string("name"));
  TRY_ASSIGN(file.size, object.integer("size", 0, kLargestFile));
  TRY_ASSIGN(file.sha256, object.string("sha256"));
  if (!is_safe_relative_path(file.name))
    return invalid("\"" + printable(file.name) + "\" is not a name within the folder", place);
  if (!is_sha256(file.sha256)) return invalid("\"sha256\" of " + file.name + " is not 64 hexadecimal digits", place);
  return file;
}

// A short text without control characters, or "".
Result<std::string> plain_text(const JsonObject& object, std::string_view key) {
  TRY_ASSIGN(std::string text, object.string_or(key, ""));
  if (printable(text, 400) != text)
    return invalid("field \"" + std::string(key) + "\" holds control characters or is too long", object.place());
  return text;
}

Result<Manifest> parse_one(const Json& json, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  Manifest manifest;
  TRY_ASSIGN(manifest.source, object.string("source"));
  TRY_ASSIGN(const Source source, parse_source(manifest.source));
  if (source.kind == Source::Kind::kName || source.kind == Source::Kind::kPath) {
    return invalid("\"source\" is not one that is pulled", place);
  }
  TRY_ASSIGN(manifest.revision, plain_text(object, "revision"));
  TRY_ASSIGN(manifest.requested, plain_text(object, "requested"));
  TRY_ASSIGN(manifest.license, plain_text(object, "license"));
  TRY_ASSIGN(manifest.pulled, plain_text(object, "pulled"));
  TRY_ASSIGN(manifest.model, object.string_or("model", ""));
  const Json* files = object.find("files");
  if (files == nullptr || !files->is_array() || files->empty() || files->size() > kMostFiles) {
    return invalid("field \"files\" must be a list of 1 to 10000", place);
  }
  for (const Json& item : *files) {
    TRY_ASSIGN(ModelFile file, parse_file(item, place));
    manifest.files.push_back(std::move(file));
  }
  const auto is_model = [&](const ModelFile& file) { return file.name == manifest.model; };
  if (!manifest.model.empty() && std::ranges::none_of(manifest.files, is_model)) {
    return invalid("\"model\" is not one of \"files\"", place);
  }
  return manifest;
}

}  // namespace

uint64_t Manifest::bytes() const {
  uint64_t sum = 0;
  for (const ModelFile& file : files) sum += file.size;  // at most 10,000 × 2^50
  return sum;
}

Result<std::vector<Manifest>> parse_manifests(std::string_view text, std::string_view place) {
  TRY_ASSIGN(const Json json, parse_json(text, place));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, std::string(place)));
  TRY_ASSIGN(const int64_t format, object.integer("format", 1, INT32_MAX));
  if (format != 1) return unsupported("was written by a newer Linnet", std::string(place));
  const Json* models = object.find("models");
  if (models == nullptr || !models->is_array() || models->size() > kMostModels) {
    return invalid("field \"models\" must be a list of at most 1000", std::string(place));
  }
  std::vector<Manifest> manifests;
  for (const Json& item : *models) {
    TRY_ASSIGN(Manifest manifest, parse_one(item, std::string(place) + ": model " + std::to_string(manifests.size())));
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

std::string manifests_to_json(const std::vector<Manifest>& manifests) {
  Json models = Json::array();
  for (const Manifest& manifest : manifests) {
    Json files = Json::array();
    for (const ModelFile& file : manifest.files) {
      files.push_back({{"name", file.name}, {"size", file.size}, {"sha256", file.sha256}});
    }
    models.push_back({{"source", manifest.source},
                      {"revision", manifest.revision},
                      {"requested", manifest.requested},
                      {"license", manifest.license},
                      {"pulled", manifest.pulled},
                      {"model", manifest.model},
                      {"files", std::move(files)}});
  }
  return dump_json({{"format", 1}, {"models", std::move(models)}}, 2) + "\n";
}

}  // namespace linnet
