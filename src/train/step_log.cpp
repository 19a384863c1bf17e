#include "train/step_log.hpp"

#include "base/file.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

// Hands the lines that are whole and of a step below `steps` to `visit`.
Status each_line(const fs::path& path, int64_t steps,
                 const std::function<void(const std::string& text, const Json& line)>& visit) {
  if (steps <= 0 || !fs::exists(path)) return ok_status();
  TRY_ASSIGN(const std::string text, read_file(path));
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // cut in the middle
    const std::string line = text.substr(at, end - at);
    TRY_ASSIGN(const Json json, parse_json(line, path.string()));
    const auto step = json.find("step");
    if (step == json.end() || !step->is_number_integer() || step->get<int64_t>() >= steps) break;
    visit(line, json);
    at = end + 1;
  }
  return ok_status();
}

}  // namespace

Result<StepLog> StepLog::open(const fs::path& path, int64_t steps, const std::function<void(const Json&)>& kept) {
  AtomicFile::remove_leftovers(path);
  std::string text;
  TRY(each_line(path, steps, [&](const std::string& line, const Json& json) {
    text += line + '\n';
    if (kept) kept(json);
  }));
  TRY(write_file(path, text));
  TRY_ASSIGN(PartFile file, PartFile::open(path));
  return StepLog(std::move(file));
}

Status StepLog::write(const Json& line) {
  const std::string text = dump_json(line) + '\n';
  return file_.append(std::as_bytes(std::span(text)));
}

Result<std::vector<Json>> read_step_log(const fs::path& path) {
  std::vector<Json> lines;
  TRY(each_line(path, INT64_MAX, [&](const std::string&, const Json& json) { lines.push_back(json); }));
  return lines;
}

}  // namespace linnet
