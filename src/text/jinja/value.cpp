#include "text/jinja/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

// A dict this small is searched from end to end; larger ones have an index.
constexpr size_t kLinearDict = 8;

// A tuple of more values than this cannot be a key: comparing keys is not counted step by step.
constexpr uint64_t kMaxKeyWeight = 256;

bool is_hashable(const Value& value) {
  if (value.is_list() || value.is_dict()) return false;
  const View* view = value.view();
  return !view || view->kind == View::Kind::kValues;
}

int checked_depth(int deepest_item) {
  if (deepest_item >= kMaxValueDepth) {
    fail(FaultKind::kLimit, fmt::format("values are nested deeper than {}", kMaxValueDepth));
  }
  return deepest_item + 1;
}

std::shared_ptr<const Sequence> make_sequence(std::vector<Value> items, bool group) {
  Sequence out;
  int deepest = 0;
  for (const Value& item : items) {
    deepest = std::max(deepest, item.depth());
    const Sequence* inner = item.sequence();
    out.weight += inner ? inner->weight : 1;
    out.weight = std::min(out.weight, kMaxKeyWeight + 1);
    out.hashable &= inner && item.is_tuple() ? inner->hashable : is_hashable(item);
  }
  out.items = std::move(items);
  out.depth = checked_depth(deepest);
  out.group = group;
  return std::make_shared<const Sequence>(std::move(out));
}

int key_rank(const Value& v) {
  if (v.is_none()) return 0;
  if (v.is_number()) return 1;
  if (v.is_string()) return 2;
  if (v.is_tuple()) return 3;
  if (v.is_undefined()) return 4;
  return 5;
}

// long double holds every int64 and every double exactly, so mixed comparisons are exact as Python's are.
long double wide(const Value& v) {
  if (const std::optional<int64_t> i = v.integer_value()) return static_cast<long double>(*i);
  return static_cast<long double>(*v.get<double>());
}

const void* address(const Value& v) {
  if (const Object* object = v.object()) return object;
  if (const Range* range = v.range()) return range;
  if (const View* view = v.view()) return view;
  if (const Method* method = v.method()) return method;
  if (const Sequence* sequence = v.sequence()) return sequence;
  if (const Dict* dict = v.dict_value()) return dict;
  if (const Text* text = v.string()) return text;
  return nullptr;
}

bool key_equal(const Value& a, const Value& b) {
  const Text* left = a.string();
  const Text* right = b.string();
  if (left && right) return left->bytes == right->bytes;
  const KeyLess before;
  return !before(a, b) && !before(b, a);
}

bool compare_numbers(long double a, long double b, std::string_view op) {
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  return a >= b;
}

bool compare_lengths(int64_t a, int64_t b, std::string_view op) {
  return compare_numbers(static_cast<long double>(a), static_cast<long double>(b), op);
}

bool equal_sequences(const Sequence& a, const Sequence& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equals(a.items[i], b.items[i], budget)) return false;
  }
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(key, budget);
    if (!other || !equals(value, *other, budget)) return false;
  }
  return true;
}

bool ordered_sequences(const Sequence& a, const Sequence& b, std::string_view op, Budget& budget) {
  const size_t common = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < common; ++i) {
    if (!equals(a.items[i], b.items[i], budget)) return ordered(a.items[i], b.items[i], op, budget);
  }
  return compare_lengths(static_cast<int64_t>(a.items.size()), static_cast<int64_t>(b.items.size()), op);
}

void append_joined(std::string& out, const std::vector<Value>& items, Budget& budget) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(out, items[i], budget);
  }
}

void append_dict(std::string& out, const Dict& dict, Budget& budget) {
  out += '{';
  for (size_t i = 0; i < dict.items.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(out, dict.items[i].first, budget);
    out += ": ";
    append_repr(out, dict.items[i].second, budget);
  }
  out += '}';
}

void append_tuple(std::string& out, const Sequence& tuple, Budget& budget) {
  out += '(';
  append_joined(out, tuple.items, budget);
  out += tuple.items.size() == 1 ? ",)" : ")";
}

