#include "data/xlsx.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <optional>

#include <pugixml.hpp>

#include "base/file.hpp"
#include "base/utf8.hpp"
#include "data/xlsx_dates.hpp"
#include "data/zip_parts.hpp"

namespace linnet {

namespace {

// A tree takes up to 16 times the text that it is made of.
constexpr uint64_t kLargestPart = 64 << 20;

using Document = pugi::xml_document;
using Node = pugi::xml_node;

// Names without their prefix: some programs write <x:row>.
std::string_view local_name(const char* name) {
  const std::string_view all(name);
  return all.substr(all.find(':') + 1);
}

Node child(Node node, std::string_view name) {
  return node.find_child([&](Node one) { return local_name(one.name()) == name; });
}

std::string_view attribute(Node node, std::string_view name) {
  for (const pugi::xml_attribute one : node.attributes()) {
    if (local_name(one.name()) == name) return one.value();
  }
  return {};
}

Status read_part(const ZipParts& zip, const std::string& name, const std::string& place, Document& out) {
  TRY_ASSIGN(const std::string text, zip.read(name, kLargestPart));
  const auto parsed = out.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  if (!parsed) {
    return invalid(fmt::format("bad XML at byte {}: {}", parsed.offset, parsed.description()), place + ": " + name);
  }
  return ok_status();
}

// Excel writes characters that XML cannot hold as _x000D_ (ECMA-376, part 1, 22.9.2.19).
std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t at = std::min(text.find("_x"), text.size());
    out.append(text.substr(0, at));
    text.remove_prefix(at);
    if (text.empty()) break;
    uint32_t code = 0;
    const bool escape = text.size() >= 7 && text[6] == '_' &&
                        std::from_chars(text.data() + 2, text.data() + 6, code, 16).ptr == text.data() + 6 &&
                        code != 0 && (code < 0xD800 || code > 0xDFFF);
    if (escape) {
      if (code != '\r') append_utf8(out, code);  // the "\n" of a "\r\n" follows as itself
      text.remove_prefix(7);
    } else {
      out.append(text.substr(0, 2));
      text.remove_prefix(2);
    }
  }
  return out;
}

// The text of <si> or <is>: <t>, or the <t> of each run <r>; <rPh> is how it is pronounced.
std::string rich_text(Node node) {
  std::string text;
  for (const Node one : node.children()) {
    const std::string_view name = local_name(one.name());
    if (name == "t") text += one.text().get();
    if (name == "r") text += child(one, "t").text().get();
  }
  return unescaped(text);
}

// "AB12" -> column 27 (from 0); nullopt for what is no reference.
std::optional<uint64_t> column_of(std::string_view reference) {
  uint64_t column = 0;
  size_t letters = 0;
  while (letters < reference.size() && reference[letters] >= 'A' && reference[letters] <= 'Z' && letters < 4) {
    column = column * 26 + static_cast<uint64_t>(reference[letters++] - 'A' + 1);
  }
  if (letters == 0 || letters == 4) return std::nullopt;
  return column - 1;
}

std::string column_name(uint64_t column) {
  std::string name;
  for (++column; column > 0; column = (column - 1) / 26)
    name.insert(name.begin(), static_cast<char>('A' + (column - 1) % 26));
  return name;
}

// What a workbook says of its cells.
struct CellLore {
  std::vector<std::string> strings;
  std::vector<bool> dates;  // by style: shows a date
  bool from_1904 = false;
};

// Numbers are stored with all digits of a double (0.30000000000000004); Excel itself shows 15.
std::string shown_number(std::string_view stored, bool date, bool from_1904) {
  double value = 0;
  const auto [end, code] = std::from_chars(stored.data(), stored.data() + stored.size(), value);
  if (code != std::errc() || end != stored.data() + stored.size()) return std::string(stored);
  if (date) {
    if (auto text = date_of_serial(value, from_1904)) return *std::move(text);
  }
  return fmt::format("{:.15g}", value);
}

