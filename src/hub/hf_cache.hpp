// The cache that the huggingface_hub library keeps (HF_HOME/hub), read in place and never written:
//
//   models--org--repo/refs/main                  the commit that "main" meant when it was fetched
//   models--org--repo/snapshots/<commit>/file    links into ../../blobs/<sha256 or git sha1>
//
// Thread safety: pure functions of the disk.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "hub/store.hpp"

namespace linnet {

// The model that `source` (an hf: one) means there. Errors: kNotFound; kUsage when it means several files.
Result<StoredModel> find_in_hugging_face_cache(const std::filesystem::path& cache, const Source& source);

// Every model there that Linnet could load, each GGUF of a repository on its own.
std::vector<StoredModel> list_hugging_face_cache(const std::filesystem::path& cache);

// What is wrong with the bytes at `path`, or "". In the cache a small file may have been published by its git SHA-1
// (40 digits in `file.sha256`), or by nothing that is known (empty: nothing is looked at).
Result<std::string> hash_problem(const std::filesystem::path& path, const ModelFile& file, const CancelToken* cancel,
                                 const std::function<void(uint64_t)>& progress);

}  // namespace linnet
