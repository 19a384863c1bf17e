#include "tasks/run_store.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/paths.hpp"
#include "hub/catalog.hpp"
#include "hub/store.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kInfoFile = "run.json";
constexpr const char* kCurrentFile = "current";
// Locked by the process that teaches a version, until it is made current.
constexpr const char* kTeachingFile = ".teaching";
constexpr size_t kLongestName = 64;

std::optional<int64_t> number_in(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string text_in(const Json& info, const char* key) {
  const auto found = info.find(key);
  return found != info.end() && found->is_string() ? found->get<std::string>() : "";
}

// Error kUsage where another process has it.
Status lock(RunVersion& version) {
  auto held = FileLock::acquire(version.folder / kTeachingFile, {.wait = false});
  if (!held.ok() && held.error().code == ErrorCode::kConflict) {
    return usage_error(fmt::format("version {} of {} is being taught by another process", version.number, version.name),
                       "wait until it ends, or choose another --name");
  }
  if (!held.ok()) return held.error();
  version.taught_here = std::make_shared<const FileLock>(std::move(held).value());
  return ok_status();
}

}  // namespace

std::string RunVersion::base() const {
  return text_in(info, "base");
}

std::string RunVersion::created() const {
  return text_in(info, "created");
}

std::string RunVersion::system() const {
  return text_in(info, "system");
}

std::string RunVersion::chat_template() const {
  return text_in(info, "chat_template");
}

bool RunVersion::is_faq() const {
  return text_in(info, "kind") == "faq";
}

bool RunVersion::whole_model() const {
  return text_in(info, "kind") == "model";
}

bool RunVersion::is_embedding() const {
  return text_in(info, "kind") == "embedding";
}

bool RunVersion::is_classifier() const {
  return text_in(info, "kind") == "classifier";
}

bool RunVersion::has_model() const {
  return !is_classifier() || text_in(info, "method") != "words";
}

bool RunVersion::finished() const {
  if (is_faq()) return fs::exists(folder / kFaqEncoderFolder);
  if (is_classifier()) return fs::exists(folder / kClassifierFile);
  return fs::exists(folder / (whole_model() ? kModelFolder : kAdapterFolder));
}

uint64_t RunVersion::bytes() const {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

RunStore RunStore::standard() {
  return RunStore(data_dir() / "runs");
}

Status RunStore::check_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kLongestName && is_name_letter(name.front()) &&
                    is_name_letter(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
                      return is_name_letter(c) || c == '.' || c == '_' || c == '-';
                    });
  if (good) return ok_status();
  return usage_error(fmt::format("\"{}\" cannot be the name of a run", name),
                     "lower case letters and digits, with . _ - between them: shop, faq-2");
}

Status RunStore::check_new_name(std::string_view name) {
  TRY(check_name(name));
  if (find_in_catalog(name) == nullptr) return ok_status();
  return usage_error(fmt::format("{0} is the name of a model, which a run called {0} would hide", name),
                     fmt::format("choose another name: --name my-{}", name));
}

Result<RunVersion> RunStore::version(std::string_view name, int64_t number) const {
  RunVersion version{std::string(name), number, folder_of(name) / std::to_string(number), {}};
  if (!check_name(name).ok() || !fs::exists(version.folder / kInfoFile)) {
    return not_found(fmt::format("there is no version {} of {}", number, name));
  }
  TRY_ASSIGN(version.info, read_json_file((version.folder / kInfoFile).string()));
  if (version.base().empty() && !version.whole_model())
    return invalid("names no base", (version.folder / kInfoFile).string());
  return version;
}

Result<std::optional<RunVersion>> RunStore::find(std::string_view name) const {
  if (!check_name(name).ok() || !fs::exists(folder_of(name) / kCurrentFile)) return std::optional<RunVersion>();
  TRY_ASSIGN(const std::string text, read_file(folder_of(name) / kCurrentFile));
  const std::optional<int64_t> number = number_in(text);
  if (!number) return invalid("is not the number of a version", (folder_of(name) / kCurrentFile).string());
  TRY_ASSIGN(RunVersion found, version(name, *number));
  return std::optional(std::move(found));
}

