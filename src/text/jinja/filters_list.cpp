// Filters over sequences and mappings.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>
#include <span>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

Value lowered(Interpreter& in, const Value& value) {
  const Text* text = value.string();
  if (!text) return value;
  return in.text(encode(lower(decode(text->bytes))));
}

// "address.city.0" as the keys to read one after another; none for None.
std::vector<Value> attribute_path(const Value* attribute) {
  std::vector<Value> path;
  if (!attribute || attribute->is_none()) return path;
  const Text* text = attribute->string();
  if (!text) return {*attribute};
  size_t at = 0;
  for (;;) {
    const size_t dot = std::min(text->bytes.find('.', at), text->bytes.size());
    const std::string part = text->bytes.substr(at, dot - at);
    int64_t number = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), number);
    const bool digits = !part.empty() && part[0] != '-' && read.ec == std::errc() && *read.ptr == '\0';
    path.push_back(digits ? Value::integer(number) : Value::text(part));
    if (dot == text->bytes.size()) return path;
    at = dot + 1;
  }
}

// What sort, unique and their kin compare: an attribute of the item, its letters lowered unless case counts.
class Key {
 public:
  Key(Interpreter& in, const Value* attribute, bool case_sensitive, const Value* fallback = nullptr)
      : in_(&in), path_(attribute_path(attribute)), case_sensitive_(case_sensitive) {
    in.budget().take(path_.size() * sizeof(Value));
    if (fallback && !fallback->is_none()) fallback_ = *fallback;
  }

  Value operator()(const Value& item) const {
    Value value = item;
    for (const Value& part : path_) {
      value = in_->getitem(value, part);
      if (fallback_ && value.is_undefined()) value = *fallback_;
    }
    return case_sensitive_ ? value : lowered(*in_, value);
  }

 private:
  Interpreter* in_;
  std::vector<Value> path_;
  bool case_sensitive_;
  std::optional<Value> fallback_;
};

// Python's sorted(): stable, descending with `reverse` (which keeps the order of equals, too).
std::vector<Value> sorted(Interpreter& in, const std::vector<Value>& items, bool reverse,
                          const std::function<Value(const Value&)>& key) {
  struct Entry {
    Value key;
    size_t index;
  };
  in.budget().take(items.size() * sizeof(Entry));
  std::vector<Entry> entries;
  for (size_t i = 0; i < items.size(); ++i) entries.push_back({key(items[i]), i});
  std::ranges::stable_sort(entries, [&](const Entry& a, const Entry& b) {
    return reverse ? less(b.key, a.key, in.budget()) : less(a.key, b.key, in.budget());
  });
  std::vector<Value> out;
  out.reserve(items.size());
  for (const Entry& entry : entries) out.push_back(items[entry.index]);
  return out;
}

Value sort(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("sort", args, {"reverse", "case_sensitive", "attribute"});
  const bool case_sensitive = bound.boolean(1, false);
  // "a,b" sorts by several attributes.
  std::vector<Key> keys;
  if (bound.has(2) && bound[2].is_string()) {
    Args comma;
    comma.positional.push_back(Value::text(","));
    for (const Value& one : in.collect(call_string_method(*bound[2].string(), "split", comma, in))) {
      keys.emplace_back(in, &one, case_sensitive);
    }
  } else {
    keys.emplace_back(in, bound.find(2), case_sensitive);
  }
  const auto key = [&](const Value& item) {
    std::vector<Value> parts;
    parts.reserve(keys.size());
    for (const Key& one : keys) parts.push_back(one(item));
    return in.list(std::move(parts));
  };
  return in.list(sorted(in, in.collect(value), bound.boolean(0, false), key));
}

Value dictsort(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("dictsort", args, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.has(1) ? in.str(bound[1]) : "key";
  if (by != "key" && by != "value") fail(FaultKind::kRuntime, "You can only sort by either \"key\" or \"value\"");
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_dict()) type_error(fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict_value()->items) pairs.push_back(in.tuple({key, item}));
  const bool case_sensitive = bound.boolean(0, false);
  return in.list(sorted(in, pairs, bound.boolean(2, false), [&](const Value& pair) {
    const Value& part = pair.sequence()->items[by == "key" ? 0 : 1];
    return case_sensitive ? part : lowered(in, part);
  }));
}

Value unique(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("unique", args, {"case_sensitive", "attribute"});
  Iterator* source = in.iterate(value);
  const Key key(in, bound.find(1), bound.boolean(0, false));
  auto seen = std::make_shared<std::set<Value, KeyLess>>();
  return in.generator(source, [&in, source, key, seen]() -> std::optional<Value> {
    while (std::optional<Value> item = in.pull(*source)) {
      const Value k = key(*item);
      require_hashable(k, in.budget());
      in.budget().take(2 * sizeof(Value));
      if (seen->insert(k).second) return item;
    }
    return std::nullopt;
  });
}

