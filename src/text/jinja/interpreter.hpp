// Runs the tree of a template: jinja2's semantics under transformers' settings (immutable sandbox, default Undefined).
//
// One Interpreter is one render. It owns every Object (iterators, namespaces, macros, loops) that the render makes.
// Everything here throws Fault; Template::render is the door where that ends.
// Thread safety: one thread.
#pragma once

#include <ctime>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.hpp"
#include "text/jinja/value.hpp"

namespace linnet::jinja {

class Interpreter;

// What a call passes.
struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Arguments matched to the parameters of a Python function, by position or by name.
class Bound {
 public:
  // The first `required` parameters must be given. Fault kType otherwise, and for arguments without a parameter.
  Bound(std::string_view function, const Args& args, std::initializer_list<std::string_view> parameters,
        size_t required = 0);

  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values_[i]; }
  const Value* find(size_t i) const { return values_[i]; }
  bool boolean(size_t i, bool fallback) const { return has(i) ? truthy(*values_[i]) : fallback; }
  // Fault kType when it is not a whole number (or, as `fallback` says, None).
  int64_t integer(size_t i, int64_t fallback) const;
  bool given(size_t i) const { return has(i) && !values_[i]->is_none(); }

 private:
  std::string_view function_;
  std::vector<const Value*> values_;
};

// The variables of one block, and the block around it.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::map<std::string, Value, std::less<>> variables;
};
using ScopePtr = std::shared_ptr<Scope>;

// A Python iterator: each item is seen once.
struct Iterator : Object {
  using Pull = std::function<std::optional<Value>()>;
  Iterator(std::string_view type, Pull pull_next, int chain_length)
      : Object(type), pull(std::move(pull_next)), chain(chain_length) {}

  Pull pull;
  int chain;  // how many iterators feed this one
};

struct Namespace : Object {
  Namespace() : Object("Namespace") {}
  void append_repr(std::string& out, Budget& budget) const override;
  Dict attributes;
};

struct Macro : Object {
  Macro() : Object("Macro") {}
  void append_repr(std::string& out, Budget& budget) const override;
  std::string name;  // empty: the body of a call block
  const Signature* signature = nullptr;
  const Body* body = nullptr;
  ScopePtr scope;
};

// jinja2's LoopContext: what `loop` is in the body.
struct Loop : Object {
  Loop() : Object("LoopContext") {}
  std::optional<Value> advance();
  const std::optional<Value>& peek();
  int64_t length();
  void append_repr(std::string& out, Budget& budget) const override;

  Iterator* source = nullptr;
  std::optional<int64_t> known_length;
  std::optional<Value> after;
  Value before;
  Value current;
  std::optional<Value> last_changed;
  int64_t index0 = -1;
  int64_t depth0 = 0;
  const Stmt* recursive = nullptr;  // the statement, when it may be called again
  ScopePtr scope;
  std::deque<Value> rest;  // items that were taken early, to count them
};

struct Cycler : Object {
  Cycler() : Object("Cycler") {}
  std::vector<Value> items;
  size_t position = 0;
};

struct Joiner : Object {
  Joiner() : Object("Joiner") {}
  Value separator;
  bool used = false;
};

// A global function.
struct Builtin : Object {
  using Run = Value (*)(Interpreter&, const Args&);
  Builtin(std::string_view function, Run code) : Object("function"), name(function), run(code) {}
  void append_repr(std::string& out, Budget& budget) const override;
  std::string_view name;
  Run run;
};

struct CharSpan {
  size_t begin, end;
};

class Interpreter {
 public:
  Interpreter(std::map<std::string, Value, std::less<>> variables, const Limits& limits, const std::tm& now);

  // Renders; generation() then tells where the assistant speaks.
  std::string run(const Body& body);
  const std::vector<CharSpan>& generation() const { return generation_; }
  int line() const { return line_; }

  // ---- for filters, tests, methods and functions
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  // A new string, counted.
  Value text(std::string text);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value dict(Dict dict);
  std::string str(const Value& value) { return jinja::str(value, budget_); }

  // obj.name and obj[key] as jinja2 reads them: undefined where there is none.
  Value getattr(const Value& object, const std::string& name);
  Value getitem(const Value& object, const Value& key);
  // Fault kType when it cannot be iterated.
  Iterator* iterate(const Value& value);
  std::optional<Value> pull(Iterator& iterator);
  std::vector<Value> collect(const Value& value);
  // An iterator like Python's generators: `pull` runs when an item is asked for. `source` is what it reads from.
  Value generator(Iterator* source, Iterator::Pull pull, std::string_view type = "generator");

  Value call(const Value& callee, Args args);
  Value call_filter(const std::string& name, const Value& value, const Args& args);
  bool call_test(const std::string& name, const Value& value, const Args& args);
  Value call_recursive_loop(Loop& loop, const Value& iterable);

