#include "text/jinja/interpreter.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace linnet::jinja {

namespace {

// What a scope costs: the map's nodes and the shared block.
constexpr uint64_t kScopeBytes = 160;

}  // namespace

// ---------------------------------------------------------------------------------------------------------- objects

void Namespace::append_repr(std::string& out, Budget& budget) const {
  const DepthGuard guard(budget);
  out += "<Namespace {";
  bool first = true;
  for (const auto& [key, value] : attributes.items) {
    if (!first) out += ", ";
    first = false;
    jinja::append_repr(out, key, budget);
    out += ": ";
    jinja::append_repr(out, value, budget);
  }
  out += "}>";
}

void Macro::append_repr(std::string& out, Budget& /*budget*/) const {
  out += name.empty() ? "<Macro anonymous>" : "<Macro " + repr_string(name) + ">";
}

void Builtin::append_repr(std::string& out, Budget& /*budget*/) const {
  out += fmt::format("<function {}>", name);
}

void Loop::append_repr(std::string& out, Budget& /*budget*/) const {
  out += fmt::format("<LoopContext {}/{}>", index0 + 1, const_cast<Loop*>(this)->length());
}

std::optional<Value> Loop::advance() {
  std::optional<Value> item;
  if (after) {
    item = std::exchange(after, std::nullopt);
  } else if (!rest.empty()) {
    item = std::move(rest.front());
    rest.pop_front();
  } else {
    item = source->pull();
  }
  if (!item) return item;
  ++index0;
  before = std::exchange(current, *item);
  return item;
}

const std::optional<Value>& Loop::peek() {
  if (after) return after;
  if (!rest.empty()) {
    after = std::move(rest.front());
    rest.pop_front();
  } else {
    after = source->pull();
  }
  return after;
}

int64_t Loop::length() {
  if (known_length) return *known_length;
  while (std::optional<Value> item = source->pull()) rest.push_back(std::move(*item));
  known_length = static_cast<int64_t>(rest.size()) + index0 + 1 + (after ? 1 : 0);
  return *known_length;
}

// ------------------------------------------------------------------------------------------------------ interpreter

Interpreter::Interpreter(std::map<std::string, Value, std::less<>> variables, const Limits& limits, const std::tm& now)
    : budget_(limits), now_(now), root_(std::make_shared<Scope>()) {
  for (const auto& [name, run] : kBuiltins) globals_[name] = make<Builtin>(name, run);
  auto context = std::make_shared<Scope>();
  context->variables = std::move(variables);
  root_->parent = std::move(context);
  scope_ = root_;
}

std::string Interpreter::run(const Body& body) {
  run_body(body);
  return std::move(buffers_.front());
}

Value Interpreter::text(std::string text) {
  budget_.take(text.size() + sizeof(Text));
  return Value::text(std::move(text));
}

Value Interpreter::list(std::vector<Value> items) {
  budget_.take(items.size() * sizeof(Value) + sizeof(Sequence));
  return Value::list(std::move(items));
}

Value Interpreter::tuple(std::vector<Value> items) {
  budget_.take(items.size() * sizeof(Value) + sizeof(Sequence));
  return Value::tuple(std::move(items));
}

Value Interpreter::dict(Dict dict) {
  budget_.take(dict.items.size() * (2 * sizeof(Value) + 96) + sizeof(Dict));  // with its index
  return Value::dict(std::move(dict));
}

ScopePtr Interpreter::inner_scope(ScopePtr parent) {
  budget_.take(kScopeBytes);
  auto scope = std::make_shared<Scope>();
  scope->parent = std::move(parent);
  return scope;
}

void Interpreter::emit(std::string_view text) {
  std::string& out = buffers_.back();
  budget_.output(out.size() + text.size());
  budget_.take(text.size());
  out += text;
}

void Interpreter::print(const Value& value) {
  if (const Text* text = value.string()) return emit(text->bytes);
  if (!value.is_undefined()) emit(repr(value, budget_));
}

void Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::kName) {
    scope_->variables.insert_or_assign(target.name, value);
    return;
  }
  if (target.kind == Expr::Kind::kAttribute) {
    Expr name;
    name.kind = Expr::Kind::kName;
    name.line = target.line;
    name.name = target.name;
    auto* space = lookup(name).object_as<Namespace>();
    if (!space) fail(FaultKind::kRuntime, "cannot assign attribute on non-namespace object");
    if (target.attribute.starts_with('_')) {
      fail(FaultKind::kSecurity,
           fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{}'. "
                       "Please rename the attribute.",
                       target.attribute));
    }
    budget_.take(2 * sizeof(Value));
    space->attributes.set(Value::text(target.attribute), value, budget_);
    return;
  }
  const std::vector<Value> items = collect(value);
  if (items.size() > target.items.size()) {
    value_error(fmt::format("too many values to unpack (expected {})", target.items.size()));
  }
  if (items.size() < target.items.size()) {
    value_error(fmt::format("not enough values to unpack (expected {}, got {})", target.items.size(), items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.items[i], items[i]);
}

std::string Interpreter::captured(const Body& body) {
  Capture capture(*this);
  run_body(body);
  return capture.take();
}

Interpreter::Flow Interpreter::run_body(const Body& body) {
  for (const std::unique_ptr<Stmt>& stmt : body) {
    const Flow flow = run_statement(*stmt);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Stmt& stmt) {
  const DepthGuard guard(budget_);
  budget_.step();
  line_ = stmt.line;
  switch (stmt.kind) {
    case Stmt::Kind::kData:
      emit(stmt.text);
      break;
    case Stmt::Kind::kPrint:
      for (const ExprPtr& expr : stmt.exprs) print(eval(*expr));
      break;
    case Stmt::Kind::kIf:
      return run_if(stmt);
    case Stmt::Kind::kFor:
      run_for(stmt);
      break;
    case Stmt::Kind::kSet:
      assign(*stmt.target, eval(*stmt.exprs[0]));
      break;
    case Stmt::Kind::kSetBlock:
      run_set_block(stmt);
      break;
    case Stmt::Kind::kMacro:
      scope_->variables.insert_or_assign(stmt.text, Value::object(make_macro(stmt)));
      break;
    case Stmt::Kind::kCallBlock:
      run_call_block(stmt);
      break;
    case Stmt::Kind::kFilterBlock:
      run_filter_block(stmt);
      break;
    case Stmt::Kind::kWith:
      run_with(stmt);
      break;
    case Stmt::Kind::kScope: {
      const Enter enter(*this, inner_scope(scope_));
      return run_body(stmt.bodies[0]);
    }
    case Stmt::Kind::kBlock: {
      const Enter enter(*this, inner_scope(root_));
      run_body(stmt.bodies[0]);
      break;
    }
    case Stmt::Kind::kGeneration:
      run_generation(stmt);
      break;
    case Stmt::Kind::kBreak:
      return Flow::kBreak;
    case Stmt::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_if(const Stmt& stmt) {
  for (size_t i = 0; i < stmt.exprs.size(); ++i) {
    if (truthy(eval(*stmt.exprs[i]))) return run_body(stmt.bodies[i]);
  }
  return stmt.bodies.size() > stmt.exprs.size() ? run_body(stmt.bodies.back()) : Flow::kNext;
}

void Interpreter::run_for(const Stmt& stmt) {
  const Value iterable = eval(*stmt.exprs[0]);
  const ScopePtr outer = scope_;
  if (!stmt.recursive) return run_loop(stmt, iterable, outer, 0);
  std::string text;
  {
    Capture capture(*this);
    run_loop(stmt, iterable, outer, 0);
    text = capture.take();
  }
  emit(text);
}

// The items for which the loop's `if` holds. As in Python they are tested one by one, while the loop runs.
Iterator* Interpreter::filtered(const Stmt& stmt, Iterator* source, const ScopePtr& outer) {
  if (!stmt.exprs[1]) return source;
  const auto next = [this, &stmt, source, outer]() -> std::optional<Value> {
    while (std::optional<Value> item = pull(*source)) {
      const Enter enter(*this, inner_scope(outer));
      assign(*stmt.target, *item);
      if (truthy(eval(*stmt.exprs[1]))) return item;
    }
    return std::nullopt;
  };
  return generator(source, next).object_as<Iterator>();
}

void Interpreter::run_loop(const Stmt& stmt, const Value& iterable, const ScopePtr& outer, int64_t depth0) {
  Loop* loop = make<Loop>();
  loop->source = filtered(stmt, iterate(iterable), outer);
  if (!stmt.exprs[1]) loop->known_length = length_of(iterable);
  loop->depth0 = depth0;
  loop->scope = outer;
  if (stmt.recursive) loop->recursive = &stmt;
  // As in jinja2's own code, an iteration that break or continue cut short does not keep else from running.
  bool completed = false;
  while (const std::optional<Value> item = loop->advance()) {
    budget_.step();
    const Enter enter(*this, inner_scope(outer));
    if (stmt.uses_loop) scope_->variables.insert_or_assign("loop", Value::object(loop));
    line_ = stmt.line;
    assign(*stmt.target, *item);
    const Flow flow = run_body(stmt.bodies[0]);
    if (flow == Flow::kBreak) break;
    completed |= flow == Flow::kNext;
  }
  if (!completed && stmt.bodies.size() > 1) {
    const Enter enter(*this, inner_scope(outer));
    run_body(stmt.bodies[1]);
  }
}

Value Interpreter::call_recursive_loop(Loop& loop, const Value& iterable) {
  if (!loop.recursive) type_error("The loop must have the 'recursive' marker to be called recursively.");
  const DepthGuard guard(budget_);
  Capture capture(*this);
  run_loop(*loop.recursive, iterable, loop.scope, loop.depth0 + 1);
  return text(capture.take());
}

void Interpreter::run_set_block(const Stmt& stmt) {
  Value value;
  {
    const Enter enter(*this, inner_scope(scope_));
    value = text(captured(stmt.bodies[0]));
    if (stmt.exprs[0]) value = eval_filter(*stmt.exprs[0], &value);
  }
  assign(*stmt.target, value);
}

void Interpreter::run_filter_block(const Stmt& stmt) {
  const Enter enter(*this, inner_scope(scope_));
  const Value value = text(captured(stmt.bodies[0]));
  print(eval_filter(*stmt.exprs[0], &value));
}

void Interpreter::run_with(const Stmt& stmt) {
  // Every value is evaluated outside: {% with a = 1, b = a %} does not see the new a.
  const std::vector<Value> values = eval_items(stmt.exprs);
  const Enter enter(*this, inner_scope(scope_));
  for (size_t i = 0; i < values.size(); ++i) assign(*stmt.targets[i], values[i]);
  run_body(stmt.bodies[0]);
}

void Interpreter::run_call_block(const Stmt& stmt) {
  const Value caller = Value::object(make_macro(stmt));
  print(eval_call(*stmt.exprs[0], &caller));
}

void Interpreter::run_generation(const Stmt& stmt) {
  std::string text;
  {
    const Enter enter(*this, inner_scope(scope_));
    text = captured(stmt.bodies[0]);
  }
  const size_t begin = buffers_.front().size();
  generation_.push_back({begin, begin + text.size()});
  emit(text);
}

Macro* Interpreter::make_macro(const Stmt& stmt) {
  Macro* macro = make<Macro>();
  macro->name = stmt.text;
  macro->signature = &stmt.signature;
  macro->body = &stmt.bodies[0];
  macro->scope = scope_;
  return macro;
}

void Interpreter::bind_macro(const Macro& macro, Args args, Scope& scope) {
  const Signature& signature = *macro.signature;
  const size_t count = signature.names.size();
  const auto take_named = [&](std::string_view name) -> std::optional<Value> {
    const auto at = std::ranges::find_if(args.named, [&](const auto& one) { return one.first == name; });
    if (at == args.named.end()) return std::nullopt;
    Value value = std::move(at->second);
    args.named.erase(at);
    return value;
  };
  std::vector<bool> missing(count, false);
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = signature.names[i];
    std::optional<Value> value = i < args.positional.size() ? args.positional[i] : take_named(name);
    missing[i] = !value.has_value();
    scope.variables.insert_or_assign(name, value ? *value : Value::undefined(fmt::format("'{}' is undefined", name)));
  }
  if (signature.uses_caller) {
    const std::optional<Value> caller = take_named("caller");
    scope.variables.insert_or_assign("caller",
                                     caller && !caller->is_none() ? *caller : Value::undefined("No caller defined"));
  }
  if (signature.uses_kwargs) {
    Dict rest;
    for (auto& [name, value] : args.named) rest.set(Value::text(name), std::move(value), budget_);
    scope.variables.insert_or_assign("kwargs", dict(std::move(rest)));
  } else if (!args.named.empty()) {
    type_error(fmt::format("macro {} takes no keyword argument {}",
                           macro.name.empty() ? "None" : repr_string(macro.name), repr_string(args.named[0].first)));
  }
  if (signature.uses_varargs) {
    std::vector<Value> rest;
    for (size_t i = count; i < args.positional.size(); ++i) rest.push_back(args.positional[i]);
    scope.variables.insert_or_assign("varargs", tuple(std::move(rest)));
  } else if (args.positional.size() > count) {
    type_error(fmt::format("macro {} takes not more than {} argument(s)",
                           macro.name.empty() ? "None" : repr_string(macro.name), count));
  }
  // Defaults are evaluated last, in order, and see the arguments before them.
  const size_t first_default = count - signature.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    if (!missing[i]) continue;
    const std::string& name = signature.names[i];
    scope.variables.insert_or_assign(
        name, i >= first_default ? eval(*signature.defaults[i - first_default])
                                 : Value::undefined(fmt::format("parameter '{}' was not provided", name)));
  }
}

Value Interpreter::call_macro(const Macro& macro, Args args) {
  const DepthGuard guard(budget_);
  const Enter enter(*this, inner_scope(macro.scope));
  Scope& scope = *scope_;
  bind_macro(macro, std::move(args), scope);
  return text(captured(*macro.body));
}

// --------------------------------------------------------------------------------------------------------- iterators

std::optional<Value> Interpreter::pull(Iterator& iterator) {
  budget_.step();
  return iterator.pull();
}

Value Interpreter::generator(Iterator* source, Iterator::Pull pull, std::string_view type) {
  const int chain = source->chain + 1;
  if (chain > kMaxValueDepth) fail(FaultKind::kLimit, fmt::format("more than {} chained iterators", kMaxValueDepth));
  return Value::object(make<Iterator>(type, std::move(pull), chain));
}

Iterator* Interpreter::iterate(const Value& value) {
  const auto over = [&](std::string_view type, auto at) {
    return make<Iterator>(
        type, [value, at, i = size_t{0}]() mutable -> std::optional<Value> { return at(value, i++); }, 0);
  };
  if (auto* iterator = value.object_as<Iterator>()) return iterator;
  if (value.is_undefined()) {
    return make<Iterator>(
        "generator", [] { return std::optional<Value>(); }, 0);
  }
  if (const Text* text = value.string()) {
    return make<Iterator>(
        "str_iterator",
        [value, text, at = size_t{0}]() mutable -> std::optional<Value> {
          if (at >= text->bytes.size()) return std::nullopt;
          size_t end = at + 1;
          while (end < text->bytes.size() && (static_cast<unsigned char>(text->bytes[end]) & 0xC0) == 0x80) ++end;
          Value item = Value::text(text->bytes.substr(at, end - at));
          at = end;
          return item;
        },
        0);
  }
  if (value.sequence()) {
    return over(value.is_list() ? "list_iterator" : "tuple_iterator",
                [](const Value& v, size_t i) -> std::optional<Value> {
                  const auto& items = v.sequence()->items;
                  return i < items.size() ? std::optional(items[i]) : std::nullopt;
                });
  }
  if (value.is_dict()) {
    return over("dict_keyiterator", [](const Value& v, size_t i) -> std::optional<Value> {
      const auto& items = v.dict_value()->items;
      return i < items.size() ? std::optional(items[i].first) : std::nullopt;
    });
  }
  if (value.view()) {
    return over("dict_iterator", [](const Value& v, size_t i) -> std::optional<Value> {
      const auto& items = v.view()->dict->items;
      if (i >= items.size()) return std::nullopt;
      if (v.view()->kind == View::Kind::kKeys) return items[i].first;
      if (v.view()->kind == View::Kind::kValues) return items[i].second;
      return Value::tuple({items[i].first, items[i].second});
    });
  }
  if (value.range()) {
    return over("range_iterator", [](const Value& v, size_t i) -> std::optional<Value> {
      const Range& range = *v.range();
      if (static_cast<int64_t>(i) >= range.size()) return std::nullopt;
      return Value::integer(range.at(static_cast<int64_t>(i)));
    });
  }
  if (auto* loop = value.object_as<Loop>()) {
    return make<Iterator>(
        "LoopContext",
        [loop]() -> std::optional<Value> {
          std::optional<Value> item = loop->advance();
          if (!item) return item;
          return Value::tuple({std::move(*item), Value::object(loop)});
        },
        1);
  }
  type_error(fmt::format("'{}' object is not iterable", type_name(value)));
}

std::vector<Value> Interpreter::collect(const Value& value) {
  if (const Sequence* sequence = value.sequence()) {
    budget_.take(sequence->items.size() * sizeof(Value));
    return sequence->items;
  }
  std::vector<Value> items;
  Iterator* iterator = iterate(value);
  while (std::optional<Value> item = pull(*iterator)) {
    budget_.take(sizeof(Value));
    items.push_back(std::move(*item));
  }
  return items;
}

}  // namespace linnet::jinja
