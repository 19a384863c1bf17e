// Python's json.dumps, which transformers' filter tojson is.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/jinja/interpreter.hpp"

namespace linnet::jinja {

namespace {

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void value(const Value& v) {
    const DepthGuard guard(budget_);
    budget_.step();
    if (v.is_none()) {
      put("null");
    } else if (const bool* b = v.get<bool>()) {
      put(*b ? "true" : "false");
    } else if (const int64_t* i = v.get<int64_t>()) {
      put(std::to_string(*i));
    } else if (const double* d = v.get<double>()) {
      put(real(*d));
    } else if (const Text* text = v.string()) {
      string(text->bytes);
    } else if (const Sequence* sequence = v.sequence()) {
      array(*sequence);
    } else if (const Dict* dict = v.dict_value()) {
      object(*dict);
    } else {
      type_error(fmt::format("Object of type {} is not JSON serializable", type_name(v)));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void put(std::string_view text) {
    budget_.take(text.size());
    out_ += text;
  }

  static std::string real(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return repr_float(d);
  }

  void unit(uint32_t code) { out_ += fmt::format("\\u{:04x}", code); }

  void string(std::string_view text) {
    budget_.take(text.size() + 2);
    out_ += '"';
    while (!text.empty()) {
      const Utf8Step step = decode_utf8(text);
      const auto c = static_cast<uint32_t>(step.code_point);
      constexpr std::string_view kFrom = "\"\\\n\r\t\f\b";
      constexpr std::string_view kTo = "\"\\nrtfb";
      const size_t at = c < 0x80 ? kFrom.find(static_cast<char>(c)) : kFrom.npos;
      if (at != kFrom.npos) {
        out_ += '\\';
        out_ += kTo[at];
      } else if (c < 0x20 || (style_.ascii && c >= 0x7F && c < 0x10000)) {
        unit(c);
      } else if (style_.ascii && c >= 0x10000) {
        unit(0xD800 + ((c - 0x10000) >> 10));
        unit(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        out_ += text.substr(0, static_cast<size_t>(step.length));
      }
      text.remove_prefix(static_cast<size_t>(step.length));
    }
    out_ += '"';
  }

  void line() {
    if (!style_.indent) return;
    budget_.take(1 + style_.indent->size() * static_cast<size_t>(level_));
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  void array(const Sequence& sequence) {
    if (sequence.items.empty()) return put("[]");
    put("[");
    ++level_;
    bool first = true;
    for (const Value& item : sequence.items) {
      if (!std::exchange(first, false)) put(style_.item_separator);
      line();
      value(item);
    }
    --level_;
    line();
    put("]");
  }

  void object(const Dict& dict) {
    if (dict.items.empty()) return put("{}");
    std::vector<std::pair<Value, Value>> items = dict.items;
    budget_.take(items.size() * 2 * sizeof(Value));
    if (style_.sort_keys) {
      std::ranges::stable_sort(items, [&](const auto& a, const auto& b) { return less(a.first, b.first, budget_); });
    }
    put("{");
    ++level_;
    bool first = true;
    for (const auto& [key, item] : items) {
      if (!std::exchange(first, false)) put(style_.item_separator);
      line();
      string(name(key));
      put(style_.key_separator);
      value(item);
    }
    --level_;
    line();
    put("}");
  }

  static std::string name(const Value& key) {
    if (const Text* text = key.string()) return text->bytes;
    if (key.is_none()) return "null";
    if (const bool* b = key.get<bool>()) return *b ? "true" : "false";
    if (const int64_t* i = key.get<int64_t>()) return std::to_string(*i);
    if (const double* d = key.get<double>()) return real(*d);
    type_error(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.value(value);
  return writer.take();
}

}  // namespace linnet::jinja
