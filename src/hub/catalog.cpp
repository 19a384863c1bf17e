#include "hub/catalog.hpp"

#include <algorithm>
#include <numeric>
#include <set>

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
  TRY_ASSIGN(entry.gated, object.boolean_or("gated", false));
  TRY_ASSIGN(entry.chat, object.boolean_or("chat", true));
  TRY_ASSIGN(const Source name, parse_source(entry.name));
  TRY_ASSIGN(const Source source, parse_source(entry.source));
  if (name.kind != Source::Kind::kName) return invalid("\"" + entry.name + "\" is not a short name", object.place());
  if (source.kind == Source::Kind::kName || source.kind == Source::Kind::kPath) {
    return invalid("\"" + entry.source + "\" is not a source", object.place());
  }
  return entry;
}

// Levenshtein distance; both are short.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
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

std::vector<std::string> similar_names(std::string_view name) {
  constexpr size_t kFar = 3;
  std::vector<std::pair<size_t, std::string>> found;
  if (name.size() > 100) return {};
  for (const CatalogEntry& entry : catalog()) {
    const bool prefix = name.size() >= 3 && entry.name.starts_with(name);
    const size_t steps = prefix ? 0 : distance(name, entry.name);
    if (steps < kFar && steps < name.size()) found.emplace_back(steps, entry.name);
  }
  std::ranges::stable_sort(found, {}, [](const auto& pair) { return pair.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(3, found.size()); ++i) names.push_back(found[i].second);
  return names;
}

}  // namespace linnet
