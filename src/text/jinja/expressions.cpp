#include <algorithm>
#include <fmt/format.h>

#include "text/jinja/interpreter.hpp"

namespace linnet::jinja {

Bound::Bound(std::string_view function, const Args& args, std::initializer_list<std::string_view> parameters,
             size_t required)
    : function_(function), values_(parameters.size(), nullptr) {
  if (args.positional.size() > parameters.size()) {
    type_error(
        fmt::format("{}() takes at most {} arguments ({} given)", function, parameters.size(), args.positional.size()));
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto* at = std::ranges::find(parameters, std::string_view(name));
    if (at == parameters.end() || name.empty()) {
      type_error(fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    }
    const auto index = static_cast<size_t>(at - parameters.begin());
    if (values_[index]) type_error(fmt::format("{}() got multiple values for argument '{}'", function, name));
    values_[index] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) {
      type_error(fmt::format("{}() missing required argument '{}' (pos {})", function, parameters.begin()[i], i + 1));
    }
  }
}

int64_t Bound::integer(size_t i, int64_t fallback) const {
  if (!has(i)) return fallback;
  if (values_[i]->is_undefined()) fail_undefined(*values_[i]);
  const std::optional<int64_t> value = values_[i]->integer_value();
  if (!value) {
    type_error(fmt::format("{}(): '{}' object cannot be interpreted as an integer", function_, type_name(*values_[i])));
  }
  return *value;
}

Value Interpreter::eval(const Expr& expr) {
  const DepthGuard guard(budget_);
  budget_.step();
  line_ = expr.line;
  switch (expr.kind) {
    case Expr::Kind::kConst:
      return expr.constant;
    case Expr::Kind::kName:
      return lookup(expr);
    case Expr::Kind::kTuple:
      return tuple(eval_items(expr.items));
    case Expr::Kind::kList:
      return list(eval_items(expr.items));
    case Expr::Kind::kDict:
      return eval_dict(expr);
    case Expr::Kind::kUnary:
      return eval_unary(expr);
    case Expr::Kind::kBinary:
      return eval_binary(expr);
    case Expr::Kind::kConcat:
      return eval_concat(expr);
    case Expr::Kind::kCompare:
      return eval_compare(expr);
    case Expr::Kind::kCondition:
      return eval_condition(expr);
    case Expr::Kind::kGetattr:
      return getattr(eval(*expr.items[0]), expr.name);
    case Expr::Kind::kGetitem:
      return eval_getitem(expr);
    case Expr::Kind::kCall:
      return eval_call(expr);
    case Expr::Kind::kFilter:
      return eval_filter(expr);
    case Expr::Kind::kTest: {
      const Value value = eval(*expr.items[0]);
      const Args args = eval_args(expr);
      line_ = expr.line;
      return Value::boolean(call_test(expr.name, value, args));
    }
    case Expr::Kind::kSlice:
      fail(FaultKind::kUnsupported, "a slice among several subscripts");
    case Expr::Kind::kAttribute:
      break;
  }
  fail(FaultKind::kRuntime, "not an expression");
}

Value Interpreter::lookup(const Expr& expr) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    budget_.step(1 + expr.name.size() / 64);
    const auto at = scope->variables.find(expr.name);
    if (at != scope->variables.end()) return at->second;
  }
  const auto at = globals_.find(expr.name);
  if (at != globals_.end()) return Value::object(at->second);
  if (expr.name == "self") fail(FaultKind::kUnsupported, "self, the blocks of a template, is not supported");
  return Value::undefined(fmt::format("'{}' is undefined", expr.name));
}

std::vector<Value> Interpreter::eval_items(const std::vector<ExprPtr>& items) {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const ExprPtr& item : items) values.push_back(eval(*item));
  return values;
}

Value Interpreter::eval_dict(const Expr& expr) {
  Dict out;
  for (size_t i = 0; i < expr.items.size(); i += 2) {
    Value key = eval(*expr.items[i]);
    out.set(std::move(key), eval(*expr.items[i + 1]), budget_);
  }
  return dict(std::move(out));
}

Value Interpreter::eval_unary(const Expr& expr) {
  const Value value = eval(*expr.items[0]);
  if (expr.name == "not") return Value::boolean(!truthy(value));
  if (value.is_undefined()) fail_undefined(value);
  if (const std::optional<int64_t> i = value.integer_value()) {
    if (expr.name == "+") return Value::integer(*i);
    if (*i == INT64_MIN) fail(FaultKind::kUnsupported, "integer overflow in unary -");
    return Value::integer(-*i);
  }
  if (const double* d = value.get<double>()) return Value::real(expr.name == "+" ? *d : -*d);
  type_error(fmt::format("bad operand type for unary {}: '{}'", expr.name, type_name(value)));
}

Value Interpreter::eval_binary(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  if (expr.name == "and") return truthy(left) ? eval(*expr.items[1]) : left;
  if (expr.name == "or") return truthy(left) ? left : eval(*expr.items[1]);
  const Value right = eval(*expr.items[1]);
  line_ = expr.line;
  return binary_operation(expr.name, left, right, *this);
}