void append_view(std::string& out, const View& view, Budget& budget) {
  constexpr std::string_view kNames[] = {"dict_keys([", "dict_values([", "dict_items(["};
  out += kNames[static_cast<size_t>(view.kind)];
  bool first = true;
  for (const auto& [key, value] : view.dict->items) {
    if (!first) out += ", ";
    first = false;
    if (view.kind == View::Kind::kItems) {
      out += '(';
      append_repr(out, key, budget);
      out += ", ";
      append_repr(out, value, budget);
      out += ')';
    } else {
      append_repr(out, view.kind == View::Kind::kKeys ? key : value, budget);
    }
  }
  out += "])";
}

}  // namespace

Text::Text(std::string text) : bytes(std::move(text)), length(code_points(bytes)) {}

void Object::append_repr(std::string& out, Budget& /*budget*/) const {
  out += '<';
  out += type_name;
  out += " object>";
}

Value Value::undefined(std::string message, bool security) {
  return Value(Storage(Undefined{std::make_shared<const std::string>(std::move(message)), security}));
}

Value Value::text(std::string text) {
  return Value(Storage(std::make_shared<const Text>(std::move(text))));
}

Value Value::list(std::vector<Value> items) {
  return Value(Storage(List{make_sequence(std::move(items), false)}));
}

Value Value::tuple(std::vector<Value> items, bool group) {
  return Value(Storage(Tuple{make_sequence(std::move(items), group)}));
}

Value Value::dict(Dict dict) {
  int deepest = 0;
  for (const auto& [key, value] : dict.items) deepest = std::max({deepest, key.depth(), value.depth()});
  dict.depth = checked_depth(deepest);
  return Value(Storage(std::make_shared<const Dict>(std::move(dict))));
}

const Text* Value::string() const {
  const auto* text = get<std::shared_ptr<const Text>>();
  return text ? text->get() : nullptr;
}

const Sequence* Value::sequence() const {
  if (const List* list = get<List>()) return list->sequence.get();
  if (const Tuple* tuple = get<Tuple>()) return tuple->sequence.get();
  return nullptr;
}

const Dict* Value::dict_value() const {
  const auto* dict = get<std::shared_ptr<const Dict>>();
  return dict ? dict->get() : nullptr;
}

const Range* Value::range() const {
  const auto* range = get<std::shared_ptr<const Range>>();
  return range ? range->get() : nullptr;
}

const View* Value::view() const {
  const auto* view = get<std::shared_ptr<const View>>();
  return view ? view->get() : nullptr;
}

const Method* Value::method() const {
  const auto* method = get<std::shared_ptr<const Method>>();
  return method ? method->get() : nullptr;
}

Object* Value::object() const {
  Object* const* object = get<Object*>();
  return object ? *object : nullptr;
}

