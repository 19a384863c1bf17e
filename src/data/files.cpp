#include "data/files.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>

#include "base/file.hpp"
#include "data/csv.hpp"
#include "data/json_rows.hpp"
#include "data/xlsx.hpp"

namespace linnet {

namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 16;
constexpr size_t kMostFiles = 100'000;

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string ending(const fs::path& path) {
  const std::string dotted = lower_case(path.extension().string());
  return dotted.empty() ? dotted : dotted.substr(1);
}

bool is_text(const fs::path& path) {
  static const std::set<std::string> endings = {"txt", "text", "md", "markdown", "rst"};
  return endings.contains(ending(path));
}

// What lies beside data and is none.
bool is_notice(const fs::path& path) {
  const std::string name = lower_case(path.filename().string());
  for (const std::string_view word :
       {"readme", "license", "licence", "notice", "copying", "sources", "about", "changelog"}) {
    if (name.starts_with(word)) return true;
  }
  return false;
}

enum class Part { kNone, kTrain, kHeldOut, kTest };

const std::map<std::string, Part, std::less<>>& part_names() {
  static const std::map<std::string, Part, std::less<>> names = {
      {"train", Part::kTrain}, {"training", Part::kTrain},     {"dev", Part::kHeldOut}, {"valid", Part::kHeldOut},
      {"val", Part::kHeldOut}, {"validation", Part::kHeldOut}, {"test", Part::kTest},   {"eval", Part::kTest}};
  return names;
}

Part part_of(const fs::path& path) {
  const std::string name = lower_case(path.filename().string());
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find_first_of("._- ", at), name.size());
    const auto word = part_names().find(std::string_view(name).substr(at, end - at));
    if (word != part_names().end()) return word->second;
    at = end + 1;
  }
  return Part::kNone;
}

Result<std::vector<fs::path>> list_folder(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code code;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    const bool hidden = at->path().filename().string().starts_with('.');
    if (at->is_directory(code)) {
      if (hidden || at.depth() >= kDeepest || at->is_symlink(code)) at.disable_recursion_pending();
    } else if (!hidden && !at->is_symlink(code) && at->is_regular_file(code)) {
      if (found.size() == kMostFiles) return invalid(fmt::format("more than {} files", kMostFiles), folder.string());
      found.push_back(at->path());
    }
  }
  if (code) return invalid("cannot be read: " + code.message(), folder.string());
  std::ranges::sort(found);
  return found;
}

std::string first_names(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    if (names.size() < 5) names.push_back(path.filename().string());
  }
  if (paths.size() > names.size()) names.push_back(fmt::format("{} more", paths.size() - names.size()));
  return fmt::format("{}", fmt::join(names, ", "));
}

// The files of a folder that are data: tables; or the files that are labelled by their endings; or texts.
std::vector<fs::path> choose_data(const std::vector<fs::path>& all, DataFiles& out) {
  std::vector<fs::path> tables;
  std::vector<fs::path> texts;
  std::vector<fs::path> unknown;
  for (const fs::path& path : all) {
    if (is_table_file(path.string())) {
      tables.push_back(path);
    } else if (!is_notice(path)) {
      (is_text(path) ? texts : unknown).push_back(path);
    }
  }
  std::vector<std::string> family;
  family.reserve(unknown.size());
  for (const fs::path& path : unknown) family.push_back(path.string());
  std::vector<fs::path> chosen = !tables.empty() ? tables : is_label_family(family) ? unknown : texts;
  std::vector<fs::path> left;
  std::ranges::set_difference(all, chosen, std::back_inserter(left));
  if (!left.empty() && !chosen.empty()) out.said.push_back("left out: " + first_names(left));
  return chosen;
}

Result<Samples> read_text_file(const std::string& file) {
  static const std::set<std::string> documents = {"xls", "ods", "numbers", "doc", "docx",
                                                  "odt", "pdf", "parquet", "zip"};
  if (documents.contains(ending(file))) {
    return unsupported("files of this kind are not read", file, "save it as CSV, xlsx, JSON Lines or text");
  }
  TRY_ASSIGN(std::string text, read_data_text(file));
  Samples out{.form = DataForm::kText, .samples = {}, .said = {}};
  if (text.find_first_not_of(" \t\r\n") == text.npos) return out;
  out.said.push_back(fmt::format("{}: plain text, {} bytes", file, text.size()));
  out.samples.push_back({.place = file, .text = std::move(text), .group = file});
  return out;
}

Result<Samples> read_one(const std::string& file, const ReadSettings& settings) {
  Samples out;
  if (is_table_file(file)) {
    std::vector<std::string> said;
    std::vector<std::string> names;
    for (const auto& [use, name] : settings.columns) names.push_back(name);
    const BadRows bad = settings.skip_bad ? BadRows::kLeaveOut : BadRows::kError;
    TRY_ASSIGN(const Rows rows, read_rows(file, settings.sheet, names, said, bad));
    if (rows.rows.empty() && !rows.left_out.empty()) return invalid("all rows are bad: " + list_flaws(rows.left_out));
    if (rows.rows.empty()) return invalid("there are no rows in it", rows.place);
    TRY_ASSIGN(const FormMatch match, recognise_form(rows, settings.columns, settings.unanswered));
    TRY_ASSIGN(out, make_samples(rows, match, settings.skip_bad));
    out.said.insert(out.said.begin(), said.begin(), said.end());
  } else {
    TRY_ASSIGN(out, read_text_file(file));
  }
  if (out.samples.empty()) return invalid("there is nothing in it to learn from", file);
  return out;
}