Value Interpreter::eval_concat(const Expr& expr) {
  std::string out;
  for (const Value& value : eval_items(expr.items)) out += str(value);
  return text(std::move(out));
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = eval(*expr.items[i + 1]);
    const std::string& op = expr.operators[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = equals(left, right, budget_) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = contains(right, left, *this) == (op == "in");
    } else {
      holds = ordered(left, right, op, budget_);
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::eval_condition(const Expr& expr) {
  if (truthy(eval(*expr.items[0]))) return eval(*expr.items[1]);
  if (expr.items[2]) return eval(*expr.items[2]);
  return Value::undefined(fmt::format(
      "the inline if-expression on line {} evaluated to false and no else section was defined.", expr.line));
}

Value Interpreter::eval_getitem(const Expr& expr) {
  const Value object = eval(*expr.items[0]);
  const Expr& key = *expr.items[1];
  if (key.kind == Expr::Kind::kSlice) return eval_slice(object, key);
  return getitem(object, eval(key));
}

Value Interpreter::eval_slice(const Value& object, const Expr& expr) {
  const auto part = [&](const ExprPtr& item) { return item ? eval(*item) : Value(); };
  const Value start = part(expr.items[0]);
  const Value stop = part(expr.items[1]);
  const Value step = part(expr.items[2]);
  return slice(object, start, stop, step, *this);
}

Args Interpreter::eval_args(const Expr& expr) {
  Args args;
  args.positional = eval_items(expr.arguments);
  for (const auto& [name, value] : expr.keywords) args.named.emplace_back(name, eval(*value));
  if (expr.star_arguments) {
    for (Value& value : collect(eval(*expr.star_arguments))) args.positional.push_back(std::move(value));
  }
  if (expr.star_keywords) {
    const Value mapping = eval(*expr.star_keywords);
    if (!mapping.is_dict()) type_error(fmt::format("argument after ** must be a mapping, not {}", type_name(mapping)));
    for (const auto& [key, value] : mapping.dict_value()->items) {
      if (!key.is_string()) type_error("keywords must be strings");
      const auto same = [&](const auto& one) { return one.first == key.string()->bytes; };
      if (std::ranges::any_of(args.named, same)) {
        type_error(fmt::format("got multiple values for keyword argument '{}'", key.string()->bytes));
      }
      budget_.take(sizeof(Value));
      args.named.emplace_back(key.string()->bytes, value);
    }
  }
  return args;
}

Value Interpreter::eval_call(const Expr& expr, const Value* caller) {
  const Value callee = eval(*expr.items[0]);
  Args args = eval_args(expr);
  if (caller) args.named.emplace_back("caller", *caller);
  line_ = expr.line;
  return call(callee, std::move(args));
}

Value Interpreter::eval_filter(const Expr& expr, const Value* block) {
  const DepthGuard guard(budget_);
  // A chain of filters over a block begins with the block's text.
  const auto input = [&]() -> Value {
    if (!expr.items[0]) return *block;
    return block && expr.items[0]->kind == Expr::Kind::kFilter ? eval_filter(*expr.items[0], block)
                                                               : eval(*expr.items[0]);
  };
  const Value value = input();
  const Args args = eval_args(expr);
  line_ = expr.line;
  return call_filter(expr.name, value, args);
}

Value Interpreter::call(const Value& callee, Args args) {
  if (callee.is_undefined()) fail_undefined(callee);
  if (const Method* method = callee.method()) return call_method(*method, args, *this);
  if (const auto* macro = callee.object_as<Macro>()) return call_macro(*macro, std::move(args));
  if (const auto* builtin = callee.object_as<Builtin>()) return builtin->run(*this, args);
  if (auto* loop = callee.object_as<Loop>()) {
    const Bound bound("loop", args, {"iterable"}, 1);
    return call_recursive_loop(*loop, bound[0]);
  }
  if (auto* joiner = callee.object_as<Joiner>()) {
    const Bound bound("joiner", args, {});
    return std::exchange(joiner->used, true) ? joiner->separator : Value::text("");
  }
  type_error(fmt::format("'{}' object is not callable", type_name(callee)));
}

Value Interpreter::call_filter(const std::string& name, const Value& value, const Args& args) {
  const Filter filter = find_filter(name);
  if (!filter) fail(FaultKind::kRuntime, fmt::format("No filter named '{}'.", name));
  const DepthGuard guard(budget_);
  return filter(*this, value, args);
}

bool Interpreter::call_test(const std::string& name, const Value& value, const Args& args) {
  const Test test = find_test(name);
  if (!test) fail(FaultKind::kRuntime, fmt::format("No test named '{}'.", name));
  return test(*this, value, args);
}

namespace {

Value hidden(const Value& object, const std::string& name) {
  return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)),
                          true);
}

// Python gives every object these; the sandbox hides them.
bool is_internal_name(const std::string& name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

// The attribute as the sandbox shows it; nullopt where Python has none.
std::optional<Value> safe_attribute(const Value& object, const std::string& name, Interpreter& in) {
  if (is_internal_name(name) || is_mutating_method(object, name)) return hidden(object, name);
  return find_attribute(object, name, in);
}

}  // namespace

Value Interpreter::getattr(const Value& object, const std::string& name) {
  budget_.step(1 + name.size() / 16);
  if (object.is_undefined()) fail_undefined(object);
  if (const Dict* dict = object.dict_value(); dict && is_internal_name(name)) {
    if (const Value* item = dict->find(name)) return *item;
  }
  if (std::optional<Value> attribute = safe_attribute(object, name, *this)) return std::move(*attribute);
  if (const Dict* dict = object.dict_value()) {
    if (const Value* item = dict->find(name)) return *item;
  }
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", described(object), name));
}

Value Interpreter::getitem(const Value& object, const Value& key) {
  budget_.step();
  if (object.is_undefined()) fail_undefined(object);
  if (std::optional<Value> item = subscript(object, key, *this)) return std::move(*item);
  if (const Text* name = key.string()) {
    if (std::optional<Value> attribute = safe_attribute(object, name->bytes, *this)) return std::move(*attribute);
    return Value::undefined(fmt::format("'{}' has no attribute {}", described(object), repr_string(name->bytes)));
  }
  return Value::undefined(fmt::format("{} has no element {}", described(object), repr(key, budget_)));
}

}  // namespace linnet::jinja
