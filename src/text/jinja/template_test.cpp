#include "text/jinja/template.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/json.hpp"

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

// reversed() of nothing is an iterator, and Python's iterators are true.
TEST(TemplateFilters, ReversedIsTrueEvenWhereItIsEmpty) {
  for (const char* empty : {"missing", "[]", "{}"}) {
    const Result<Rendered> out = run(std::string("{{ 'y' if ") + empty + "|reverse else 'n' }}", Json::object());
    ASSERT_TRUE(out.ok()) << empty;
    EXPECT_EQ(out.value().text, "y") << empty;
  }
}

TEST(Template, EqualsJinja2OnExpressions) {
  const auto file = read_json_file(golden("expressions.json"));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const RenderOptions options = recorded_options();
  size_t failures = 0;
  for (const Json& one : (*file)["cases"]) {
    const std::string wrong = difference(one, (*file)["variables"], options);
    if (!wrong.empty() && ++failures <= 50) ADD_FAILURE() << wrong;
  }
  EXPECT_EQ(failures, 0U) << "of " << (*file)["cases"].size();
}

TEST(Template, AWrongRecordingIsNoticed) {
  const Json none = Json::object();
  EXPECT_EQ(difference(Json::parse(R"(["{{ 1 }}", "1"])"), none, {}), "");
  EXPECT_NE(difference(Json::parse(R"(["{{ 1 }}", "2"])"), none, {}), "");
  EXPECT_NE(difference(Json::parse(R"(["{{ x.y }}", null, "UndefinedError", "'z' is undefined"])"), none, {}), "");
  EXPECT_NE(difference(Json::parse(R"(["{{ 1 }}", null, "TypeError", ""])"), none, {}), "");
}

TEST(Template, ErrorsNameTheTemplateAndTheLine) {
  const auto syntax = Template::parse("a\nb\n{% if %}", "x.jinja");
  ASSERT_FALSE(syntax.ok());
  EXPECT_EQ(syntax.error().place, "x.jinja:3");
  const auto undefined = Template::parse("{% set q = 1 %}\n\n{%- if q %}\n\n{{ q.x.y }}{% endif %}", "x.jinja");
  const auto got = undefined->render(Json::object());
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().place, "x.jinja:5");
  EXPECT_EQ(got.error().message, "'int object' has no attribute 'x'");
  const auto macro = Template::parse("{% macro m() %}\n{{ 1 / 0 }}\n{% endmacro %}\n{{ m() }}", "x.jinja");
  EXPECT_EQ(macro->render(Json::object()).error().place, "x.jinja:2");
}

