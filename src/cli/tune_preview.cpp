// linnet tune --preview: what would be learned, and how, before anything is.
#include <algorithm>
#include <fmt/core.h>

#include "base/terminal.hpp"
#include "base/utf8.hpp"
#include "cli/common.hpp"
#include "cli/tune_common.hpp"

namespace linnet::cli {

namespace {

constexpr size_t kShown = 2;  // samples

std::string heading(const Dataset& dataset, std::string_view method) {
  std::string text = fmt::format("{}, learned by --method {}\n", form_name(dataset.form), method);
  for (const std::string& said : dataset.said) text += said + "\n";
  return text;
}

std::string_view method_of(const Tuner& tuner) {
  if (const auto preference = tuner.plan().method) return preference_method_name(*preference);
  switch (tuner.pupil().learns) {
    case Learns::kAdapter:
      return "lora";
    case Learns::kLastLayers:
      return "last";
    case Learns::kEverything:
      return "full";
  }
  return "";
}

// Its beginning, whole characters.
std::string shown(std::string text) {
  constexpr size_t kLongest = 1000;  // bytes
  if (text.size() > kLongest) {
    text.resize(kLongest);
    text.resize(kLongest - incomplete_utf8_tail(text));
    text += " …";
  }
  return without_controls(text);
}

}  // namespace

Status show_preview(const Tuner& tuner) {
  return print(heading(tuner.dataset(), method_of(tuner)) + tuner.preview(kShown, stdout_has_colour()));
}

Status show_preview(const Dataset& dataset, std::string_view method, const RowNames& names) {
  std::string text = heading(dataset, method);
  for (size_t i = 0; i < std::min(kShown, dataset.train.size()); ++i) {
    const Sample& sample = dataset.train[i];
    text += fmt::format("— {} —\n{}: {}\n{}: {}\n", sample.place, names.first, shown(phrasing_of(sample)), names.second,
                        shown(answer_of(sample)));
  }
  return print(text);
}

}  // namespace linnet::cli