std::vector<int64_t> RunStore::numbers(std::string_view name) const {
  std::vector<int64_t> numbers;
  if (!check_name(name).ok()) return numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of(name), error)) {
    const std::optional<int64_t> number = number_in(entry.path().filename().string());
    if (number && fs::exists(entry.path() / kInfoFile)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::vector<std::string> RunStore::names() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root_, error)) {
    const std::string name = entry.path().filename().string();
    if (check_name(name).ok() && fs::exists(entry.path() / kCurrentFile)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<RunVersion> RunStore::list(std::vector<Error>* problems) const {
  std::vector<RunVersion> runs;
  for (const std::string& name : names()) {
    auto run = find(name);
    if (!run.ok()) {
      if (problems) problems->push_back(run.error());
      continue;
    }
    std::optional<RunVersion>& found = run.value();
    if (found) runs.push_back(std::move(*found));
  }
  return runs;
}

Result<RunVersion> RunStore::begin(std::string_view name, const Json& info) const {
  TRY(check_name(name));
  const std::vector<int64_t> before = numbers(name);
  RunVersion version{std::string(name), before.empty() ? 1 : before.back() + 1, {}, info};
  version.info["created"] = utc_now();
  std::error_code error;
  fs::create_directories(folder_of(name), error);
  for (;; ++version.number) {  // another process may take the number first
    version.folder = folder_of(name) / std::to_string(version.number);
    if (fs::create_directory(version.folder, error)) break;
    if (error) return io_error("cannot create the folder", version.folder.string());
  }
  TRY(lock(version));
  TRY(write_info(version));
  return version;
}

Status RunStore::write_info(const RunVersion& version) const {
  return write_file(version.folder / kInfoFile, dump_json(version.info, 2) + "\n");
}

Result<RunVersion> RunStore::open(std::string_view name, const Json& info, bool resume) const {
  if (!resume) return begin(name, info);
  TRY(check_name(name));
  const std::vector<int64_t> before = numbers(name);
  if (before.empty()) return not_found(fmt::format("there is no run {} to go on with", name), {}, "leave --resume out");
  TRY_ASSIGN(RunVersion newest, version(name, before.back()));
  const bool never_current = fs::exists(newest.folder / kTeachingFile);
  if (newest.finished() && !never_current) {
    return usage_error(fmt::format("version {} of {} is finished", newest.number, name), "leave --resume out");
  }
  TRY(lock(newest));
  if (newest.finished()) return whole_already(newest);
  for (const auto& [key, value] : info.items()) {
    const auto found = newest.info.find(key);
    if (found != newest.info.end() && *found == value) continue;
    return usage_error(fmt::format("version {} of {} is another run: its {} is {}, not {}", newest.number, name, key,
                                   found == newest.info.end() ? "unknown" : dump_json(*found), dump_json(value)),
                       "begin anew without --resume, or give the flags and the data that it began with");
  }
  return newest;
}

Error RunStore::whole_already(const RunVersion& version) const {
  if (const Status made = set_current(version); !made.ok()) return made.error();
  return usage_error(
      fmt::format("version {} of {} is whole, and is what its name means now: its process had ended before "
                  "it said so",
                  version.number, version.name),
      "use it, or leave --resume out to teach another version");
}

Status RunStore::set_current(const RunVersion& version) const {
  TRY(write_file(folder_of(version.name) / kCurrentFile, std::to_string(version.number) + "\n"));
  std::error_code ignored;
  fs::remove(version.folder / kTeachingFile, ignored);
  return ok_status();
}

Status RunStore::remove(std::string_view name) const {
  TRY(check_name(name));
  if (!fs::exists(folder_of(name))) return not_found(fmt::format("there is no run {}", name));
  std::error_code error;
  fs::remove(folder_of(name) / kCurrentFile, error);  // first: half a run is none
  fs::remove_all(folder_of(name), error);
  if (error) return io_error("cannot delete", folder_of(name).string());
  return ok_status();
}

}  // namespace linnet
