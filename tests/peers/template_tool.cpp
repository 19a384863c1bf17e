// Renders templates for the comparison with jinja2 (tests/peers/templates.py).
//
//   template_tool    stdin: JSON lines {"source", "variables"}; stdout: {"text", "spans"} or {"error"} each
#include <iostream>

#include "base/json.hpp"
#include "text/jinja/template.hpp"

namespace linnet {
namespace {

Result<Rendered> render(const Json& job) {
  TRY_ASSIGN(const Template parsed, Template::parse(job.at("source").get<std::string>(), "template"));
  RenderOptions options;
  // The moment at which tests/golden/make_templates.py stops the clock.
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
  return parsed.render(job.at("variables"), options);
}

}  // namespace
}  // namespace linnet

int main() {
  using linnet::Json;
  for (std::string line; std::getline(std::cin, line);) {
    const auto job = linnet::parse_json(line, "stdin");
    if (!job.ok()) {
      std::cerr << job.error().to_string() << '\n';
      return 1;
    }
    const auto got = linnet::render(*job);
    Json out = Json::object();
    if (got.ok()) {
      out["text"] = got->text;
      out["spans"] = Json::array();
      for (const auto& span : got->generation) out["spans"].push_back({span.begin, span.end});
    } else {
      out["error"] = got.error().to_string();
    }
    std::cout << linnet::dump_json(out) << '\n';
  }
  return 0;
}
