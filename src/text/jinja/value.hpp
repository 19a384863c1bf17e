// The values of a template: Python's, as far as Jinja shows them.
//
// Strings, lists, tuples, dicts, ranges and views never change once made (transformers renders in jinja2's immutable
// sandbox), so they are shared and cannot form a cycle. What does change or can refer back to itself (namespaces,
// macros, loops, iterators) is an Object, owned by the render that made it; a Value only points to it.
// Nesting of containers is limited to kMaxValueDepth when they are made, so every recursion over a value is bounded.
// Thread safety: values of one render belong to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/fault.hpp"

namespace linnet::jinja {

inline constexpr int kMaxValueDepth = 200;

class Value;

// A string, valid UTF-8, with its length in code points: what Python counts and slices by.
struct Text {
  explicit Text(std::string text);
  bool ascii() const { return length == static_cast<int64_t>(bytes.size()); }

  std::string bytes;
  int64_t length;
};

struct Sequence;  // the items of a list or a tuple
struct Dict;
struct Range;
struct View;    // d.keys(), d.values(), d.items()
struct Method;  // "abc".upper, not yet called

// Something with identity. type_name is Python's name of its class.
struct Object {
  explicit Object(std::string_view type) : type_name(type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  virtual void append_repr(std::string& out, Budget& budget) const;

  std::string_view type_name;
};

struct Undefined {
  std::shared_ptr<const std::string> message;  // what to say when it is used: "'x' is undefined"
  bool security = false;                       // the sandbox hides it
};
struct None {};
struct List {
  std::shared_ptr<const Sequence> sequence;
};
struct Tuple {
  std::shared_ptr<const Sequence> sequence;
};

class Value {
 public:
  using Storage = std::variant<None, Undefined, bool, int64_t, double, std::shared_ptr<const Text>, List, Tuple,
                               std::shared_ptr<const Dict>, std::shared_ptr<const Range>, std::shared_ptr<const View>,
                               std::shared_ptr<const Method>, Object*>;

  Value() = default;                                        // None
  Value(Storage storage) : storage_(std::move(storage)) {}  // NOLINT(google-explicit-constructor)
  static Value undefined(std::string message, bool security = false);
  static Value text(std::string text);
  static Value boolean(bool value) { return Value(Storage(value)); }
  static Value integer(int64_t value) { return Value(Storage(value)); }
  static Value real(double value) { return Value(Storage(value)); }
  // Fault when nested deeper than kMaxValueDepth.
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items, bool group = false);
  static Value dict(Dict dict);
  static Value object(Object* object) { return Value(Storage(object)); }

  bool is_none() const { return std::holds_alternative<None>(storage_); }
  bool is_undefined() const { return std::holds_alternative<Undefined>(storage_); }
  bool is_bool() const { return std::holds_alternative<bool>(storage_); }
  bool is_float() const { return std::holds_alternative<double>(storage_); }
  bool is_string() const { return get<std::shared_ptr<const Text>>() != nullptr; }
  bool is_dict() const { return get<std::shared_ptr<const Dict>>() != nullptr; }
  bool is_list() const { return get<List>() != nullptr; }
  bool is_tuple() const { return get<Tuple>() != nullptr; }
  bool is_number() const { return integer_value().has_value() || is_float(); }

  // nullptr when it is something else.
  template <class T>
  const T* get() const {
    return std::get_if<T>(&storage_);
  }
  const Text* string() const;
  const Sequence* sequence() const;  // of a list or a tuple
  const Dict* dict_value() const;
  const Range* range() const;
  const View* view() const;
  const Method* method() const;
  Object* object() const;
  template <class T>
  T* object_as() const {
    return dynamic_cast<T*>(object());
  }
  // Of an int or a bool (which in Python is one).
  std::optional<int64_t> integer_value() const;
  // Of an int, a bool or a float.
  std::optional<double> number_value() const;

  const Storage& storage() const { return storage_; }
  // 0 for scalars, 1 + the deepest item for containers.
  int depth() const;

 private:
  Storage storage_;
};

struct Sequence {
  std::vector<Value> items;
  int depth = 1;
  uint64_t weight = 1;   // how many values hang below, shared ones as often as they appear
  bool hashable = true;  // nothing in it, at any depth, is a list or a dict
  bool group = false;    // what groupby makes: a tuple whose items are also .grouper and .list
};

// Python's order of hashable values made total, so that equal keys (1, 1.0, True) meet.
struct KeyLess {
  bool operator()(const Value& a, const Value& b) const;
};

// Keeps the order of insertion.
struct Dict {
  // nullptr when absent. Fault kType for an unhashable key.
  const Value* find(const Value& key, Budget& budget) const;
  const Value* find(std::string_view key) const;
  void set(Value key, Value value, Budget& budget);

  std::vector<std::pair<Value, Value>> items;
  int depth = 1;

 private:
  size_t position(const Value& key) const;
  std::map<Value, size_t, KeyLess> index_;  // filled once there are more than a few items
};

struct Range {
  int64_t start, stop, step;
  int64_t size() const;
  int64_t at(int64_t index) const { return start + index * step; }
};

struct View {
  enum class Kind { kKeys, kValues, kItems } kind;
  std::shared_ptr<const Dict> dict;
};

struct Method {
  Value self;
  std::string name;
};

// Python's name of the type: "str", "dict", "NoneType".
std::string_view type_name(const Value& value);
// What jinja2 calls the object in messages: "dict object", "None".
std::string described(const Value& value);
bool truthy(const Value& value);
// Fault kType for lists, dicts and other unhashable values; counts what comparing it as a key will cost.
void require_hashable(const Value& value, Budget& budget);

// a == b.
bool equals(const Value& a, const Value& b, Budget& budget);
// The same value, or the same object: Python's `is`, for values that Python would not copy.
bool identical(const Value& a, const Value& b);
// a `op` b, `op` one of < <= > >=. Fault kType where Python cannot compare.
bool ordered(const Value& a, const Value& b, std::string_view op, Budget& budget);
inline bool less(const Value& a, const Value& b, Budget& budget) {
  return ordered(a, b, "<", budget);
}

// repr(value) and str(value).
void append_repr(std::string& out, const Value& value, Budget& budget);
std::string repr(const Value& value, Budget& budget);
std::string str(const Value& value, Budget& budget);
std::string repr_string(std::string_view text);
std::string repr_float(double value);

// The message of an operation on an undefined value.
[[noreturn]] void fail_undefined(const Value& value);

}  // namespace linnet::jinja