  template <class T, class... A>
  T* make(A&&... args) {
    budget_.take(sizeof(T) + 64);
    auto owned = std::make_unique<T>(std::forward<A>(args)...);
    T* object = owned.get();
    objects_.push_back(std::move(owned));
    return object;
  }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Redirects output into a string of its own.
  class Capture {
   public:
    explicit Capture(Interpreter& in) : in_(in) { in_.buffers_.emplace_back(); }
    ~Capture() { in_.buffers_.pop_back(); }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    std::string take() { return std::move(in_.buffers_.back()); }

   private:
    Interpreter& in_;
  };
  // Enters a scope for as long as it lives.
  class Enter {
   public:
    Enter(Interpreter& in, ScopePtr scope) : in_(in), outer_(std::exchange(in.scope_, std::move(scope))) {}
    ~Enter() { in_.scope_ = std::move(outer_); }
    Enter(const Enter&) = delete;
    Enter& operator=(const Enter&) = delete;

   private:
    Interpreter& in_;
    ScopePtr outer_;
  };

  ScopePtr inner_scope(ScopePtr parent);
  void emit(std::string_view text);
  void print(const Value& value);
  void assign(const Expr& target, const Value& value);
  std::string captured(const Body& body);
  Flow run_body(const Body& body);
  Flow run_statement(const Stmt& stmt);
  Flow run_if(const Stmt& stmt);
  void run_for(const Stmt& stmt);
  void run_loop(const Stmt& stmt, const Value& iterable, const ScopePtr& outer, int64_t depth0);
  Iterator* filtered(const Stmt& stmt, Iterator* source, const ScopePtr& outer);
  void run_set_block(const Stmt& stmt);
  void run_filter_block(const Stmt& stmt);
  void run_with(const Stmt& stmt);
  void run_call_block(const Stmt& stmt);
  void run_generation(const Stmt& stmt);
  Macro* make_macro(const Stmt& stmt);
  Value call_macro(const Macro& macro, Args args);
  void bind_macro(const Macro& macro, Args args, Scope& scope);

  Value eval(const Expr& expr);
  Value lookup(const Expr& expr);
  Value eval_unary(const Expr& expr);
  Value eval_binary(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_condition(const Expr& expr);
  Value eval_getitem(const Expr& expr);
  Value eval_slice(const Value& object, const Expr& slice);
  Value eval_dict(const Expr& expr);
  std::vector<Value> eval_items(const std::vector<ExprPtr>& items);
  Args eval_args(const Expr& expr);
  Value eval_call(const Expr& expr, const Value* caller = nullptr);
  Value eval_filter(const Expr& expr, const Value* block = nullptr);

  Budget budget_;
  std::tm now_;
  std::deque<std::unique_ptr<Object>> objects_;
  ScopePtr root_;
  ScopePtr scope_;
  std::map<std::string_view, Builtin*, std::less<>> globals_;
  std::vector<std::string> buffers_{1};  // the output, and one for every capture that is open
  std::vector<CharSpan> generation_;
  int line_ = 0;
};

// ---- the parts, one file each

// operators.cpp
Value binary_operation(const std::string& op, const Value& a, const Value& b, Interpreter& in);
bool contains(const Value& container, const Value& item, Interpreter& in);
// obj[key] as Python reads it; nullopt for its TypeError, IndexError and KeyError.
std::optional<Value> subscript(const Value& object, const Value& key, Interpreter& in);
Value slice(const Value& object, const Value& start, const Value& stop, const Value& step, Interpreter& in);
// The number of items, or nullopt where Python's len() fails.
std::optional<int64_t> length_of(const Value& value);

// methods.cpp, string_methods.cpp
// Python's attribute `name` of `object`, when its type has one: a method or a field.
std::optional<Value> find_attribute(const Value& object, const std::string& name, Interpreter& in);
bool is_mutating_method(const Value& object, std::string_view name);
Value call_method(const Method& method, const Args& args, Interpreter& in);
bool is_string_method(std::string_view name);
Value call_string_method(const Text& self, std::string_view name, const Args& args, Interpreter& in);
std::string strip_characters(const Text& text, const Value* characters, bool left, bool right);
std::string replace_text(const std::string& text, std::string_view from, std::string_view to, int64_t count,
                         Budget& budget);

// builtins.cpp
extern const std::initializer_list<std::pair<std::string_view, Builtin::Run>> kBuiltins;

// filters_*.cpp, tests.cpp
using Filter = Value (*)(Interpreter&, const Value&, const Args&);
using Test = bool (*)(Interpreter&, const Value&, const Args&);
struct NamedFilter {
  std::string_view name;
  Filter run;
};
std::span<const NamedFilter> text_filters();
std::span<const NamedFilter> list_filters();
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);

// format.cpp
// text % arguments.
std::string format_percent(const Text& text, const Value& arguments, Interpreter& in);
// text.format(…).
std::string format_braces(const Text& text, const Args& args, Interpreter& in);

// json.cpp
struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace linnet::jinja