std::optional<int64_t> Value::integer_value() const {
  if (const int64_t* i = get<int64_t>()) return *i;
  if (const bool* b = get<bool>()) return *b ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::number_value() const {
  if (const double* d = get<double>()) return *d;
  if (const std::optional<int64_t> i = integer_value()) return static_cast<double>(*i);
  return std::nullopt;
}

int Value::depth() const {
  if (const Sequence* s = sequence()) return s->depth;
  if (const Dict* d = dict_value()) return d->depth;
  if (const View* v = view()) return v->dict->depth;
  if (const Method* m = method()) return m->self.depth() + 1;
  return 0;
}

bool KeyLess::operator()(const Value& a, const Value& b) const {
  const int left = key_rank(a);
  const int right = key_rank(b);
  if (left != right) return left < right;
  switch (left) {
    case 1: {
      const long double x = wide(a);
      const long double y = wide(b);
      if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && !std::isnan(y);
      return x < y;
    }
    case 2:
      return a.string()->bytes < b.string()->bytes;
    case 3:
      return std::lexicographical_compare(a.sequence()->items.begin(), a.sequence()->items.end(),
                                          b.sequence()->items.begin(), b.sequence()->items.end(), KeyLess());
    case 5:
      return std::less<>()(address(a), address(b));
    default:
      return false;
  }
}

size_t Dict::position(const Value& key) const {
  if (items.size() > kLinearDict) {
    const auto at = index_.find(key);
    return at == index_.end() ? items.size() : at->second;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (key_equal(items[i].first, key)) return i;
  }
  return items.size();
}

const Value* Dict::find(const Value& key, Budget& budget) const {
  require_hashable(key, budget);
  const size_t at = position(key);
  return at < items.size() ? &items[at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (items.size() > kLinearDict) {
    const size_t at = position(Value::text(std::string(key)));
    return at < items.size() ? &items[at].second : nullptr;
  }
  for (const auto& [name, value] : items) {
    const Text* text = name.string();
    if (text && text->bytes == key) return &value;
  }
  return nullptr;
}

void Dict::set(Value key, Value value, Budget& budget) {
  require_hashable(key, budget);
  const size_t at = position(key);
  if (at < items.size()) {
    items[at].second = std::move(value);
    return;
  }
  items.emplace_back(std::move(key), std::move(value));
  if (items.size() == kLinearDict + 1) {
    for (size_t i = 0; i < items.size(); ++i) index_.emplace(items[i].first, i);
  } else if (items.size() > kLinearDict) {
    index_.emplace(items.back().first, items.size() - 1);
  }
}

int64_t Range::size() const {
  // Unsigned, because stop - start may not fit.
  const auto low = static_cast<uint64_t>(step > 0 ? start : stop);
  const auto high = static_cast<uint64_t>(step > 0 ? stop : start);
  if (step > 0 ? start >= stop : start <= stop) return 0;
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  const uint64_t count = (high - low - 1) / stride + 1;
  return count > static_cast<uint64_t>(INT64_MAX) ? INT64_MAX : static_cast<int64_t>(count);
}

std::string_view type_name(const Value& value) {
  struct Visitor {
    std::string_view operator()(None) const { return "NoneType"; }
    std::string_view operator()(const Undefined&) const { return "Undefined"; }
    std::string_view operator()(bool) const { return "bool"; }
    std::string_view operator()(int64_t) const { return "int"; }
    std::string_view operator()(double) const { return "float"; }
    std::string_view operator()(const std::shared_ptr<const Text>&) const { return "str"; }
    std::string_view operator()(const List&) const { return "list"; }
    std::string_view operator()(const Tuple&) const { return "tuple"; }
    std::string_view operator()(const std::shared_ptr<const Dict>&) const { return "dict"; }
    std::string_view operator()(const std::shared_ptr<const Range>&) const { return "range"; }
    std::string_view operator()(const std::shared_ptr<const View>& view) const {
      constexpr std::string_view kNames[] = {"dict_keys", "dict_values", "dict_items"};
      return kNames[static_cast<size_t>(view->kind)];
    }
    std::string_view operator()(const std::shared_ptr<const Method>&) const { return "builtin_function_or_method"; }
    std::string_view operator()(const Object* object) const { return object->type_name; }
  };
  return std::visit(Visitor{}, value.storage());
}

std::string described(const Value& value) {
  if (value.is_none()) return "None";
  return fmt::format("{} object", type_name(value));
}

bool truthy(const Value& value) {
  if (value.is_none() || value.is_undefined()) return false;
  if (const std::optional<int64_t> i = value.integer_value()) return *i != 0;
  if (const double* d = value.get<double>()) return *d != 0;
  if (const Text* text = value.string()) return !text->bytes.empty();
  if (const Sequence* sequence = value.sequence()) return !sequence->items.empty();
  if (const Dict* dict = value.dict_value()) return !dict->items.empty();
  if (const Range* range = value.range()) return range->size() != 0;
  if (const View* view = value.view()) return !view->dict->items.empty();
  return true;
}

void require_hashable(const Value& value, Budget& budget) {
  budget.step();
  if (const Text* text = value.string()) return budget.step(text->bytes.size() / 64);
  if (value.is_tuple()) {
    const Sequence& tuple = *value.sequence();
    if (!tuple.hashable) type_error("unhashable type: 'list' or 'dict' in a tuple");
    if (tuple.weight > kMaxKeyWeight) {
      fail(FaultKind::kLimit, fmt::format("a tuple of more than {} values as a key", kMaxKeyWeight));
    }
    return budget.step(tuple.weight);
  }
  if (!is_hashable(value)) type_error(fmt::format("unhashable type: '{}'", type_name(value)));
}

bool equals(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_number() && b.is_number()) return wide(a) == wide(b);
  if (const Text* left = a.string()) {
    const Text* right = b.string();
    if (!right || left->bytes.size() != right->bytes.size()) return false;
    budget.step(left->bytes.size() / 64);
    return left->bytes == right->bytes;
  }
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
    return equal_sequences(*a.sequence(), *b.sequence(), budget);
  }
  if (a.is_dict() && b.is_dict()) return equal_dicts(*a.dict_value(), *b.dict_value(), budget);
  if (a.range() && b.range()) {
    const Range& x = *a.range();
    const Range& y = *b.range();
    const int64_t size = x.size();
    return size == y.size() && (size == 0 || (x.start == y.start && (size == 1 || x.step == y.step)));
  }
  if (a.method() && b.method()) {
    return a.method()->name == b.method()->name && identical(a.method()->self, b.method()->self);
  }
  const void* left = address(a);
  return left != nullptr && left == address(b);
}