Result<Samples> read_labelled_lines(const std::vector<std::string>& files) {
  Rows rows{.place = {}, .unit = "line", .rows = {}};
  const FormMatch match{
      .form = DataForm::kLabels, .fields = {{FieldUse::kText, "text"}, {FieldUse::kLabel, "label"}}, .said = {}};
  Samples out{.form = DataForm::kLabels, .samples = {}, .said = {}};
  for (const std::string& file : files) {
    TRY_ASSIGN(const std::string text, read_data_text(file));
    const std::string label = ending(file);
    rows.place = file;
    rows.rows.clear();
    uint64_t line = 1;
    for (size_t at = 0; at < text.size(); ++line) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view raw = std::string_view(text).substr(at, end - at);
      const size_t last = raw.find_last_not_of(" \t\r");
      at = end + 1;
      if (last == raw.npos) continue;
      if (rows.rows.size() == kMostRows) return invalid(fmt::format("more than {} lines", kMostRows), file);
      rows.rows.push_back({{{"text", raw.substr(0, last + 1)}, {"label", label}}, line});
    }
    if (rows.rows.empty()) return invalid("there are no lines in it", file);
    TRY_ASSIGN(Samples some, make_samples(rows, match));
    std::ranges::move(some.samples, std::back_inserter(out.samples));
    out.said.push_back(fmt::format("{}: {} lines, each labelled \"{}\"", file, rows.rows.size(), label));
  }
  return out;
}

}  // namespace

bool is_table_file(const std::string& path) {
  static const std::set<std::string> endings = {"csv", "tsv", "tab", "json", "jsonl", "ndjson", "xlsx"};
  return endings.contains(ending(path));
}

bool is_label_family(const std::vector<std::string>& files) {
  if (files.size() < 2) return false;
  const fs::path first(files.front());
  std::set<std::string> endings;
  return std::ranges::all_of(files, [&](const std::string& file) {
    const fs::path path(file);
    return path.parent_path() == first.parent_path() && path.stem() == first.stem() && !ending(path).empty() &&
           !is_table_file(file) && !is_text(path) && endings.insert(ending(path)).second;
  });
}

bool is_part_name(std::string_view word) {
  return part_names().contains(word);
}

Result<DataFiles> find_data_files(const std::string& path) {
  DataFiles out;
  std::error_code code;
  if (!fs::is_directory(path, code)) {
    if (!fs::exists(path, code)) return not_found("there is no such file or folder", path);
    out.train.push_back(path);
    return out;
  }
  TRY_ASSIGN(const std::vector<fs::path> all, list_folder(path));
  const std::vector<fs::path> chosen = choose_data(all, out);
  if (chosen.empty()) {
    return invalid("no file in the folder is read", path, "put CSV, TSV, xlsx, JSON, JSON Lines or text files there");
  }
  const auto any = [&](Part part) {
    return std::ranges::any_of(chosen, [&](const fs::path& one) { return part_of(one) == part; });
  };
  const bool trains = any(Part::kTrain), parts = trains || any(Part::kTest);
  std::vector<fs::path> left;
  for (const fs::path& one : chosen) {
    Part part = parts ? part_of(one) : Part::kTrain;
    if (part == Part::kNone && !trains) part = Part::kTrain;
    if (part == Part::kTrain) out.train.push_back(one.string());
    if (part == Part::kHeldOut) out.held_out.push_back(one.string());
    if (part == Part::kTest) out.test.push_back(one.string());
    if (part == Part::kNone) left.push_back(one);
  }
  if (!left.empty()) out.said.push_back("left out, beside the files called train: " + first_names(left));
  return out;
}

Result<Rows> read_rows(const std::string& file, const std::string& sheet, const std::vector<std::string>& names,
                       std::vector<std::string>& said, BadRows bad) {
  const std::string kind = ending(file);
  if (kind == "xlsx") {
    TRY_ASSIGN(const std::string bytes, read_file(file));
    std::string sheets;
    TRY_ASSIGN(Table table, parse_xlsx(bytes, sheet, file, sheets));
    if (!sheets.empty()) said.push_back(std::move(sheets));
    return name_columns(std::move(table), names, bad);
  }
  TRY_ASSIGN(const std::string text, read_data_text(file));
  if (kind.starts_with("json") || kind == "ndjson") return parse_json_rows(text, file, bad);
  TRY_ASSIGN(Table table, parse_csv(text, kind == "csv" ? guess_delimiter(text) : '\t', file));
  return name_columns(std::move(table), names, bad);
}

Status check_sheet(const std::vector<std::string>& files, const std::string& sheet) {
  const auto is_spreadsheet = [](const std::string& file) { return ending(file) == "xlsx"; };
  if (sheet.empty() || std::ranges::any_of(files, is_spreadsheet)) return ok_status();
  return usage_error(fmt::format("{} is no spreadsheet, so it has no sheet \"{}\"", files.front(), sheet),
                     "leave out --sheet, or name an xlsx file");
}

Result<Samples> read_samples(const std::vector<std::string>& files, const ReadSettings& settings) {
  CHECK(!files.empty());
  if (is_label_family(files)) return read_labelled_lines(files);
  TRY_ASSIGN(Samples out, read_one(files.front(), settings));
  for (size_t i = 1; i < files.size(); ++i) {
    TRY_ASSIGN(Samples more, read_one(files[i], settings));
    if (more.form != out.form) {
      return invalid(fmt::format("holds {}, and {} holds {}", form_name(more.form), files.front(), form_name(out.form)),
                     files[i], "teach from one kind at a time, or bring them into one form");
    }
    std::ranges::move(more.samples, std::back_inserter(out.samples));
    std::ranges::move(more.said, std::back_inserter(out.said));
  }
  return out;
}

}  // namespace linnet
