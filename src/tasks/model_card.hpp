// A model card (README.md with metadata, as the Hugging Face hub reads it) of what a run taught: what from, what data,
// by which recipe, with what scores, under which licence. Nothing of it names this machine's files.
// Source: https://huggingface.co/docs/hub/model-cards. Thread safety: reads files.
#pragma once

#include <string>

#include "tasks/model_handle.hpp"
#include "tasks/run_store.hpp"

namespace linnet {

// `model` is what the run's name means. `merged`: of a whole model rather than an adapter. Errors: unreadable metrics.
Result<std::string> model_card(const RunVersion& version, const ModelHandle& model, bool merged);

}  // namespace linnet
