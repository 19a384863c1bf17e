#include "base/paths.hpp"

#include <cstdlib>
#include <pwd.h>
#include <unistd.h>

namespace linnet {

namespace fs = std::filesystem;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return std::nullopt;
  return value;
}

fs::path home_dir() {
  if (const auto home = environment("HOME")) return *home;
  const passwd* entry = ::getpwuid(::getuid());
  return entry && entry->pw_dir ? entry->pw_dir : "/";
}

namespace {

// The specification says that a relative path in these variables is to be ignored.
fs::path xdg(const char* variable, const char* fallback) {
  const auto value = environment(variable);
  const fs::path root = value && fs::path(*value).is_absolute() ? fs::path(*value) : home_dir() / fallback;
  return root / "linnet";
}

}  // namespace

fs::path data_dir() {
  return xdg("XDG_DATA_HOME", ".local/share");
}
fs::path cache_dir() {
  return xdg("XDG_CACHE_HOME", ".cache");
}
fs::path config_dir() {
  return xdg("XDG_CONFIG_HOME", ".config");
}
fs::path state_dir() {
  return xdg("XDG_STATE_HOME", ".local/state");
}

fs::path hugging_face_home() {
  if (const auto home = environment("HF_HOME")) return *home;
  if (const auto cache = environment("XDG_CACHE_HOME")) return fs::path(*cache) / "huggingface";
  return home_dir() / ".cache/huggingface";
}

fs::path hugging_face_hub_dir() {
  if (const auto hub = environment("HF_HUB_CACHE")) return *hub;
  return hugging_face_home() / "hub";
}

}  // namespace linnet
