// Files to a model repository on the Hugging Face hub, as one commit, over its HTTP API (as huggingface_hub 1.x and 2.x
// speak it):
//
//   POST /api/repos/create                           unless it is there
//   POST /api/models/ORG/REPO/preupload/BRANCH       which files go to the large-file storage, and what is there
//   already POST /ORG/REPO.git/info/lfs/objects/batch        where those are sent: git LFS, transfers "basic" and
//   "multipart" PUT  to the storage, in one piece or in parts POST /api/models/ORG/REPO/commit/BRANCH          small
//   files, and the hashes of large ones
//
// What the repository has with the same content is not sent again, so a push that was cut goes on. Until the last
// request nothing in the repository changes. Environment: HF_ENDPOINT, HF_TOKEN.
// Thread safety: each call stands alone; callbacks come on its thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "hub/source.hpp"
#include "hub/transfer.hpp"

namespace linnet {

struct PushFile {
  std::string name;                 // in the repository: is_safe_relative_path()
  std::filesystem::path path = {};  // on disk; empty: `text` is the file
  std::string text = {};
};

struct PushOptions : TransferOptions {
  bool is_public = false;  // of a repository that is made; one that is there stays as it is
  std::string message;     // of the commit
};

struct Pushed {
  std::string url;       // of the commit; of the repository where nothing had changed
  std::string commit;    // empty where nothing had changed
  size_t files = 0;      // of the commit
  uint64_t bytes = 0;    // of those
  bool created = false;  // the repository is new
};

// `target` is kHuggingFace; its revision is the branch. Errors: kUsage without a token or with names that cannot be;
// kNetwork; kIo; kInvalid where the hub's answers make no sense; kCancelled.
Result<Pushed> push_hugging_face(const Source& target, const std::vector<PushFile>& files, const PushOptions& options);

}  // namespace linnet
