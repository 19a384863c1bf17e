#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

[[noreturn]] void overflow(std::string_view op) {
  fail(FaultKind::kUnsupported, fmt::format("integer overflow in {}: the result does not fit 64 bits", op));
}

[[noreturn]] void unsupported(std::string_view op, const Value& a, const Value& b) {
  type_error(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op, type_name(a), type_name(b)));
}

[[noreturn]] void division_by_zero(std::string_view what) {
  value_error(std::string(what));
}

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) division_by_zero("integer division or modulo by zero");
  if (a == INT64_MIN && b == -1) overflow("//");
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t floor_modulo(int64_t a, int64_t b) {
  if (b == 0) division_by_zero("integer modulo by zero");
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// CPython's float_divmod: the remainder has the sign of b, and the quotient is exact to one unit.
std::pair<double, double> divide_modulo(double a, double b) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (quotient == 0) return {std::copysign(0.0, a / b), rest};
  double whole = std::floor(quotient);
  if (quotient - whole > 0.5) whole += 1;
  return {whole, rest};
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) division_by_zero("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow("**");
    exponent >>= 1;
    if (exponent == 0) return Value::integer(result);
    if (__builtin_mul_overflow(base, base, &base)) overflow("**");
  }
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) division_by_zero("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && exponent != std::floor(exponent)) {
    fail(FaultKind::kUnsupported, "complex numbers are not supported");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) {
    value_error("(34, 'Numerical result out of range')");
  }
  return Value::real(result);
}

Value integer_operation(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) overflow(op);
    return Value::integer(result);
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) overflow(op);
    return Value::integer(result);
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) overflow(op);
    return Value::integer(result);
  }
  if (op == "/") {
    if (b == 0) division_by_zero("division by zero");
    return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
  }
  if (op == "//") return Value::integer(floor_divide(a, b));
  if (op == "%") return Value::integer(floor_modulo(a, b));
  return integer_power(a, b);
}

Value float_operation(const std::string& op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") return float_power(a, b);
  if (b == 0) {
    division_by_zero(op == "/"    ? "float division by zero"
                     : op == "//" ? "float floor division by zero"
                                  : "float modulo");
  }
  if (op == "/") return Value::real(a / b);
  const auto [quotient, rest] = divide_modulo(a, b);
  return Value::real(op == "//" ? quotient : rest);
}

Value repeat(const Value& value, int64_t count, Interpreter& in) {
  const auto times = static_cast<uint64_t>(std::max<int64_t>(0, count));
  const auto total = [&](size_t size) {
    uint64_t result = 0;
    if (__builtin_mul_overflow(times, static_cast<uint64_t>(size), &result)) result = UINT64_MAX;
    return result;
  };
  if (const Text* text = value.string()) {
    in.budget().take(total(text->bytes.size()));
    std::string out;
    out.reserve(text->bytes.size() * times);
    for (uint64_t i = 0; i < times && !text->bytes.empty(); ++i) out += text->bytes;
    return Value::text(std::move(out));
  }
  const std::vector<Value>& items = value.sequence()->items;
  in.budget().take(total(items.size() * sizeof(Value)));
  std::vector<Value> out;
  out.reserve(items.size() * times);
  for (uint64_t i = 0; i < times && !items.empty(); ++i) out.insert(out.end(), items.begin(), items.end());
  return value.is_list() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.sequence() != nullptr;
}

