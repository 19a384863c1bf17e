// The functions that every template may call: jinja2's globals and transformers' raise_exception and strftime_now.
#include <fmt/format.h>

#include "text/jinja/interpreter.hpp"

namespace linnet::jinja {

namespace {

constexpr int64_t kMaxRange = 100'000;  // jinja2.sandbox.MAX_RANGE

Value range(Interpreter& /*in*/, const Args& args) {
  const Bound bound("range", args, {"", "", ""}, 1);
  Range out{0, bound.integer(0, 0), 1};
  if (bound.has(1)) out = {bound.integer(0, 0), bound.integer(1, 0), bound.integer(2, 1)};
  if (out.step == 0) value_error("range() arg 3 must not be zero");
  if (out.size() > kMaxRange) {
    value_error(fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
  }
  return Value(Value::Storage(std::make_shared<const Range>(out)));
}

// What dict(…) makes: from a mapping or pairs, then the named arguments.
Dict make_dict(Interpreter& in, const Args& args) {
  if (args.positional.size() > 1) {
    type_error(fmt::format("dict expected at most 1 argument, got {}", args.positional.size()));
  }
  Dict dict;
  if (!args.positional.empty()) {
    const Value& source = args.positional[0];
    if (const Dict* other = source.dict_value()) {
      for (const auto& [key, value] : other->items) dict.set(key, value, in.budget());
    } else {
      for (const Value& pair : in.collect(source)) {
        const std::vector<Value> both = in.collect(pair);
        if (both.size() != 2) value_error("dictionary update sequence element has a length that is not 2");
        dict.set(both[0], both[1], in.budget());
      }
    }
  }
  for (const auto& [name, value] : args.named) dict.set(in.text(name), value, in.budget());
  return dict;
}

Value dict(Interpreter& in, const Args& args) {
  return in.dict(make_dict(in, args));
}

Value namespace_object(Interpreter& in, const Args& args) {
  auto* space = in.make<Namespace>();
  space->attributes = make_dict(in, args);
  for (const auto& [key, value] : space->attributes.items) {
    if (key.is_string() && key.string()->bytes.starts_with('_')) {
      fail(FaultKind::kSecurity,
           fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. "
                       "Please rename the attribute.",
                       repr(key, in.budget())));
    }
  }
  return Value::object(space);
}

Value cycler(Interpreter& in, const Args& args) {
  if (args.positional.empty()) fail(FaultKind::kRuntime, "at least one item has to be provided");
  if (!args.named.empty()) type_error("cycler() takes no keyword arguments");
  auto* object = in.make<Cycler>();
  in.budget().take(args.positional.size() * sizeof(Value));
  object->items = args.positional;
  return Value::object(object);
}

Value joiner(Interpreter& in, const Args& args) {
  const Bound bound("joiner", args, {"sep"});
  auto* object = in.make<Joiner>();
  object->separator = bound.has(0) ? bound[0] : Value::text(", ");
  return Value::object(object);
}

Value lipsum(Interpreter& /*in*/, const Args& /*args*/) {
  fail(FaultKind::kUnsupported, "lipsum() is random text, which a prompt must not be");
}

Value raise_exception(Interpreter& in, const Args& args) {
  const Bound bound("raise_exception", args, {"message"}, 1);
  fail(FaultKind::kRefused, in.str(bound[0]));
}

Value strftime_now(Interpreter& in, const Args& args) {
  const Bound bound("strftime_now", args, {"format"}, 1);
  const Text* format = bound[0].string();
  if (!format) type_error(fmt::format("strftime() argument 1 must be str, not {}", type_name(bound[0])));
  if (format->bytes.size() > 4096) value_error("strftime() format is longer than 4096 bytes");
  // Python writes the microseconds itself; the clock here has none.
  const std::string pattern = replace_text(format->bytes, "%f", "000000", -1, in.budget());
  if (pattern.empty()) return Value::text("");
  // A trailing space tells an empty result from one that did not fit.
  std::string out(pattern.size() * 32 + 64, '\0');
  const std::tm now = in.now();
  out.resize(std::strftime(out.data(), out.size(), (pattern + " ").c_str(), &now));
  if (out.empty()) value_error("strftime() result is too long");
  out.pop_back();
  return in.text(std::move(out));
}

}  // namespace

const std::initializer_list<std::pair<std::string_view, Builtin::Run>> kBuiltins = {
    {"range", range},   {"dict", dict},     {"namespace", namespace_object},      {"cycler", cycler},
    {"joiner", joiner}, {"lipsum", lipsum}, {"raise_exception", raise_exception}, {"strftime_now", strftime_now},
};

}  // namespace linnet::jinja
