#include "text/training/corpus.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/utf8.hpp"
#include "text/scan.hpp"

namespace linnet {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPartBytes = 128 << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::array<std::string_view, 5> kEndings{".txt", ".text", ".md", ".jsonl", ".ndjson"};

bool is_json_lines(const fs::path& path) {
  return path.extension() == ".jsonl" || path.extension() == ".ndjson";
}

// Is `at` white space that follows something else? Every word ends there: none has white space behind other characters.
bool is_word_end(std::string_view text, uint64_t at) {
  if (text[at] != ' ' && text[at] != '\n') return false;
  uint64_t start = at;
  while (start > 0 && at - start < 4) {
    if ((static_cast<uint8_t>(text[--start]) & 0xC0) != 0x80) break;
  }
  const Utf8Step before = decode_utf8(text.substr(start, at - start));
  return before.valid && start + static_cast<uint64_t>(before.length) == at &&
         (CharTable::get().flags(before.code_point) & kWhiteSpace) == 0;
}

// Where a part that begins at `begin` ends.
uint64_t part_end(std::string_view text, uint64_t begin, bool json_lines) {
  if (text.size() - begin <= kPartBytes) return text.size();
  for (uint64_t at = begin + kPartBytes; at < text.size(); ++at) {
    if (json_lines ? text[at - 1] == '\n' : is_word_end(text, at)) return at;
  }
  return text.size();
}

std::string line_of(std::string_view text, uint64_t at) {
  return fmt::format("line {}", 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

Result<TextCorpus> TextCorpus::open(const std::vector<std::string>& paths, const std::string& field) {
  TextCorpus corpus;
  corpus.field_ = field;
  for (const std::string& path : paths) TRY(corpus.add_path(path));
  return corpus;
}

TextCorpus TextCorpus::of_text(std::string name, std::string text) {
  TextCorpus corpus;
  File file{std::move(name), false, nullptr, std::make_unique<const std::string>(std::move(text)), {}};
  file.text = *file.held;
  corpus.add_file(std::move(file));
  return corpus;
}

uint64_t TextCorpus::bytes() const {
  uint64_t bytes = 0;
  for (const File& file : files_) bytes += file.text.size();
  return bytes;
}

Status TextCorpus::add_path(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return add_folder(path);
  File file;
  file.name = path == "-" ? "standard input" : path;
  file.json_lines = is_json_lines(path);
  const bool is_pipe = path == "-" || (fs::exists(path, code) && !fs::is_regular_file(path, code));
  if (is_pipe) {
    TRY_ASSIGN(std::string text, read_file(path == "-" ? "/dev/stdin" : path, kMaxPipe));
    file.held = std::make_unique<const std::string>(std::move(text));
    file.text = *file.held;
  } else {
    TRY_ASSIGN(file.mapped, MappedFile::open(path));
    const auto bytes = file.mapped->bytes();
    file.text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  add_file(std::move(file));
  return ok_status();
}

Status TextCorpus::add_folder(const std::string& path) {
  std::vector<std::string> found;
  std::error_code code;
  fs::recursive_directory_iterator walk(path, code);
  for (; !code && walk != fs::recursive_directory_iterator(); walk.increment(code)) {
    const std::string ending = walk->path().extension().string();
    if (std::find(kEndings.begin(), kEndings.end(), ending) == kEndings.end()) continue;
    std::error_code unreadable;
    if (walk->is_regular_file(unreadable)) found.push_back(walk->path().string());
  }
  if (code) return Error{ErrorCode::kIo, "cannot list the folder: " + code.message(), path, {}};
  if (found.empty()) {
    return not_found("there is no text in this folder: no .txt, .text, .md, .jsonl or .ndjson", path,
                     "name files of other kinds one by one");
  }
  std::sort(found.begin(), found.end());
  for (const std::string& file : found) TRY(add_path(file));
  return ok_status();
}

void TextCorpus::add_file(File file) {
  const auto index = static_cast<uint32_t>(files_.size());
  uint64_t begin = file.text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (begin < file.text.size()) {
    const uint64_t end = part_end(file.text, begin, file.json_lines);
    parts_.push_back({index, begin, end});
    begin = end;
  }
  files_.push_back(std::move(file));
}

Status TextCorpus::read(size_t index, const Sink& sink) const {
  const Part& part = parts_[index];
  const File& file = files_[part.file];
  if (file.json_lines) return read_lines(file, part, sink);
  const std::string_view text = file.text.substr(part.begin, part.end - part.begin);
  const size_t valid = first_invalid_utf8(text);
  if (valid < text.size()) {
    const uint64_t at = part.begin + valid;
    return invalid(fmt::format("byte {} (0x{:02X}) is not UTF-8", at, static_cast<uint8_t>(file.text[at])),
                   fmt::format("{}: {}", file.name, line_of(file.text, at)),
                   "if it is a text of another encoding, convert it: iconv -f latin1 -t utf-8");
  }
  return sink(text);
}

Status TextCorpus::read_lines(const File& file, const Part& part, const Sink& sink) const {
  uint64_t begin = part.begin;
  while (begin < part.end) {
    const uint64_t end = std::min<uint64_t>(file.text.find('\n', begin), part.end);
    const std::string_view line = file.text.substr(begin, end - begin);
    const bool blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
    if (!blank) {
      const auto text = [&]() -> Result<std::string> {
        TRY_ASSIGN(const Json json, parse_json(line, ""));
        TRY_ASSIGN(const JsonObject object, JsonObject::of(json, ""));
        return object.string(field_);
      }();
      if (!text.ok()) return text.error().at(fmt::format("{}: {}", file.name, line_of(file.text, begin)));
      TRY(sink(*text));
    }
    begin = end + 1;
  }
  return ok_status();
}

}  // namespace linnet
