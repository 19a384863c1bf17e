#include "eval/task_rows.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "data/files.hpp"
#include "eval/words.hpp"

namespace linnet {

namespace {

// Each question has its paragraph with it, and a hostile file has many for a long one.
constexpr size_t kMostContextBytes = size_t{1} << 30;
constexpr size_t kLongestTitle = 1000;

// What stands under "data" where the file is one object with such a list.
std::optional<Json> squad_data(const std::string& path) {
  const auto text = read_data_text(path);
  if (!text.ok() || !strip(*text).starts_with('{')) return std::nullopt;
  auto json = parse_json(*text, path);
  if (!json.ok() || !json->contains("data") || !(*json)["data"].is_array()) return std::nullopt;
  return std::move((*json)["data"]);
}

}  // namespace

Result<Rows> squad_rows(const Json& data, const std::string& place) {
  Rows out{.place = place, .unit = "question", .rows = {}};
  const auto is_list = [](const Json& object, const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_array();
  };
  size_t bytes = 0;
  for (const Json& article : data) {
    if (!is_list(article, "paragraphs")) return invalid("an article has no list \"paragraphs\"", place);
    const bool has_title = article.contains("title") && article["title"].is_string() &&
                           article["title"].get_ref<const std::string&>().size() < kLongestTitle;
    for (const Json& paragraph : article["paragraphs"]) {
      if (!is_list(paragraph, "qas")) return invalid("a paragraph has no list \"qas\"", place);
      if (!paragraph.contains("context") || !paragraph["context"].is_string()) {
        return invalid("a paragraph has no text \"context\"", place);
      }
      const auto& context = paragraph["context"].get_ref<const std::string&>();
      for (const Json& question : paragraph["qas"]) {
        if (!question.is_object()) return invalid("\"qas\" must hold objects", place);
        bytes += context.size();
        if (bytes > kMostContextBytes) return unsupported("its paragraphs and questions make more than 1 GiB", place);
        Row row{.fields = question, .number = out.rows.size() + 1};
        row.fields["context"] = context;
        if (has_title) row.fields["title"] = article["title"];
        out.rows.push_back(std::move(row));
      }
    }
  }
  return out;
}

Result<Rows> read_task_rows(const std::string& path) {
  constexpr std::array kEndings{".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".xlsx"};
  const std::string ending = lowercase(std::filesystem::path(path).extension().string());
  if (std::find(kEndings.begin(), kEndings.end(), ending) == kEndings.end()) {
    return unsupported("is of a kind that eval does not read", path, "give .jsonl, .json, .csv, .tsv or .xlsx");
  }
  // Names that are in no form of data/form.hpp.
  const std::vector<std::string> names{"source", "target", "context", "continuation", "query", "choice0"};
  std::vector<std::string> said;
  Rows rows;
  if (const std::optional<Json> data = ending == ".json" ? squad_data(path) : std::nullopt) {
    TRY_ASSIGN(rows, squad_rows(*data, path));
  } else {
    TRY_ASSIGN(rows, read_rows(path, {}, names, said));
  }
  if (rows.rows.empty()) return invalid("holds no items", path);
  return rows;
}

}  // namespace linnet
