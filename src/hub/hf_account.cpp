#include "hub/hf_account.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/paths.hpp"
#include "hub/hf_cache.hpp"
#include "hub/http.hpp"
#include "hub/source.hpp"

namespace linnet {

namespace fs = std::filesystem;

Result<std::string> hub_endpoint() {
  std::string text = environment("HF_ENDPOINT").value_or("https://huggingface.co");
  while (text.ends_with('/')) text.pop_back();
  const auto source = parse_source(text + "/");
  if (text != "https://huggingface.co" && (!source.ok() || source->kind != Source::Kind::kUrl)) {
    return usage_error("HF_ENDPOINT=\"" + printable(text) + "\" is not an https:// address");
  }
  return text;
}

std::string hub_token() {
  std::string token = environment("HF_TOKEN").value_or("");
  if (token.empty()) {
    fs::path file = hugging_face_home() / "token";
    if (const auto path = environment("HF_TOKEN_PATH")) file = *path;
    if (auto text = read_file(file, 4096); text.ok()) token = *std::move(text);
  }
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && space(token.back())) token.pop_back();
  while (!token.empty() && space(token.front())) token.erase(token.begin());
  const bool plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; });
  return plain ? token : "";
}

std::string token_hint(std::string_view endpoint) {
  return fmt::format("make a token at {}/settings/tokens and set it: export HF_TOKEN=hf_…", endpoint);
}

std::string url_segment(std::string_view text) {
  std::string out = url_path(text);
  for (size_t at = out.find('/'); at != out.npos; at = out.find('/', at)) out.replace(at, 1, "%2F");
  return out;
}

}  // namespace linnet
