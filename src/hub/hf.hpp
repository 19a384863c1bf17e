// Models from the Hugging Face hub, over its HTTP API (https://huggingface.co/docs/hub/api):
//
//   GET /api/models/ORG/REPO/revision/REV?blobs=true    what the repository holds at a commit, with sizes and hashes
//   GET /ORG/REPO/resolve/COMMIT/FILE                   the file, through redirects to its storage
//
// Environment: HF_ENDPOINT (another hub), HF_TOKEN or the file that `hf auth login` writes, HF_HUB_OFFLINE.
// Thread safety: as pull.hpp; parse_repository() is pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/pull.hpp"
#include "hub/select.hpp"

namespace linnet {

struct Repository {
  std::string commit = {};   // 40 hexadecimal digits
  std::string license = {};  // may be empty
  bool gated = false;
  std::vector<RepoFile> files = {};  // those with names that the store can hold
};

// Reads the API's reply. Errors: no commit, sizes or hashes that cannot be, more than 100,000 files.
Result<Repository> parse_repository(std::string_view json, std::string_view place);

// `source` is kHuggingFace; the caller holds the lock of it.
Result<StoredModel> pull_hugging_face(const Store& store, const Source& source, const PullOptions& options);

}  // namespace linnet
