// The small files beside the weights of a Hugging Face folder: tokenizer, chat templates, generation_config.json, and
// the ids of config.json. From a folder they are copied as they are; what a GGUF file keeps in its metadata is spelt as
// transformers' save_pretrained spells it. Thread safety: pure functions of the disk.
#pragma once

#include "export/export.hpp"

namespace linnet {

// bos_token_id, eos_token_id and pad_token_id of a GGUF file's config: null where it has none, since transformers has
// defaults of its own for an absent one.
void add_token_ids(const ModelFiles& files, const Tokenizer* tokenizer, Json& config);

// Into `folder`, whose config.json will be `config`. Appends to `warnings` what could not be written.
Status write_companions(const ModelDescription& model, const Tokenizer* tokenizer, const Json& config,
                        const std::filesystem::path& folder, ExportWarnings& warnings);

}  // namespace linnet