TEST(Template, RefusesOtherFilesByName) {
  for (const std::string tag : {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'"}) {
    const auto parsed = Template::parse("\n{% " + tag + " %}", "t");
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(parsed.error().place, "t:2");
    EXPECT_NE(parsed.error().message.find(tag.substr(0, tag.find(' '))), std::string::npos);
  }
}

TEST(Template, IntegersOfMoreThan64BitsAreAnError) {
  for (const std::string expression :
       {"9223372036854775807 + 1", "-9223372036854775807 - 2", "2 ** 63", "9223372036854775807 * 2", "1e300 | int",
        "9223372036854775808", "'9223372036854775808' | int", "(-9223372036854775807 - 1) // -1",
        "-(-9223372036854775807 - 1)", "(-9223372036854775807 - 1) | abs", "[9223372036854775807, 1] | sum",
        "99999999999 ** 99999999999", "'%d' % 1e30"}) {
    const auto got = run("{{ " + expression + " }}", Json::object());
    ASSERT_FALSE(got.ok()) << expression << " gave " << got->text;
    EXPECT_EQ(got.error().code, ErrorCode::kUnsupported) << got.error().to_string();
  }
  EXPECT_EQ(run("{{ -9223372036854775807 - 1 }} {{ 2 ** 62 }}", Json::object())->text,
            "-9223372036854775808 4611686018427387904");
  Json big = Json::object();
  big["x"] = UINT64_MAX;
  EXPECT_FALSE(run("{{ x }}", big).ok());
}

TEST(Template, LongDivisionIsPythons) {
  // Rounded once, from the exact quotient.
  EXPECT_EQ(run("{{ 9007199254740993 / 1 }} {{ 9223372036854775807 / 3 }}", Json::object())->text,
            "9007199254740992.0 3.0744573456182584e+18");
}

// Templates that would take all time or all memory.
class Hostile : public testing::TestWithParam<const char*> {};

TEST_P(Hostile, IsStopped) {
  const auto got = run(GetParam(), Json::parse(R"({"deep": [[[[1]]]], "s": "abc"})"));
  ASSERT_FALSE(got.ok()) << got->text.size();
  // The interpreter gave up by itself; nothing is wrong with the template's syntax.
  EXPECT_EQ(got.error().message.find("syntax"), std::string::npos) << got.error().to_string();
}

INSTANTIATE_TEST_SUITE_P(
    Template, Hostile,
    testing::Values(
        "{{ 'a' * 10 ** 9 }}", "{{ [1] * 10 ** 12 }}", "{{ ('ab' * 10 ** 9) | length }}", "{{ range(10 ** 12) }}",
        "{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(64) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | "
        "tojson }}",
        "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}"
        "{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "{% set ns = namespace(d={}) %}{% for i in range(100000) %}{% set ns.d = {'k': ns.d} %}{% endfor %}",
        "{% set ns = namespace(t=()) %}{% for i in range(100000) %}{% set ns.t = (ns.t,) %}{% endfor %}",
        "{% set ns = namespace(g=[1]) %}{% for i in range(100000) %}{% set ns.g = ns.g | map('abs') %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.n = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.n = [ns] %}{{ ns }}",
        "{% set ns = namespace(t=(1,)) %}{% for i in range(99) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} "
        "}}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ ns.l in d "
        "}}"
        "{{ {ns.l: 1} }}",
        "{% for i in range(99999) %}{{ ('a' * 10 ** 6) in ('b' * 10 ** 6) }}{% endfor %}",
        "{% set a = 'a' * 10 ** 6 %}{% for i in range(9) %}{{ a.rfind('b' ~ a[:500000]) }}{% endfor %}",
        "{% set a = 'a' * 10 ** 6 %}{% set d = {a: 1} %}{% for i in range(99999) %}{% for j in range(99999) %}"
        "{{ d[a] }}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
        "{% macro m(x) %}{{ [m] | map('default') | list }}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = ns.l + [i] %}{% endfor %}",
        "{{ 'abc' | center(10 ** 10) }}", "{{ 'abc'.ljust(10 ** 10) }}", "{{ 'abc'.zfill(10 ** 10) }}",
        "{{ '%1000000000s' % 1 }}", "{{ '%.*f' % (10 ** 9, 1.5) }}", "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:.999999999f}'.format(1.5) }}", "{{ '\t'.expandtabs(10 ** 10) }}", "{{ 'a' | indent(10 ** 10, true) }}",
        "{{ [1] | tojson(indent=10 ** 10) }}", "{{ [1] | batch(10 ** 10, 0) | list }}",
        "{{ [1] | slice(10 ** 9) | list }}", "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
        "{{ ('a,' * 100000).split(',') | join('b' * 100000) }}", "{{ ('b' * 100000).join('a' * 100000) }}",
        "{{ s.replace('', s * 10 ** 8) }}",
        "{{ ('x' * 10 ** 6 ~ 'é')[5] if false else '' }}{% for i in range(99999) %}{{ ('x' * 10 ** 6 ~ 'é')[5] }}{% "
        "endfor %}",
        "{{ dict.fromkeys(range(100000)) == dict.fromkeys(range(100000)) }}"
        "{% for i in range(99999) %}{{ dict.fromkeys(range(100000)) }}{% endfor %}",
        "{{ range(100000) | map('string') | map('center', 100000) | join }}"));

TEST(Template, DeepSyntaxIsRefusedNotRecursedInto) {
  const auto many = [](std::string_view piece, size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) out += piece;
    return out;
  };
  constexpr size_t kDeep = 100'000;
  for (const std::string& source : {"{{ " + many("(", kDeep) + "1" + many(")", kDeep) + " }}",
                                    "{{ " + many("[", kDeep),
                                    "{{ " + many("{1:", kDeep),
                                    "{{ " + many("not ", kDeep) + "1 }}",
                                    "{{ " + many("-", kDeep) + "1 }}",
                                    "{{ 1" + many(" + 1", kDeep) + " }}",
                                    "{{ 1" + many(" ** 1", kDeep) + " }}",
                                    "{{ x" + many(".x", kDeep) + " }}",
                                    "{{ x" + many("[0]", kDeep) + " }}",
                                    "{{ x" + many("()", kDeep) + " }}",
                                    "{{ x" + many("|abs", kDeep) + " }}",
                                    "{{ x" + many(" is odd", kDeep) + " }}",
                                    "{{ 1" + many(" if 1 else 1", kDeep) + " }}",
                                    "{{ 1" + many(" if 1", kDeep) + " }}",
                                    "{{ 1" + many(" and 1", kDeep) + " }}",
                                    "{{ f(" + many("f(", kDeep),
                                    "{{ x is eq" + many(" x is eq", kDeep),
                                    many("{% if 1 %}", kDeep),
                                    many("{% for x in y %}", kDeep),
                                    many("{% macro m() %}", kDeep),
                                    many("{% filter upper %}", kDeep),
                                    many("{% set x %}", kDeep),
                                    "{% for " + many("(", kDeep) + "x in y %}",
                                    "{% set " + many("(", kDeep),
                                    "{% filter " + many("upper|", kDeep) + "upper %}{% endfilter %}"}) {
    const auto parsed = Template::parse(source, "t");
    EXPECT_FALSE(parsed.ok()) << source.substr(0, 60);
  }
  // Long is not deep.
  EXPECT_EQ(run("{{ ''" + many(" ~ 'a'", kDeep) + " }}", Json::object())->text.size(), kDeep);
  EXPECT_EQ(run(many("{% if false %}{% endif %}", 5000) + "x", Json::object())->text, "x");
  EXPECT_EQ(run("{% if 0 %}" + many("{% elif 0 %}", 5000) + "{% else %}x{% endif %}", Json::object())->text, "x");
}

