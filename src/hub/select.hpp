// Which files of a repository make the model that was asked for.
//
// GGUF: one quant, with all its parts ("-00001-of-00003"). Else the safetensors set: the weights of the top folder with
// the configs, tokenizer and chat template beside them. Pickles (.bin, .pt) are refused: loading one runs code in it.
// Pure functions; no disk, no network.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

struct RepoFile {
  std::string name = {};      // with '/' between folders; has passed is_safe_relative_path()
  uint64_t size = 0;          // bytes
  std::string sha256 = {};    // published; empty for files that git itself holds
  std::string git_sha1 = {};  // the git blob's name; may be empty
};

struct Selection {
  std::string model = {};          // the GGUF file (the first of a split one); empty when the model is the folder
  std::string quant = {};          // "Q4_K_M"; empty for a folder
  std::vector<size_t> files = {};  // indices into what was given, in order of name
};

// `selector` is a quant name in any case, a file name, or empty for the repository's one model (safetensors before
// GGUF). Errors: kNotFound or kUsage listing what there is; kUnsupported for pickles.
Result<Selection> select_files(std::span<const RepoFile> files, std::string_view selector, std::string_view place);

// "Q4_K_M" of "gemma-3-270m-q4_k_m.gguf" or "model-UD-Q4_K_M-00001-of-00002.gguf", in capitals; empty when the name has
// none.
std::string quant_of(std::string_view file);

// Whether both are the same but for the case of ASCII letters.
bool same_ignoring_case(std::string_view a, std::string_view b);

}  // namespace linnet
