// Jinja's tests: what may follow `is`.
#include <algorithm>
#include <fmt/format.h>

#include "text/jinja/interpreter.hpp"

namespace linnet::jinja {

namespace {

bool no_arguments(const Args& args) {
  const Bound bound("test", args, {});
  return true;
}

template <class T>
bool holds(const Value& value) {
  return value.get<T>() != nullptr;
}

int64_t remainder(Interpreter& in, const Value& value, const Value& divisor, bool& whole) {
  const Value rest = binary_operation("%", value, divisor, in);
  const std::optional<double> number = rest.number_value();
  whole = number.has_value();
  return number && (*number == 0 || *number == 1) ? static_cast<int64_t>(*number) : 2;
}

bool odd(Interpreter& in, const Value& value, const Args& args) {
  bool whole = false;
  return no_arguments(args) && remainder(in, value, Value::integer(2), whole) == 1 && whole;
}

bool even(Interpreter& in, const Value& value, const Args& args) {
  bool whole = false;
  return no_arguments(args) && remainder(in, value, Value::integer(2), whole) == 0 && whole;
}

bool divisible(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("divisibleby", args, {"num"}, 1);
  bool whole = false;
  return remainder(in, value, bound[0], whole) == 0 && whole;
}

bool defined(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && !value.is_undefined();
}

bool undefined(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_undefined();
}

bool is_filter(Interpreter& in, const Value& value, const Args& args) {
  require_hashable(value, in.budget());
  return no_arguments(args) && value.is_string() && find_filter(value.string()->bytes) != nullptr;
}

bool is_test(Interpreter& in, const Value& value, const Args& args) {
  require_hashable(value, in.budget());
  return no_arguments(args) && value.is_string() && find_test(value.string()->bytes) != nullptr;
}

bool none(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_none();
}

bool boolean(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_bool();
}

template <bool kWanted>
bool exactly(Interpreter& /*in*/, const Value& value, const Args& args) {
  const bool* b = value.get<bool>();
  return no_arguments(args) && b && *b == kWanted;
}

bool integer(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && holds<int64_t>(value);
}

bool real(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_float();
}

bool number(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_number();
}

template <bool kLower>
bool cased(Interpreter& in, const Value& value, const Args& args) {
  const Text text(in.str(value));
  return no_arguments(args) && truthy(call_string_method(text, kLower ? "islower" : "isupper", {}, in));
}

bool string(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_string();
}

bool mapping(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) && value.is_dict();
}

bool sequence(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) &&
         (value.is_string() || value.sequence() || value.is_dict() || value.range() || value.is_undefined());
}

bool iterable(Interpreter& /*in*/, const Value& value, const Args& args) {
  return no_arguments(args) &&
         (value.is_string() || value.sequence() || value.is_dict() || value.range() || value.view() ||
          value.is_undefined() || value.object_as<Iterator>() || value.object_as<Loop>());
}

bool callable(Interpreter& /*in*/, const Value& value, const Args& args) {
  // Undefined, too, has a __call__, although it only ever fails.
  return no_arguments(args) && (value.is_undefined() || value.method() || value.object_as<Macro>() ||
                                value.object_as<Builtin>() || value.object_as<Joiner>() || value.object_as<Loop>());
}

bool same_as(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("sameas", args, {"other"}, 1);
  return identical(value, bound[0]);
}

bool is_escaped(Interpreter& /*in*/, const Value& /*value*/, const Args& args) {
  return !no_arguments(args);
}

bool is_in(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("in", args, {"seq"}, 1);
  return contains(bound[0], value, in);
}

template <bool kEqual>
bool compared(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("eq", args, {""}, 1);
  return equals(value, bound[0], in.budget()) == kEqual;
}

bool less_than(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("lt", args, {""}, 1);
  return ordered(value, bound[0], "<", in.budget());
}

bool less_or_equal(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("le", args, {""}, 1);
  return ordered(value, bound[0], "<=", in.budget());
}

bool greater_than(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("gt", args, {""}, 1);
  return ordered(value, bound[0], ">", in.budget());
}

bool greater_or_equal(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("ge", args, {""}, 1);
  return ordered(value, bound[0], ">=", in.budget());
}

struct NamedTest {
  std::string_view name;
  Test run;
};

constexpr NamedTest kTests[] = {
    {"odd", odd},
    {"even", even},
    {"divisibleby", divisible},
    {"defined", defined},
    {"undefined", undefined},
    {"filter", is_filter},
    {"test", is_test},
    {"none", none},
    {"boolean", boolean},
    {"false", exactly<false>},
    {"true", exactly<true>},
    {"integer", integer},
    {"float", real},
    {"lower", cased<true>},
    {"upper", cased<false>},
    {"string", string},
    {"mapping", mapping},
    {"number", number},
    {"sequence", sequence},
    {"iterable", iterable},
    {"callable", callable},
    {"sameas", same_as},
    {"escaped", is_escaped},
    {"in", is_in},
    {"==", compared<true>},
    {"eq", compared<true>},
    {"equalto", compared<true>},
    {"!=", compared<false>},
    {"ne", compared<false>},
    {">", greater_than},
    {"gt", greater_than},
    {"greaterthan", greater_than},
    {"ge", greater_or_equal},
    {">=", greater_or_equal},
    {"<", less_than},
    {"lt", less_than},
    {"lessthan", less_than},
    {"<=", less_or_equal},
    {"le", less_or_equal},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto* at = std::ranges::find(kTests, name, &NamedTest::name);
  return at == std::end(kTests) ? nullptr : at->run;
}

bool is_test_name(std::string_view name) {
  return find_test(name) != nullptr;
}

}  // namespace linnet::jinja
