#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>

#include "text/jinja/interpreter.hpp"

namespace linnet::jinja {

namespace {

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

Value bound_method(const Value& self, const std::string& name) {
  if (self.depth() >= kMaxValueDepth) fail(FaultKind::kLimit, "values are nested too deep");
  return Value(Value::Storage(std::make_shared<const Method>(Method{self, name})));
}

std::optional<Value> loop_field(Loop& loop, const Value& self, const std::string& name) {
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(!loop.peek());
  if (name == "length") return Value::integer(loop.length());
  if (name == "revindex0") return Value::integer(loop.length() - loop.index0 - 1);
  if (name == "revindex") return Value::integer(loop.length() - loop.index0);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "previtem") return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
  if (name == "nextitem") {
    const std::optional<Value>& next = loop.peek();
    return next ? *next : Value::undefined("there is no next item");
  }
  if (one_of(name, {"cycle", "changed"})) return bound_method(self, name);
  return std::nullopt;
}

std::optional<Value> macro_field(const Macro& macro, const std::string& name, Interpreter& in) {
  if (name == "name") return macro.name.empty() ? Value() : in.text(macro.name);
  if (name == "catch_kwargs") return Value::boolean(macro.signature->uses_kwargs);
  if (name == "catch_varargs") return Value::boolean(macro.signature->uses_varargs);
  if (name == "caller") return Value::boolean(macro.signature->uses_caller);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names;
  for (const std::string& one : macro.signature->names) names.push_back(in.text(one));
  return in.tuple(std::move(names));
}

std::optional<Value> number_field(const Value& number, const std::string& name) {
  if (name == "real") return number.is_bool() ? Value::integer(*number.integer_value()) : number;
  if (name == "imag") return number.is_float() ? Value::real(0) : Value::integer(0);
  if (number.is_float()) return name == "is_integer" ? std::optional(bound_method(number, name)) : std::nullopt;
  if (name == "numerator") return Value::integer(*number.integer_value());
  if (name == "denominator") return Value::integer(1);
  if (name == "bit_length") return bound_method(number, name);
  return std::nullopt;
}

std::optional<Value> object_field(const Value& self, const std::string& name, Interpreter& in) {
  if (auto* loop = self.object_as<Loop>()) return loop_field(*loop, self, name);
  if (const auto* macro = self.object_as<Macro>()) return macro_field(*macro, name, in);
  if (const auto* space = self.object_as<Namespace>()) {
    const Value* value = space->attributes.find(name);
    return value ? std::optional(*value) : std::nullopt;
  }
  if (const auto* cycler = self.object_as<Cycler>()) {
    if (name == "current") return cycler->items[cycler->position];
    if (one_of(name, {"next", "reset"})) return bound_method(self, name);
  }
  if (const auto* builtin = self.object_as<Builtin>()) {
    if (builtin->name == "dict" && name == "fromkeys") return bound_method(self, name);
  }
  return std::nullopt;
}

Value dict_from_keys(const Args& args, Interpreter& in) {
  const Bound bound("fromkeys", args, {"", ""}, 1);
  Dict dict;
  for (Value& key : in.collect(bound[0])) dict.set(std::move(key), bound.has(1) ? bound[1] : Value(), in.budget());
  return in.dict(std::move(dict));
}

Value call_object_method(const Method& method, const Args& args, Interpreter& in) {
  if (auto* loop = method.self.object_as<Loop>()) {
    if (!args.named.empty()) type_error(fmt::format("{}() takes no keyword arguments", method.name));
    if (method.name == "cycle") {
      if (args.positional.empty()) type_error("no items for cycling given");
      return args.positional[static_cast<size_t>(std::max<int64_t>(0, loop->index0)) % args.positional.size()];
    }
    Value now = in.tuple(args.positional);
    const bool changed = !loop->last_changed || !equals(*loop->last_changed, now, in.budget());
    if (changed) loop->last_changed = std::move(now);
    return Value::boolean(changed);
  }
  if (auto* cycler = method.self.object_as<Cycler>()) {
    const Bound bound(method.name, args, {});
    if (method.name == "reset") {
      cycler->position = 0;
      return {};
    }
    const Value current = cycler->items[cycler->position];
    cycler->position = (cycler->position + 1) % cycler->items.size();
    return current;
  }
  return dict_from_keys(args, in);
}

Value make_view(const Value& self, View::Kind kind, const Args& args) {
  const Bound bound("dict view", args, {});
  View view{kind, *self.get<std::shared_ptr<const Dict>>()};
  return Value(Value::Storage(std::make_shared<const View>(std::move(view))));
}

Value call_dict_method(const Value& self, const std::string& name, const Args& args, Interpreter& in) {
  if (name == "items") return make_view(self, View::Kind::kItems, args);
  if (name == "keys") return make_view(self, View::Kind::kKeys, args);
  if (name == "values") return make_view(self, View::Kind::kValues, args);
  if (name == "fromkeys") return dict_from_keys(args, in);
  if (name == "copy") return self;
  const Bound bound("get", args, {"", ""}, 1);
  const Value* value = self.dict_value()->find(bound[0], in.budget());
  if (value) return *value;
  return bound.has(1) ? bound[1] : Value();
}

Value call_sequence_method(const Value& self, const std::string& name, const Args& args, Interpreter& in) {
  if (name == "copy") return self;
  const Bound bound(name, args, {"", "", ""}, 1);
  const std::vector<Value>& items = self.sequence()->items;
  const auto same = [&](const Value& item) { return identical(item, bound[0]) || equals(item, bound[0], in.budget()); };
  if (name == "count") return Value::integer(std::ranges::count_if(items, same));
  const auto size = static_cast<int64_t>(items.size());
  const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  const int64_t end = clamp(bound.integer(2, size));
  for (int64_t i = clamp(bound.integer(1, 0)); i < end; ++i) {
    if (same(items[static_cast<size_t>(i)])) return Value::integer(i);
  }
  value_error(fmt::format("{} is not in {}", repr(bound[0], in.budget()), type_name(self)));
}

Value call_range_method(const Value& self, const std::string& name, const Args& args, Interpreter& in) {
  const Bound bound(name, args, {""}, 1);
  const bool found = contains(self, bound[0], in);
  if (name == "count") return Value::integer(found ? 1 : 0);
  if (!found) value_error(fmt::format("{} is not in range", repr(bound[0], in.budget())));
  return Value::integer((static_cast<int64_t>(*bound[0].number_value()) - self.range()->start) / self.range()->step);
}

Value call_number_method(const Value& self, const Args& args) {
  const Bound bound("number method", args, {});
  if (const double* value = self.get<double>()) {
    return Value::boolean(std::isfinite(*value) && *value == std::floor(*value));
  }
  const int64_t value = *self.integer_value();
  const uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  return Value::integer(std::bit_width(magnitude));
}

}  // namespace

