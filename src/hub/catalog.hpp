// The curated table of short names: data/models.json, built into the program.
// Thread safety: the table is constant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

struct CatalogEntry {
  std::string name;         // "qwen2.5:0.5b"
  std::string source;       // as parse_source() reads it
  uint64_t parameters = 0;  // about
  uint64_t bytes = 0;       // of the download, about
  uint64_t memory = 0;      // bytes that it needs in memory at 4,096 tokens of context, about
  std::string license;      // SPDX name, or what the maker calls it
  std::string description;  // one line
  std::string sha256;       // of the weights file, for a pull to check; may be empty
  bool gated = false;       // the maker's terms must be accepted on the hub first
  bool chat = false;        // trained to follow instructions
};

// The text of data/models.json.
std::string_view catalog_json();

// Errors: a field that is missing or wrong, a source that does not parse, a name that comes twice, a SHA-256 for what
// is no package.
Result<std::vector<CatalogEntry>> parse_catalog(std::string_view text);

// The built-in table, from the smallest to the largest.
const std::vector<CatalogEntry>& catalog();

// nullptr when there is no such name.
const CatalogEntry* find_in_catalog(std::string_view name);
// The entry whose source is this package (normalised); nullptr when there is none.
const CatalogEntry* find_package_in_catalog(std::string_view package);

}  // namespace linnet