template <bool kMax>
Value extreme(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound(kMax ? "max" : "min", args, {"case_sensitive", "attribute"});
  const Key key(in, bound.find(1), bound.boolean(0, false));
  std::optional<Value> best;
  Value best_key;
  for (const Value& item : in.collect(value)) {
    Value k = key(item);
    if (best && !ordered(k, best_key, kMax ? ">" : "<", in.budget())) continue;
    best = item;
    best_key = std::move(k);
  }
  return best ? *best : Value::undefined("No aggregated item, sequence was empty.");
}

Value groupby(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const bool case_sensitive = bound.boolean(2, false);
  const Key key(in, bound.find(0), case_sensitive, bound.find(1));
  const Key shown(in, bound.find(0), true, bound.find(1));
  const std::vector<Value> items = sorted(in, in.collect(value), false, key);
  std::vector<Value> groups;
  size_t at = 0;
  while (at < items.size()) {
    const Value first = key(items[at]);
    std::vector<Value> group;
    size_t end = at;
    while (end < items.size() && equals(key(items[end]), first, in.budget())) group.push_back(items[end++]);
    Value name = shown(items[at]);
    groups.push_back(Value::tuple({std::move(name), in.list(std::move(group))}, true));
    at = end;
  }
  return in.list(std::move(groups));
}

Value first(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("first", args, {});
  const std::optional<Value> item = in.pull(*in.iterate(value));
  return item ? *item : Value::undefined("No first item, sequence was empty.");
}

// reversed(value): what can be walked backwards, in that order. Fault kType for the rest.
std::vector<Value> backwards(Interpreter& in, const Value& value) {
  const bool reversible =
      value.is_string() || value.sequence() || value.is_dict() || value.view() || value.range() || value.is_undefined();
  if (!reversible) type_error(fmt::format("'{}' object is not reversible", type_name(value)));
  std::vector<Value> items = in.collect(value);
  std::ranges::reverse(items);
  return items;
}