bool is_mutating_method(const Value& object, std::string_view name) {
  if (object.is_dict()) return one_of(name, {"clear", "pop", "popitem", "setdefault", "update"});
  if (object.is_list()) {
    return one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"});
  }
  return false;
}

std::optional<Value> find_attribute(const Value& object, const std::string& name, Interpreter& in) {
  bool method = false;
  if (object.is_string()) {
    method = is_string_method(name);
  } else if (object.is_dict()) {
    method = one_of(name, {"get", "items", "keys", "values", "copy", "fromkeys"});
  } else if (object.is_list()) {
    method = one_of(name, {"count", "index", "copy"});
  } else if (const Sequence* tuple = object.sequence()) {
    if (tuple->group && name == "grouper") return tuple->items[0];
    if (tuple->group && name == "list") return tuple->items[1];
    method = one_of(name, {"count", "index"});
  } else if (const Range* range = object.range()) {
    if (name == "start") return Value::integer(range->start);
    if (name == "stop") return Value::integer(range->stop);
    if (name == "step") return Value::integer(range->step);
    method = one_of(name, {"count", "index"});
  } else if (object.is_number()) {
    return number_field(object, name);
  } else if (object.object()) {
    return object_field(object, name, in);
  }
  return method ? std::optional(bound_method(object, name)) : std::nullopt;
}

Value call_method(const Method& method, const Args& args, Interpreter& in) {
  const Value& self = method.self;
  if (const Text* text = self.string()) return call_string_method(*text, method.name, args, in);
  if (self.is_dict()) return call_dict_method(self, method.name, args, in);
  if (self.sequence()) return call_sequence_method(self, method.name, args, in);
  if (self.range()) return call_range_method(self, method.name, args, in);
  if (self.object()) return call_object_method(method, args, in);
  return call_number_method(self, args);
}

}  // namespace linnet::jinja
