#include "text/jinja/template.hpp"

#include <fmt/format.h>
#include <new>

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/parser.hpp"

namespace linnet {

namespace {

constexpr size_t kMaxTemplateBytes = 4u << 20;

Error error_of(const jinja::Fault& fault, const std::string& name, int line) {
  const std::string place = fmt::format("{}:{}", name, fault.line != 0 ? fault.line : line);
  switch (fault.kind) {
    case jinja::FaultKind::kRefused:
      return invalid("the template refuses these messages: " + fault.message, place,
                     "change the messages as the template asks, or use another template");
    case jinja::FaultKind::kUnsupported:
      return unsupported(fault.message, place);
    case jinja::FaultKind::kSyntax:
      return invalid("template syntax: " + fault.message, place);
    case jinja::FaultKind::kLimit:
      return invalid(fault.message, place, "a chat template needs far less: this one is broken or hostile");
    default:
      return invalid(fault.message, place);
  }
}

// JSON as the template's values. Strings must be UTF-8 and integers fit 64 bits with a sign.
jinja::Value to_value(const Json& json, jinja::Budget& budget) {
  using jinja::Value;
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        jinja::fail(jinja::FaultKind::kUnsupported,
                    fmt::format("integer {} does not fit 64 bits", json.get<uint64_t>()));
      }
      return Value::integer(json.get<int64_t>());
    case Json::value_t::number_float:
      return Value::real(json.get<double>());
    case Json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      if (!is_valid_utf8(text)) jinja::value_error("a string among the variables is not UTF-8");
      return Value::text(text);
    }
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(to_value(item, budget));
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      jinja::Dict dict;
      for (const auto& [key, item] : json.items()) {
        if (!is_valid_utf8(key)) jinja::value_error("a key among the variables is not UTF-8");
        dict.set(Value::text(key), to_value(item, budget), budget);
      }
      return Value::dict(std::move(dict));
    }
    default:
      return {};
  }
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

bool any_generation(const jinja::Body& body) {
  for (const auto& stmt : body) {
    if (stmt->kind == jinja::Stmt::Kind::kGeneration) return true;
    for (const jinja::Body& inner : stmt->bodies) {
      if (any_generation(inner)) return true;
    }
  }
  return false;
}

}  // namespace

struct Template::Tree {
  jinja::Body body;
  bool has_generation;
};

Template::Template(std::string name, std::string source, std::shared_ptr<const Tree> tree)
    : name_(std::move(name)), source_(std::move(source)), tree_(std::move(tree)) {}

Result<Template> Template::parse(std::string_view source, std::string name) {
  if (source.size() > kMaxTemplateBytes) {
    return invalid(fmt::format("template has {} bytes, more than {}", source.size(), kMaxTemplateBytes), name);
  }
  if (const size_t bad = first_invalid_utf8(source); bad != source.size()) {
    return invalid("template is not UTF-8", fmt::format("{}: byte {}", name, bad));
  }
  try {
    auto tree = std::make_shared<Tree>();
    tree->body = jinja::parse(source);
    tree->has_generation = any_generation(tree->body);
    return Template(std::move(name), std::string(source), std::move(tree));
  } catch (const jinja::Fault& fault) {
    return error_of(fault, name, 1);
  }
}

bool Template::has_generation() const {
  return tree_->has_generation;
}

Result<Rendered> Template::render(const Json& variables, const RenderOptions& options) const {
  if (!variables.is_object()) {
    return invalid(fmt::format("the variables of a template must be an object, got {}", variables.type_name()), name_);
  }
  std::map<std::string, jinja::Value, std::less<>> values;
  try {
    jinja::Budget unlimited(jinja::Limits{UINT64_MAX, UINT64_MAX, UINT64_MAX, INT32_MAX});
    for (const auto& [key, item] : variables.items()) values.emplace(key, to_value(item, unlimited));
  } catch (const jinja::Fault& fault) {
    return invalid(fault.message, name_ + ": variables");
  }
  std::optional<jinja::Interpreter> interpreter;
  try {
    interpreter.emplace(std::move(values), options.limits, options.now ? *options.now : local_time());
    Rendered out;
    out.text = interpreter->run(tree_->body);
    for (const jinja::CharSpan& span : interpreter->generation()) out.generation.push_back({span.begin, span.end});
    return out;
  } catch (const jinja::Fault& fault) {
    return error_of(fault, name_, interpreter ? interpreter->line() : 1);
  }
}

}  // namespace linnet
