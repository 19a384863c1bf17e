// The Jinja that language models ship, as transformers runs it: jinja2 3.1 in an immutable sandbox, trim_blocks and
// lstrip_blocks set, the extensions loopcontrols and {% generation %}, the filter tojson, and the functions
// raise_exception and strftime_now. Other template files (include, import, extends) are refused.
//
// A template comes with a model file, so it is untrusted: it cannot touch anything but the variables it is given, and
// what it uses up is limited. Integers have 64 bits; overflow is an error.
// Thread safety: a Template may be rendered by many threads at once.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "base/result.hpp"
#include "text/jinja/fault.hpp"

namespace linnet {

struct RenderOptions {
  jinja::Limits limits;
  std::optional<std::tm> now;  // what strftime_now shows; the local time when absent
};

// A part of the text, in bytes.
struct RenderedSpan {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const RenderedSpan&) const = default;
};

struct Rendered {
  std::string text;
  // What stands in {% generation %} blocks, in the order in which they ended: the tokens that training counts.
  // Exact for blocks written straight into the output; a block inside a macro or a {% set %} is placed, as
  // transformers does, where the output was when it ended.
  std::vector<RenderedSpan> generation;
};

class Template {
 public:
  // `name` is for errors, which are placed at "name:line". Errors: kInvalid (syntax, not UTF-8), kUnsupported.
  static Result<Template> parse(std::string_view source, std::string name);

  // `variables` is an object. Errors are those of the template's run, at the line where it happened; when the template
  // itself refuses (raise_exception) the message says so.
  Result<Rendered> render(const Json& variables, const RenderOptions& options = {}) const;

  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }
  bool has_generation() const;

 private:
  struct Tree;
  Template(std::string name, std::string source, std::shared_ptr<const Tree> tree);

  std::string name_;
  std::string source_;
  std::shared_ptr<const Tree> tree_;
};

}  // namespace linnet
