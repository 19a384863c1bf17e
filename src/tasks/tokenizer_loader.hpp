// The tokenizer that lies with a model: GGUF metadata, tokenizer.json, or tokenizer.model.
#pragma once

#include "formats/model_files.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// It warns once of what its vocabulary cannot hold. Error kNotFound, with what to do, when the model has none.
Result<Tokenizer> load_tokenizer(const ModelFiles& files);

// tokenizer.ggml.* as plain fields.
Result<GgufTokenizerFields> read_gguf_tokenizer_fields(const GgufMetadata& metadata);

}  // namespace linnet
