// One model file from any https address.
// Thread safety: as pull.hpp.
#pragma once

#include "hub/pull.hpp"

namespace linnet {

// `source` is kUrl; the caller holds the lock of it. The file must be GGUF or safetensors: its first bytes are looked
// at before the rest is fetched.
Result<StoredModel> pull_url(const Store& store, const Source& source, const PullOptions& options);

}  // namespace linnet
