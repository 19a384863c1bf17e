#include "text/jinja/template.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.hpp"

namespace linnet {
namespace {

// Where the recordings lie: in the repository, or where the check against live peers has just made them.
std::string golden(const std::string& name) {
  const char* fresh = std::getenv("LINNET_GOLDEN_TEMPLATES");
  return (fresh ? std::string(fresh) : LINNET_SOURCE_DIR "/tests/golden/templates") + "/" + name;
}

// The moment at which the recordings were made: Saturday, 7 March 2026, 09:05:03.
RenderOptions recorded_options() {
  RenderOptions options;
  std::tm now{};
  now.tm_year = 126;
  now.tm_mon = 2;
  now.tm_mday = 7;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 3;
  now.tm_wday = 6;
  now.tm_yday = 65;
  options.now = now;
  return options;
}

Result<Rendered> run(const std::string& source, const Json& variables, const RenderOptions& options = {}) {
  TRY_ASSIGN(const Template parsed, Template::parse(source, "t"));
  return parsed.render(variables, options);
}

// What a case should give and gives instead; empty when they agree. A case is [template, text], or
// [template, null, the class of Python's exception, its message].
std::string difference(const Json& one, const Json& variables, const RenderOptions& options) {
  const auto source = one[0].get<std::string>();
  const Result<Rendered> got = run(source, variables, options);
  if (one[1].is_string()) {
    const auto want = one[1].get<std::string>();
    if (!got.ok()) return fmt::format("{}\n  want {}\n  got error {}", source, want, got.error().to_string());
    return got->text == want ? "" : fmt::format("{}\n  want {}\n  got  {}", source, want, got->text);
  }
  const auto message = one[3].get<std::string>();
  const auto kind = one[2].get<std::string>();
  if (got.ok()) return fmt::format("{}\n  want {}: {}\n  got  {}", source, kind, message, got->text);
  // What a person reads when a chat template complains must be the same words.
  const bool exact = kind == "UndefinedError" || kind == "TemplateError" || kind == "TemplateSyntaxError";
  const bool same = got.error().message.find(message) != std::string::npos;
  return exact && !same ? fmt::format("{}\n  want {}: {}\n  got  {}", source, kind, message, got.error().to_string())
                        : "";
}

TEST(Template, EqualsJinja2OnExpressions) {
  const auto file = read_json_file(golden("expressions.json"));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const RenderOptions options = recorded_options();
  size_t failures = 0;
  for (const Json& one : (*file)["cases"]) {
    const std::string wrong = difference(one, (*file)["variables"], options);
    if (!wrong.empty() && ++failures <= 20000) ADD_FAILURE() << wrong;
  }
  EXPECT_EQ(failures, 0U) << "of " << (*file)["cases"].size();
}

}  // namespace
}  // namespace linnet