bool identical(const Value& a, const Value& b) {
  if (a.storage().index() != b.storage().index()) return false;
  if (a.is_none()) return true;
  if (const bool* x = a.get<bool>()) return *x == *b.get<bool>();
  if (const int64_t* x = a.get<int64_t>()) return *x == *b.get<int64_t>();
  if (const double* x = a.get<double>()) return *x == *b.get<double>();
  if (const Undefined* x = a.get<Undefined>()) return x->message == b.get<Undefined>()->message;
  return address(a) == address(b);
}

bool ordered(const Value& a, const Value& b, std::string_view op, Budget& budget) {
  budget.step();
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) return compare_numbers(wide(a), wide(b), op);
  if (a.is_string() && b.is_string()) {
    budget.step(std::min(a.string()->bytes.size(), b.string()->bytes.size()) / 64);
    // The order of UTF-8 bytes is the order of code points.
    return compare_lengths(a.string()->bytes.compare(b.string()->bytes), 0, op);
  }
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
    return ordered_sequences(*a.sequence(), *b.sequence(), op, budget);
  }
  type_error(fmt::format("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b)));
}

std::string repr_string(std::string_view text) {
  const bool single = text.find('\'') == text.npos || text.find('"') != text.npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    const char32_t c = step.code_point;
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += text.substr(0, static_cast<size_t>(step.length));
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
    text.remove_prefix(static_cast<size_t>(step.length));
  }
  out += quote;
  return out;
}

std::string repr_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  // The shortest digits that read back as the same double: "1.2345e+02".
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t digits_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + digits_at, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  std::string out = std::signbit(value) ? "-" : "";
  const int count = static_cast<int>(digits.size());
  // float.__repr__ writes an exponent below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += '.' + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (exponent >= count - 1) {
    return out + digits + std::string(static_cast<size_t>(exponent - count + 1), '0') + ".0";
  }
  const auto point = static_cast<size_t>(exponent + 1);
  return out + digits.substr(0, point) + '.' + digits.substr(point);
}

void append_repr(std::string& out, const Value& value, Budget& budget) {
  const DepthGuard guard(budget);
  budget.step();
  const size_t before = out.size();
  if (value.is_none()) {
    out += "None";
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else if (const bool* b = value.get<bool>()) {
    out += *b ? "True" : "False";
  } else if (const int64_t* i = value.get<int64_t>()) {
    out += std::to_string(*i);
  } else if (const double* d = value.get<double>()) {
    out += repr_float(*d);
  } else if (const Text* text = value.string()) {
    out += repr_string(text->bytes);
  } else if (value.is_list()) {
    out += '[';
    append_joined(out, value.sequence()->items, budget);
    out += ']';
    return;
  } else if (value.is_tuple()) {
    return append_tuple(out, *value.sequence(), budget);
  } else if (const Dict* dict = value.dict_value()) {
    return append_dict(out, *dict, budget);
  } else if (const View* view = value.view()) {
    return append_view(out, *view, budget);
  } else if (const Range* range = value.range()) {
    out += range->step == 1 ? fmt::format("range({}, {})", range->start, range->stop)
                            : fmt::format("range({}, {}, {})", range->start, range->stop, range->step);
  } else if (const Method* method = value.method()) {
    out += fmt::format("<built-in method {} of {} object>", method->name, type_name(method->self));
  } else {
    return value.object()->append_repr(out, budget);
  }
  budget.take(out.size() - before);
}

std::string repr(const Value& value, Budget& budget) {
  std::string out;
  append_repr(out, value, budget);
  return out;
}

std::string str(const Value& value, Budget& budget) {
  if (const Text* text = value.string()) {
    budget.take(text->bytes.size());
    return text->bytes;
  }
  if (value.is_undefined()) return {};
  return repr(value, budget);
}

void fail_undefined(const Value& value) {
  const Undefined* undefined = value.get<Undefined>();
  fail(undefined->security ? FaultKind::kSecurity : FaultKind::kUndefined, *undefined->message);
}

}  // namespace linnet::jinja
