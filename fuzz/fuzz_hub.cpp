// The first byte says which reader of the hub gets the rest: the source grammar, a manifest, the hub's reply (and the
// choice of files from it), a SHA256SUMS, or the name of a file.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "hub/hf.hpp"
#include "hub/manifest.hpp"
#include "hub/select.hpp"
#include "hub/source.hpp"
#include "hub/store.hpp"
#include "hub/wheel.hpp"

namespace linnet {
namespace {

// What parses prints to a spelling that parses to the same, and its folder lies beneath the store.
void fuzz_source(std::string_view text) {
  const auto source = parse_source(text);
  if (!source.ok()) return;
  const Store store("/nonexistent/models", "/nonexistent/hub");
  if (source->kind != Source::Kind::kPath && source->kind != Source::Kind::kName) {
    const auto again = parse_source(source->to_string());
    CHECK(again.ok() && *again == *source);
    const auto folder = store.folder_of(*source, "0123456789abcdef0123456789abcdef01234567");
    if (folder.ok()) {
      CHECK(folder->string().starts_with("/nonexistent/models/"));
      CHECK(folder->lexically_normal() == *folder);
    }
  }
  CHECK(source->selector.empty() || is_safe_relative_path(source->selector));
}

void fuzz_manifest(std::string_view text) {
  const auto manifests = parse_manifests(text, "fuzz");
  if (!manifests.ok()) return;
  const auto again = parse_manifests(manifests_to_json(*manifests), "again");
  CHECK(again.ok() && *again == *manifests);
}

void fuzz_repository(std::string_view text) {
  const auto repository = parse_repository(text, "fuzz");
  if (!repository.ok()) return;
  for (const std::string_view selector : {"", "q4_k_m", "model.gguf"}) {
    const auto selection = select_files(repository->files, selector, "fuzz");
    if (!selection.ok()) continue;
    CHECK(!selection->files.empty());
    for (const size_t i : selection->files) CHECK(i < repository->files.size());
  }
}

}  // namespace
}  // namespace linnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      fuzz_source(text);
      break;
    case 1:
      fuzz_manifest(text);
      break;
    case 2:
      fuzz_repository(text);
      break;
    case 3:
      (void)find_in_sha256sums(text, "model.gguf", "fuzz");
      break;
    default:
      (void)quant_of(text);
      (void)printable(text);
      break;
  }
  return 0;
}