TEST(Template, LongInputIsLinear) {
  Json variables = Json::object();
  variables["s"] = std::string(1 << 20, 'a');
  variables["u"] = "";
  for (int i = 0; i < 1 << 18; ++i) variables["u"].get_ref<std::string&>() += "é";
  EXPECT_EQ(run("{{ s | length }} {{ u | upper | length }} {{ u[::-1] | length }} {{ s | replace('a', 'bb') | length }}"
                "{{ (s | trim('a')) | length }}{{ s.split('a') | length }}",
                variables)
                ->text,
            "1048576 262144 262144 209715201048577");
  EXPECT_EQ(run("{{ (s[:500000] ~ 'b') in s }}{{ s.find(s[:500000] ~ 'b') }}{{ s.count(s[:500000] ~ 'b') }}", variables)
                ->text,
            "False-10");
  // Tags that never close, and text that nearly is one.
  for (const std::string piece : {"{%", "{{", "{#", "{% raw %}", "{%   ", "{{ '", "{{ \"\\", "{", "   \n", "{%- raw"}) {
    std::string source;
    while (source.size() < 1 << 18) source += piece;
    (void)Template::parse(source, "t").ok();
  }
}

TEST(Template, BadUtf8IsAnError) {
  EXPECT_FALSE(Template::parse("a\xff", "t").ok());
  Json variables = Json::object();
  variables["x"] = "\xc3";
  EXPECT_FALSE(run("{{ x }}", variables).ok());
  EXPECT_FALSE(run("{{ '\\ud800' }}", Json::object()).ok());
  EXPECT_FALSE(run("x", Json::array()).ok());
}

TEST(Template, LimitsAreTheCallers) {
  RenderOptions options;
  options.limits.output = 10;
  EXPECT_TRUE(run("0123456789", Json::object(), options).ok());
  EXPECT_FALSE(run("0123456789a", Json::object(), options).ok());
  options = {};
  options.limits.steps = 500;
  EXPECT_TRUE(run("{% for i in range(5) %}{% endfor %}", Json::object(), options).ok());
  EXPECT_FALSE(run("{% for i in range(500) %}{% endfor %}", Json::object(), options).ok());
}

}  // namespace
}  // namespace linnet
