// Text from a prompt, token by token, until something ends it.
// Thread safety: one thread at a time, with its Session.
#pragma once

#include <functional>

#include "engine/reply.hpp"
#include "engine/session.hpp"

namespace linnet {

// `on_text` receives pieces of whole characters as they come. Cancelling is not an error: what there is is returned
// with kCancelled. Errors: a prompt that does not fit, an empty prompt, and
// those of params.check().
Result<Generated> generate(Session& session, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                           const GenerateParams& params, const std::function<void(std::string_view)>& on_text,
                           const CancelToken* cancel = nullptr);

// What is wrong with a prompt without tokens.
Error empty_prompt();

}  // namespace linnet