uint32_t number_or_zero(std::string_view text) {
  uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class SheetReader {
 public:
  SheetReader(const CellLore& lore, Table& table) : lore_(lore), table_(table) {}

  Status read(Node data) {
    for (const Node row : data.children()) {
      if (local_name(row.name()) != "row") continue;
      TRY(read_row(row));
    }
    if (table_.records.size() * columns_ > kMostCells) return bad(fmt::format("more than {} cells", kMostCells));
    for (Record& record : table_.records) record.cells.resize(columns_);
    return ok_status();
  }

 private:
  Error bad(std::string message, std::string hint = {}) const {
    return invalid(std::move(message), fmt::format("{}, row {}", table_.place, number_), std::move(hint));
  }

  Status read_row(Node row) {
    const std::string_view written = attribute(row, "r");
    uint64_t number = number_ + 1;
    if (!written.empty() &&
        std::from_chars(written.data(), written.data() + written.size(), number).ec != std::errc()) {
      return bad("the next row has a number that is none");
    }
    if (number <= number_) return bad("the rows are not in order");
    number_ = number;
    Record record{.number = number, .cells = {}};
    bool any = false;
    for (const Node cell : row.children()) {
      if (local_name(cell.name()) != "c") continue;
      const uint64_t column = column_of(attribute(cell, "r")).value_or(record.cells.size());
      if (column < record.cells.size()) return bad("the cells are not in order");
      TRY_ASSIGN(std::string text, read_cell(cell, column));
      if (text.empty()) continue;  // a format alone
      if (column >= kMostColumns) return bad(fmt::format("more than {} columns", kMostColumns));
      any = true;
      bytes_ += text.size();
      if (bytes_ > kMaxTextFile) return bad(fmt::format("more than {} MiB of text", kMaxTextFile >> 20));
      record.cells.resize(column);
      record.cells.push_back(std::move(text));
    }
    if (!any) return ok_status();
    if (table_.records.size() == kMostRows) return bad(fmt::format("more than {} rows", kMostRows));
    columns_ = std::max(columns_, record.cells.size());
    table_.records.push_back(std::move(record));
    return ok_status();
  }

  Result<std::string> read_cell(Node cell, uint64_t column) const {
    const std::string_view type = attribute(cell, "t");
    if (type == "inlineStr") return rich_text(child(cell, "is"));
    const std::string_view value = child(cell, "v").text().get();
    if (value.empty() && child(cell, "f")) {
      return bad(fmt::format("cell {}{} holds a formula whose value was never computed", column_name(column), number_),
                 "open the file in a spreadsheet program, and save it there");
    }
    if (type == "s") {
      size_t index = 0;
      const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), index);
      if (code != std::errc() || end != value.data() + value.size() || index >= lore_.strings.size()) {
        return bad(fmt::format("cell {}{} names a text that is not there", column_name(column), number_));
      }
      return lore_.strings[index];
    }
    if (type == "e") {
      return bad(fmt::format("cell {}{} holds the error {}", column_name(column), number_, value),
                 "mend the formula, or replace it by its value");
    }
    if (type == "b") return std::string(value == "1" ? "TRUE" : "FALSE");
    if (type == "str") return unescaped(value);
    const uint32_t style = number_or_zero(attribute(cell, "s"));
    return shown_number(value, style < lore_.dates.size() && lore_.dates[style], lore_.from_1904);
  }

  const CellLore& lore_;
  Table& table_;
  uint64_t number_ = 0;
  uint64_t bytes_ = 0;  // of the cells: many may share one long text
  size_t columns_ = 0;
};

struct Sheet {
  std::string name;
  std::string part;
  bool hidden = false;
};

// "worksheets/sheet1.xml" beside xl/workbook.xml, or "/xl/worksheets/sheet1.xml" from the top.
std::string part_path(std::string_view target) {
  return target.starts_with('/') ? std::string(target.substr(1)) : "xl/" + std::string(target);
}

Result<std::vector<Sheet>> read_sheets(const ZipParts& zip, const Document& workbook, const std::string& place) {
  Document relations;
  TRY(read_part(zip, "xl/_rels/workbook.xml.rels", place, relations));
  std::map<std::string_view, Node> by_id;
  for (const Node one : relations.document_element().children()) by_id.emplace(attribute(one, "Id"), one);
  std::vector<Sheet> sheets;
  for (const Node one : child(workbook.document_element(), "sheets").children()) {
    if (local_name(one.name()) != "sheet") continue;
    std::string_view id;
    for (const pugi::xml_attribute a : one.attributes()) {
      const std::string_view name = a.name();
      if (name.ends_with(":id")) id = a.value();  // r:id; the sheet's own number is sheetId
    }
    const auto found = by_id.find(id);
    const Node relation = found == by_id.end() ? Node() : found->second;
    if (!attribute(relation, "Type").ends_with("/worksheet")) continue;  // a chart has a sheet of its own
    const std::string_view state = attribute(one, "state");
    sheets.push_back({std::string(attribute(one, "name")), part_path(attribute(relation, "Target")),
                      state == "hidden" || state == "veryHidden"});
    if (sheets.size() > kMostColumns) break;
  }
  if (sheets.empty()) return invalid("has no sheet with cells", place);
  return sheets;
}

