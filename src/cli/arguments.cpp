#include "cli/arguments.hpp"

#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <type_traits>

#include <CLI/CLI.hpp>

namespace linnet::cli {

namespace {

template <class T>
bool is_whole(const std::string& text, T& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return false;
  if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);  // no range holds "nan"
  return true;
}

// An option whose text must be a T before CLI11 sees it: it takes "-1" for the largest unsigned number, and its own
// complaint does not say what it wanted.
template <class T, class Value>
CLI::Option* add_number(CLI::App& app, const std::string& name, Value& value, const std::string& help,
                        const char* kind) {
  CLI::Option* option = app.add_option(name, value, help);
  if constexpr (std::is_arithmetic_v<Value>) option->capture_default_str();
  option->check([kind](const std::string& text) {
    T number{};
    return is_whole(text, number) ? std::string() : std::string("must be ") + kind + ", got " + text;
  });
  return option;
}

constexpr const char* kWhole = "a whole number";
constexpr const char* kUnsigned = "a whole number, 0 or more";
constexpr const char* kNumber = "a number";

template <class T>
bool is_within(const std::string& text, T low, T high) {
  T number{};
  return is_whole(text, number) && number >= low && number <= high;
}

// CLI11's own check would put type and range into --help, and say the range in six decimals.
template <class T>
void check_range(CLI::Option& option, T low, T high) {
  option.check([low, high](const std::string& text) {
    return is_within(text, low, high) ? std::string() : fmt::format("must be from {} to {}, got {}", low, high, text);
  });
}

}  // namespace

const Argument& Argument::required() const {
  option_->required();
  return *this;
}

const Argument& Argument::in_range(int low, int high) const {
  check_range(*option_, low, high);
  return *this;
}

const Argument& Argument::in_range(double low, double high) const {
  check_range(*option_, low, high);
  return *this;
}

const Argument& Argument::in_range_or_minus_one(double low, double high) const {
  option_->check([low, high](const std::string& text) {
    if (is_within(text, -1.0, -1.0) || is_within(text, low, high)) return std::string();
    return fmt::format("must be from {} to {}, or -1, got {}", low, high, text);
  });
  return *this;
}

const Argument& Argument::positive() const {
  // CLI11's own message spells out the largest double.
  option_->check([](const std::string& text) {
    return CLI::PositiveNumber(text).empty() ? std::string() : "must be above 0, got " + text;
  });
  return *this;
}

const Argument& Argument::not_empty() const {
  option_->check([](const std::string& text) {
    return text.empty() ? std::string("must be a name, and is empty: is a variable not set?") : std::string();
  });
  return *this;
}

const Argument& Argument::non_negative() const {
  option_->check([](const std::string& text) {
    return CLI::NonNegativeNumber(text).empty() ? std::string() : "must be 0 or more, got " + text;
  });
  return *this;
}

const Argument& Argument::one_of(const std::vector<std::string>& values) const {
  CLI::IsMember check(values);
  check.description("");
  option_->check(check);
  return *this;
}

const Argument& Argument::under(const std::string& heading) const {
  option_->group(heading);
  return *this;
}

Argument Arguments::add(const std::string& name, std::string& value, const std::string& help) {
  return Argument(app_->add_option(name, value, help)->capture_default_str());
}

Argument Arguments::add(const std::string& name, std::vector<std::string>& value, const std::string& help) {
  return Argument(app_->add_option(name, value, help));
}

Argument Arguments::add(const std::string& name, int32_t& value, const std::string& help) {
  return Argument(add_number<int32_t>(*app_, name, value, help, kWhole));
}

Argument Arguments::add(const std::string& name, int64_t& value, const std::string& help) {
  return Argument(add_number<int64_t>(*app_, name, value, help, kWhole));
}

Argument Arguments::add(const std::string& name, uint64_t& value, const std::string& help) {
  return Argument(add_number<uint64_t>(*app_, name, value, help, kUnsigned));
}

Argument Arguments::add(const std::string& name, std::vector<int64_t>& value, const std::string& help) {
  return Argument(add_number<int64_t>(*app_, name, value, help, kWhole));
}

Argument Arguments::add(const std::string& name, float& value, const std::string& help) {
  return Argument(add_number<float>(*app_, name, value, help, kNumber));
}

Argument Arguments::add(const std::string& name, double& value, const std::string& help) {
  return Argument(add_number<double>(*app_, name, value, help, kNumber));
}

Argument Arguments::flag(const std::string& name, bool& value, const std::string& help) {
  return Argument(app_->add_flag(name, value, help));
}

void Arguments::notes(const std::string& text) {
  app_->footer(text);
}

bool Arguments::given(const std::string& name) const {
  return app_->get_option(name)->count() > 0;
}

std::optional<std::string> Arguments::typed(const std::string& name) const {
  if (!given(name)) return std::nullopt;
  return app_->get_option(name)->as<std::string>();
}

std::vector<ArgumentKind> list_arguments(const std::function<void(Arguments&)>& declare) {
  CLI::App app;
  Arguments arguments(app);
  declare(arguments);
  std::vector<ArgumentKind> kinds;
  for (const CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr()) continue;
    kinds.push_back({option->get_name(), option->get_items_expected_min() > 0, option->get_items_expected_max() > 1});
  }
  return kinds;
}

}  // namespace linnet::cli