Value add(const Value& a, const Value& b, Interpreter& in) {
  const Text* left = a.string();
  const Text* right = b.string();
  if (left && right) {
    in.budget().take(left->bytes.size() + right->bytes.size());
    return Value::text(left->bytes + right->bytes);
  }
  if (left) type_error(fmt::format("can only concatenate str (not \"{}\") to str", type_name(b)));
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
    std::vector<Value> items = a.sequence()->items;
    const std::vector<Value>& more = b.sequence()->items;
    in.budget().take((items.size() + more.size()) * sizeof(Value));
    items.insert(items.end(), more.begin(), more.end());
    return a.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }
  if (a.sequence()) {
    type_error(fmt::format("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b)));
  }
  unsupported("+", a, b);
}

bool in_view(const View& view, const Value& item, Interpreter& in) {
  if (view.kind == View::Kind::kKeys) return view.dict->find(item, in.budget()) != nullptr;
  for (const auto& [key, value] : view.dict->items) {
    if (view.kind == View::Kind::kValues) {
      if (equals(value, item, in.budget())) return true;
    } else if (equals(Value::tuple({key, value}), item, in.budget())) {
      return true;
    }
  }
  return false;
}

bool in_range(const Range& range, const Value& item) {
  const std::optional<double> number = item.number_value();
  if (!number || (item.is_float() && *number != std::floor(*number))) return false;
  if (item.is_float() && std::abs(*number) > 9e15) return false;
  const int64_t value = item.is_float() ? static_cast<int64_t>(*number) : *item.integer_value();
  const int64_t size = range.size();
  if (size == 0) return false;
  const int64_t low = std::min(range.start, range.at(size - 1));
  const int64_t high = std::max(range.start, range.at(size - 1));
  return value >= low && value <= high && (value - range.start) % range.step == 0;
}

// Python's slice.indices: where to begin, how far to step, and how many items.
struct Indices {
  int64_t start, step, count;
};

int64_t slice_number(const Value& value) {
  if (value.is_undefined()) {
    type_error("slice indices must be integers or None or have an __index__ method");
  }
  const std::optional<int64_t> number = value.integer_value();
  if (!number) type_error("slice indices must be integers or None or have an __index__ method");
  return *number;
}

Indices slice_indices(int64_t size, const Value& start, const Value& stop, const Value& step) {
  const int64_t stride = step.is_none() ? 1 : std::max<int64_t>(slice_number(step), -INT64_MAX);
  if (stride == 0) value_error("slice step cannot be zero");
  const int64_t low = stride > 0 ? 0 : -1;
  const int64_t high = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& value, int64_t fallback) {
    if (value.is_none()) return fallback;
    const int64_t number = slice_number(value);
    // A negative one counts from the end; below -size it is before the beginning.
    return number < 0 ? (number < -size ? low : std::max(number + size, low)) : std::min(number, high);
  };
  const int64_t first = bound(start, stride > 0 ? 0 : size - 1);
  const int64_t last = bound(stop, stride > 0 ? size : -1);
  const Range range{first, last, stride};
  return {first, stride, range.size()};
}

Value slice_text(const Text& text, const Indices& at, Interpreter& in) {
  in.budget().step(text.bytes.size() / 64);
  if (text.ascii() && at.step == 1) {
    return in.text(text.bytes.substr(static_cast<size_t>(at.start), static_cast<size_t>(at.count)));
  }
  const std::u32string points = decode(text.bytes);
  in.budget().take(points.size() * sizeof(char32_t));
  std::u32string out;
  for (int64_t i = 0; i < at.count; ++i) out += points[static_cast<size_t>(at.start + i * at.step)];
  return in.text(encode(out));
}

std::optional<int64_t> checked_index(const Value& key, int64_t size) {
  const std::optional<int64_t> index = key.integer_value();
  if (!index || *index >= size || *index < -size) return std::nullopt;
  return *index < 0 ? *index + size : *index;
}

Value character(const Text& text, int64_t index, Interpreter& in) {
  if (text.ascii()) return Value::text(std::string(1, text.bytes[static_cast<size_t>(index)]));
  in.budget().step(text.bytes.size() / 16);
  size_t at = 0;
  const auto continues = [&](size_t i) {
    return i < text.bytes.size() && (static_cast<unsigned char>(text.bytes[i]) & 0xC0) == 0x80;
  };
  for (int64_t skipped = 0; skipped < index; ++skipped) {
    do ++at;
    while (continues(at));
  }
  size_t end = at + 1;
  while (continues(end)) ++end;
  return Value::text(text.bytes.substr(at, end - at));
}

}  // namespace

Value binary_operation(const std::string& op, const Value& a, const Value& b, Interpreter& in) {
  if (op == "%" && a.is_string()) return in.text(format_percent(*a.string(), b, in));
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  const std::optional<int64_t> x = a.integer_value();
  const std::optional<int64_t> y = b.integer_value();
  if (x && y) return integer_operation(op, *x, *y);
  if (a.is_number() && b.is_number()) return float_operation(op, *a.number_value(), *b.number_value());
  if (op == "+") return add(a, b, in);
  if (op == "*") {
    if (is_repeatable(a) && y) return repeat(a, *y, in);
    if (is_repeatable(b) && x) return repeat(b, *x, in);
    if (is_repeatable(a)) type_error(fmt::format("can't multiply sequence by non-int of type '{}'", type_name(b)));
    if (is_repeatable(b)) type_error(fmt::format("can't multiply sequence by non-int of type '{}'", type_name(a)));
  }
  unsupported(op == "**" ? "** or pow()" : op, a, b);
}

