#include "tasks/faq_opinions.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "hub/digest.hpp"
#include "hub/source.hpp"

namespace linnet {

namespace {

std::string key_of(std::span<const int32_t> prompt) {
  Digest digest(Digest::Kind::kSha256);
  digest.update(std::as_bytes(prompt));
  return digest.hex();
}

}  // namespace

void FaqOpinions::load(const std::filesystem::path& file) {
  const auto json = read_json_file(file.string());
  if (!json.ok() || !json->is_object() || json->value("model", Json()) != model_) return;
  const Json opinions = json->value("opinions", Json::object());
  for (const auto& [key, opinion] : opinions.items()) {
    if (is_sha256(key) && opinion.is_number()) opinions_.insert_or_assign(key, opinion.get<double>());
  }
}

Status FaqOpinions::save(const std::filesystem::path& file) const {
  return write_file(file, dump_json(Json{{"model", model_}, {"opinions", opinions_}}) + "\n");
}

std::optional<double> FaqOpinions::find(std::span<const int32_t> prompt) const {
  const auto found = opinions_.find(key_of(prompt));
  return found == opinions_.end() ? std::nullopt : std::optional(found->second);
}

void FaqOpinions::add(std::span<const int32_t> prompt, double opinion) {
  opinions_.insert_or_assign(key_of(prompt), opinion);
}

}  // namespace linnet
