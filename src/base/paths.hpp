// Where things lie on disk: the XDG base directories (freedesktop.org basedir-spec 0.8) and Hugging Face's cache.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace linnet {

// The value of an environment variable; nullopt when unset or empty.
std::optional<std::string> environment(const char* name);

std::filesystem::path home_dir();    // $HOME, or the password database
std::filesystem::path data_dir();    // $XDG_DATA_HOME/linnet   or ~/.local/share/linnet
std::filesystem::path cache_dir();   // $XDG_CACHE_HOME/linnet  or ~/.cache/linnet
std::filesystem::path config_dir();  // $XDG_CONFIG_HOME/linnet or ~/.config/linnet
std::filesystem::path state_dir();   // $XDG_STATE_HOME/linnet  or ~/.local/state/linnet
// As huggingface_hub has it: $HF_HOME, $XDG_CACHE_HOME/huggingface or ~/.cache/huggingface; its hub/, or $HF_HUB_CACHE.
std::filesystem::path hugging_face_home();
std::filesystem::path hugging_face_hub_dir();

}  // namespace linnet
