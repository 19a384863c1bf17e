// What a Hugging Face folder will hold, before it is written.
#pragma once

#include "base/json_object.hpp"
#include "export/export.hpp"

namespace linnet {

// config.json, with what GGUF keeps in tensors put back into it. Errors: a rope scaling that config.json cannot say.
Result<Json> hugging_face_config(const ModelDescription& model, const Tokenizer* tokenizer, DType dtype);

}  // namespace linnet
