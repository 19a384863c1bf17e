#include "eval/squad_rows.hpp"

namespace linnet {

namespace {

// Each question has its paragraph with it, and a hostile file has many for a long one.
constexpr size_t kMostContextBytes = size_t{1} << 30;
constexpr size_t kLongestTitle = 1000;

bool is_list(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_array();
}

// Adds a row for each question of one paragraph.
Status add_paragraph(const Json& paragraph, const Json& title, Rows& out, size_t& bytes) {
  if (!is_list(paragraph, "qas")) return invalid("a paragraph has no list \"qas\"", out.place);
  if (!paragraph.contains("context") || !paragraph["context"].is_string()) {
    return invalid("a paragraph has no text \"context\"", out.place);
  }
  const Json& context = paragraph["context"];
  for (const Json& question : paragraph["qas"]) {
    if (!question.is_object()) return invalid("\"qas\" must hold objects", out.place);
    bytes += context.get_ref<const std::string&>().size();
    if (bytes > kMostContextBytes) return unsupported("its paragraphs and questions make more than 1 GiB", out.place);
    Row row{.fields = question, .number = out.rows.size() + 1};
    row.fields["context"] = context;
    if (!title.is_null()) row.fields["title"] = title;
    out.rows.push_back(std::move(row));
  }
  return ok_status();
}

}  // namespace

Status unfold_squad(Rows& rows) {
  if (rows.rows.size() != 1 || !is_list(rows.rows[0].fields, "data")) return ok_status();
  const Json data = std::move(rows.rows[0].fields["data"]);
  Rows out{.place = rows.place, .unit = "question", .rows = {}};
  size_t bytes = 0;
  for (const Json& article : data) {
    if (!is_list(article, "paragraphs")) return invalid("an article has no list \"paragraphs\"", out.place);
    const Json title = article.value("title", Json());
    const bool has_title = title.is_string() && title.get_ref<const std::string&>().size() < kLongestTitle;
    for (const Json& paragraph : article["paragraphs"]) {
      TRY(add_paragraph(paragraph, has_title ? title : Json(), out, bytes));
    }
  }
  rows = std::move(out);
  return ok_status();
}

}  // namespace linnet
