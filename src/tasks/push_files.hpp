// What `linnet push` sends for a name: of a run its adapter or model with a model card, of a folder all that lies in
// it, of anything else the model's own files. Thread safety: reads the disk.
#pragma once

#include <string>
#include <vector>

#include "hub/push.hpp"

namespace linnet {

// Errors: not found; a run that no other program can use; a folder with more than 10,000 files.
Result<std::vector<PushFile>> files_to_push(const std::string& name);

}  // namespace linnet