Result<Sheet> choose_sheet(const std::vector<Sheet>& sheets, const std::string& wanted, const std::string& place,
                           std::string& said) {
  std::vector<std::string> names;
  names.reserve(sheets.size());
  for (const Sheet& sheet : sheets) names.push_back(sheet.name);
  auto chosen = std::ranges::find(sheets, wanted, &Sheet::name);
  if (wanted.empty()) {
    chosen = std::ranges::find(sheets, false, &Sheet::hidden);
    if (chosen == sheets.end()) chosen = sheets.begin();
  }
  if (chosen == sheets.end()) {
    return not_found(fmt::format("there is no sheet \"{}\"", wanted), place,
                     fmt::format("the sheets are: {}", fmt::join(names, ", ")));
  }
  if (wanted.empty() && sheets.size() > 1) {
    said = fmt::format("{}: the sheet \"{}\" is read, of {}", place, chosen->name, fmt::join(names, ", "));
  }
  return *chosen;
}

Result<CellLore> read_lore(const ZipParts& zip, const Document& workbook, const std::string& place) {
  CellLore lore;
  const std::string_view from_1904 = attribute(child(workbook.document_element(), "workbookPr"), "date1904");
  lore.from_1904 = from_1904 == "1" || from_1904 == "true";
  if (zip.has("xl/sharedStrings.xml")) {
    Document shared;
    TRY(read_part(zip, "xl/sharedStrings.xml", place, shared));
    for (const Node one : shared.document_element().children()) {
      if (local_name(one.name()) == "si") lore.strings.push_back(rich_text(one));
    }
  }
  if (zip.has("xl/styles.xml")) {
    Document styles;
    TRY(read_part(zip, "xl/styles.xml", place, styles));
    std::map<uint32_t, std::string> codes;
    for (const Node one : child(styles.document_element(), "numFmts").children()) {
      codes.emplace(number_or_zero(attribute(one, "numFmtId")), attribute(one, "formatCode"));
    }
    for (const Node one : child(styles.document_element(), "cellXfs").children()) {
      const uint32_t id = number_or_zero(attribute(one, "numFmtId"));
      const auto code = codes.find(id);
      lore.dates.push_back(
          is_date_format(id, code == codes.end() ? std::string_view() : std::string_view(code->second)));
    }
  }
  return lore;
}

}  // namespace

Result<Table> parse_xlsx(std::string_view bytes, const std::string& sheet, const std::string& place,
                         std::string& said) {
  if (bytes.starts_with("\xD0\xCF\x11\xE0")) {
    return unsupported("is protected by a password, or of a format older than xlsx", place, "save it as xlsx or CSV");
  }
  TRY_ASSIGN(const ZipParts zip, ZipParts::open(bytes, place));
  if (!zip.has("xl/workbook.xml")) return invalid("is no xlsx spreadsheet", place, "save it as xlsx or CSV");
  Document workbook;
  TRY(read_part(zip, "xl/workbook.xml", place, workbook));
  TRY_ASSIGN(const std::vector<Sheet> sheets, read_sheets(zip, workbook, place));
  TRY_ASSIGN(const Sheet chosen, choose_sheet(sheets, sheet, place, said));
  TRY_ASSIGN(const CellLore lore, read_lore(zip, workbook, place));
  Document document;
  TRY(read_part(zip, chosen.part, place, document));
  Table table{.place = fmt::format("{}, sheet \"{}\"", place, chosen.name), .unit = "row", .records = {}};
  TRY(SheetReader(lore, table).read(child(document.document_element(), "sheetData")));
  for (Record& record : table.records) {
    for (std::string& cell : record.cells) {
      if (!is_valid_utf8(cell))
        return invalid("a cell is not UTF-8", fmt::format("{}, row {}", table.place, record.number));
    }
  }
  return table;
}

}  // namespace linnet