Value last(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("last", args, {});
  if (value.is_undefined()) return Value::undefined("No last item, sequence was empty.");
  if (value.sequence() && !value.sequence()->items.empty()) return value.sequence()->items.back();
  const std::vector<Value> items = backwards(in, value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.front();
}

Value iterator_over(Interpreter& in, std::vector<Value> items, std::string_view type) {
  const Value list = in.list(std::move(items));
  Iterator* source = in.iterate(list);
  return in.generator(
      source, [&in, source] { return in.pull(*source); }, type);
}

// The class of Python's reversed(value), which shows where it is made text.
std::string_view reversed_type(const Value& value) {
  if (value.is_list()) return "list_reverseiterator";
  if (value.is_dict()) return "dict_reversekeyiterator";
  if (value.range()) return "range_iterator";
  const View* view = value.view();
  if (!view) return "reversed";
  return view->kind == View::Kind::kKeys     ? "dict_reversekeyiterator"
         : view->kind == View::Kind::kValues ? "dict_reversevalueiterator"
                                             : "dict_reverseitemiterator";
}

Value reverse(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("reverse", args, {});
  if (const Text* text = value.string()) {
    std::u32string points = decode(text->bytes);
    in.budget().take(points.size() * 4);
    std::ranges::reverse(points);
    return in.text(encode(points));
  }
  if (value.is_undefined()) return iterator_over(in, {}, "reversed");  // true, although nothing is in it
  if (value.object_as<Iterator>()) {
    std::vector<Value> items = in.collect(value);
    std::ranges::reverse(items);
    return in.list(std::move(items));
  }
  if (!value.sequence() && !value.is_dict() && !value.view() && !value.range()) {
    fail(FaultKind::kRuntime, "argument must be iterable");
  }
  return iterator_over(in, backwards(in, value), reversed_type(value));
}

Value list(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("list", args, {});
  return in.list(in.collect(value));
}

Value length(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("len", args, {});
  const std::optional<int64_t> size = length_of(value);
  if (!size) type_error(fmt::format("object of type '{}' has no len()", type_name(value)));
  return Value::integer(*size);
}

Value join(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("join", args, {"d", "attribute"});
  const std::string separator = bound.has(0) ? in.str(bound[0]) : "";
  const Key key(in, bound.find(1), true);
  std::string out;
  bool first_item = true;
  for (const Value& item : in.collect(value)) {
    if (!std::exchange(first_item, false)) out += separator;
    out += in.str(key(item));
    in.budget().take(separator.size());
  }
  return Value::text(std::move(out));
}

Value items(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("items", args, {});
  if (value.is_undefined()) return iterator_over(in, {}, "generator");
  if (!value.is_dict()) type_error("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict_value()->items) pairs.push_back(in.tuple({key, item}));
  return iterator_over(in, std::move(pairs), "generator");
}

Value batch(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("batch", args, {"linecount", "fill_with"}, 1);
  const int64_t size = bound.integer(0, 1);
  const Value fill = bound.has(1) ? bound[1] : Value();
  Iterator* source = in.iterate(value);
  // One item is read ahead: a batch ends when the next one does not fit.
  auto ahead = std::make_shared<std::optional<Value>>();
  return in.generator(source, [&in, source, size, fill, ahead]() -> std::optional<Value> {
    std::vector<Value> group;
    if (*ahead) group.push_back(std::move(*std::exchange(*ahead, std::nullopt)));
    while (std::optional<Value> item = in.pull(*source)) {
      if (static_cast<int64_t>(group.size()) == size) {
        *ahead = std::move(item);
        return in.list(std::move(group));
      }
      group.push_back(std::move(*item));
    }
    if (group.empty()) return std::nullopt;
    const int64_t missing = fill.is_none() ? 0 : size - static_cast<int64_t>(group.size());
    in.budget().take(static_cast<uint64_t>(std::max<int64_t>(0, missing)) * sizeof(Value));
    for (int64_t i = 0; i < missing; ++i) group.push_back(fill);
    return in.list(std::move(group));
  });
}

Value slice_into(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("slice", args, {"slices", "fill_with"}, 1);
  const int64_t count = bound.integer(0, 1);
  const std::vector<Value> all = in.collect(value);
  if (count == 0) value_error("integer division or modulo by zero");
  const auto size = static_cast<int64_t>(all.size());
  std::vector<Value> slices;
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool extra = i < size % count;
    const int64_t end = at + size / count + (extra ? 1 : 0);
    std::vector<Value> part(all.begin() + at, all.begin() + end);
    if (bound.given(1) && !extra) part.push_back(bound[1]);
    slices.push_back(in.list(std::move(part)));
    at = end;
  }
  return iterator_over(in, std::move(slices), "generator");
}

Value sum(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("sum", args, {"attribute", "start"});
  const Key key(in, bound.find(0), true);
  Value total = bound.has(1) ? bound[1] : Value::integer(0);
  if (total.is_string()) type_error("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : in.collect(value)) {
    total = binary_operation("+", total, key(item), in);
  }
  return total;
}

// The function that map applies: a filter by name, or an attribute.
std::function<Value(const Value&)> mapping(Interpreter& in, const Args& args) {
  if (!args.positional.empty()) {
    Args rest = args;
    const Value name = args.positional[0];
    rest.positional.erase(rest.positional.begin());
    return [&in, name, rest](const Value& item) {
      if (!name.is_string()) fail(FaultKind::kRuntime, fmt::format("No filter named {}.", repr(name, in.budget())));
      return in.call_filter(name.string()->bytes, item, rest);
    };
  }
  Args named = args;
  if (std::ranges::none_of(args.named, [](const auto& one) { return one.first == "attribute"; })) {
    fail(FaultKind::kRuntime, "map requires a filter argument");
  }
  const Bound bound("map", named, {"attribute", "default"});
  return Key(in, bound.find(0), true, bound.find(1));
}

Value map(Interpreter& in, const Value& value, const Args& args) {
  if (!truthy(value)) return iterator_over(in, {}, "generator");
  Iterator* source = in.iterate(value);
  using Function = std::function<Value(const Value&)>;
  return in.generator(source, [&in, source, args, apply = Function()]() mutable -> std::optional<Value> {
    if (!apply) apply = mapping(in, args);
    const std::optional<Value> item = in.pull(*source);
    return item ? std::optional(apply(*item)) : std::nullopt;
  });
}

// select, reject, selectattr and rejectattr.
template <bool kAttribute, bool kKeep>
Value select(Interpreter& in, const Value& value, const Args& args) {
  if (!truthy(value)) return iterator_over(in, {}, "generator");
  Iterator* source = in.iterate(value);
  return in.generator(source, [&in, source, args]() -> std::optional<Value> {
    if (kAttribute && args.positional.empty()) fail(FaultKind::kRuntime, "Missing parameter for attribute name");
    constexpr size_t kTest = kAttribute ? 1 : 0;
    const Key key(in, kAttribute ? &args.positional[0] : nullptr, true);
    Args rest = args;
    const size_t used = std::min(args.positional.size(), kTest + 1);
    rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<ptrdiff_t>(used));
    while (std::optional<Value> item = in.pull(*source)) {
      const Value subject = key(*item);
      const bool holds = args.positional.size() > kTest ? in.call_test(in.str(args.positional[kTest]), subject, rest)
                                                        : truthy(subject);
      if (holds == kKeep) return item;
    }
    return std::nullopt;
  });
}

}  // namespace

std::span<const NamedFilter> list_filters() {
  static constexpr NamedFilter kFilters[] = {
      {"batch", batch},
      {"count", length},
      {"dictsort", dictsort},
      {"first", first},
      {"groupby", groupby},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", length},
      {"list", list},
      {"map", map},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", select<false, false>},
      {"rejectattr", select<true, false>},
      {"reverse", reverse},
      {"select", select<false, true>},
      {"selectattr", select<true, true>},
      {"slice", slice_into},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
  };
  return kFilters;
}

}  // namespace linnet::jinja
