// tokenizer.json of Hugging Face tokenizers, and what tokenizer_config.json adds to it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// `json` is the text of a tokenizer.json; `config` that of the tokenizer_config.json beside it, or empty. `place` is
// the file's name. Errors: bad JSON, a component or an option that is not known (named), ids and merges that do not fit
// together, sampling (dropout) in a model.
Result<Tokenizer> load_tokenizer_json(std::string_view json, std::string_view config, const std::string& place);

}  // namespace linnet