bool contains(const Value& container, const Value& item, Interpreter& in) {
  in.budget().step();
  if (const Text* text = container.string()) {
    const Text* part = item.string();
    if (!part) {
      type_error(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    in.budget().step((text->bytes.size() + part->bytes.size()) / 16);
    return find_text(text->bytes, part->bytes) != std::string::npos;
  }
  if (const Sequence* sequence = container.sequence()) {
    return std::ranges::any_of(
        sequence->items, [&](const Value& one) { return identical(one, item) || equals(one, item, in.budget()); });
  }
  if (const Dict* dict = container.dict_value()) return dict->find(item, in.budget()) != nullptr;
  if (const View* view = container.view()) return in_view(*view, item, in);
  if (const Range* range = container.range()) return in_range(*range, item);
  if (!container.is_undefined() && !container.object_as<Iterator>() && !container.object_as<Loop>()) {
    type_error(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  Iterator* iterator = in.iterate(container);
  while (const std::optional<Value> one = in.pull(*iterator)) {
    if (equals(*one, item, in.budget())) return true;
  }
  return false;
}

std::optional<int64_t> length_of(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const Text* text = value.string()) return text->length;
  if (const Sequence* sequence = value.sequence()) return static_cast<int64_t>(sequence->items.size());
  if (const Dict* dict = value.dict_value()) return static_cast<int64_t>(dict->items.size());
  if (const View* view = value.view()) return static_cast<int64_t>(view->dict->items.size());
  if (const Range* range = value.range()) return range->size();
  if (auto* loop = value.object_as<Loop>()) return loop->length();
  return std::nullopt;
}

std::optional<Value> subscript(const Value& object, const Value& key, Interpreter& in) {
  if (const Dict* dict = object.dict_value()) {
    try {
      const Value* item = dict->find(key, in.budget());
      return item ? std::optional(*item) : std::nullopt;
    } catch (const Fault& fault) {
      if (fault.kind != FaultKind::kType) throw;
      return std::nullopt;  // unhashable: jinja2 takes that for absent
    }
  }
  if (const Sequence* sequence = object.sequence()) {
    const auto index = checked_index(key, static_cast<int64_t>(sequence->items.size()));
    return index ? std::optional(sequence->items[static_cast<size_t>(*index)]) : std::nullopt;
  }
  if (const Text* text = object.string()) {
    const auto index = checked_index(key, text->length);
    return index ? std::optional(character(*text, *index, in)) : std::nullopt;
  }
  if (const Range* range = object.range()) {
    const auto index = checked_index(key, range->size());
    return index ? std::optional(Value::integer(range->at(*index))) : std::nullopt;
  }
  return std::nullopt;
}

Value slice(const Value& object, const Value& start, const Value& stop, const Value& step, Interpreter& in) {
  if (object.is_undefined()) fail_undefined(object);
  if (const Text* text = object.string()) {
    return slice_text(*text, slice_indices(text->length, start, stop, step), in);
  }
  if (const Sequence* sequence = object.sequence()) {
    const Indices at = slice_indices(static_cast<int64_t>(sequence->items.size()), start, stop, step);
    in.budget().take(static_cast<uint64_t>(at.count) * sizeof(Value));
    std::vector<Value> out;
    for (int64_t i = 0; i < at.count; ++i) out.push_back(sequence->items[static_cast<size_t>(at.start + i * at.step)]);
    return object.is_list() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
  }
  if (const Range* range = object.range()) {
    const Indices at = slice_indices(range->size(), start, stop, step);
    const Range part{range->at(at.start), range->at(at.start + at.count * at.step), range->step * at.step};
    return Value(Value::Storage(std::make_shared<const Range>(part)));
  }
  if (object.is_dict()) type_error("unhashable type: 'slice'");
  type_error(fmt::format("'{}' object is not subscriptable", type_name(object)));
}

}  // namespace linnet::jinja
