// Which Hugging Face hub, and as whom. Thread safety: reads the environment.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

// HF_ENDPOINT without a slash at its end; https://huggingface.co where it is not set. Error kUsage: no https://
// address.
Result<std::string> hub_endpoint();

// HF_TOKEN, or what `hf auth login` left; "" where there is none. A token that could not stand in a header is none.
std::string hub_token();

// "make a token at …": the hint where there is none.
std::string token_hint(std::string_view endpoint);

// One segment of a URL's path: "refs/pr/1" as "refs%2Fpr%2F1".
std::string url_segment(std::string_view text);

}  // namespace linnet
