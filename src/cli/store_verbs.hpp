// What pull, list, rm and verify share.
#pragma once

#include "base/json_object.hpp"
#include "hub/pull.hpp"
#include "hub/store.hpp"
#include "tasks/run_store.hpp"
#include "train/loop.hpp"

namespace linnet::cli {

// {"name", "short_name", "origin": "store"|"hugging_face_cache"|"path", "path", "bytes", "source", "revision",
// "license",
//  "pulled", "files": [{"name", "size", "sha256"}]}; what is not known is null.
Json model_to_json(const StoredModel& model);

// {"name", "origin": "run", "base", "version", "path", "bytes", "created"}
Json run_to_json(const RunVersion& run);

// What --json says of a finished version: `info`, how it was made, and where it lies.
Json finished_json(Json info, const RunVersion& version);
// With "steps_done", and "held_out_loss" or null.
Json finished_json(Json info, const RunVersion& version, const LoopResult& loop);

// pull(), with a bar and notes on standard error, until Ctrl-C.
Result<StoredModel> pull_shown(const std::string& name, PullOptions options = {});
// Pulls `name`, which the person did not choose, where it is not on this machine yet.
Status ensure_model(const std::string& name);

// "from the Hugging Face cache", or "" for the store itself.
std::string origin_note(const StoredModel& model);

}  // namespace linnet::cli
