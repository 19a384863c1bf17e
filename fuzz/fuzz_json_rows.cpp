// Any bytes as JSON Lines or a JSON list: read, recognised and made samples of, or refused.
#include <cstddef>
#include <cstdint>
#include <string>

#include "data/json_rows.hpp"
#include "data/sample.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  std::string text(reinterpret_cast<const char*>(data), size);
  if (!check_data_text(text, "fuzz.jsonl").ok()) return 0;
  const Result<Rows> rows = parse_json_rows(text, "fuzz.jsonl");
  if (!rows.ok() || rows->rows.empty()) return 0;
  const Result<FormMatch> match = recognise_form(*rows);
  if (match.ok()) (void)make_samples(*rows, *match);
  return 0;
}
