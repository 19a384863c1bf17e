// Tensors of a model file that loading did not read. Leaving one out may change what the model says without anyone
// knowing, so each is either on a short list of harmless ones or an error.
// Thread safety: pure functions, but for a warning on standard error.
#pragma once

#include <vector>

#include "formats/stored_tensor.hpp"
#include "models/config.hpp"

namespace linnet {

// `used` has a flag for each of source.all(); `embedding` is the token embedding, of which a tied head may be a copy.
// Heads that predict several tokens ahead are warned of. Errors: any other tensor that the model would miss, by name.
Status check_unused(const TensorSource& source, const std::vector<bool>& used, const TransformerConfig& config,
                    const StoredTensor* embedding);

}  // namespace linnet
