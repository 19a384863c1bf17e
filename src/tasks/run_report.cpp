#include "tasks/run_report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>
#include <map>

#include "base/progress.hpp"
#include "base/strings.hpp"
#include "train/step_log.hpp"

namespace linnet {

namespace {

constexpr size_t kMostPoints = 400;

using Points = std::vector<std::pair<double, double>>;

// Means of equal stretches, where there are too many to draw.
Points thinned(const Points& points) {
  if (points.size() <= kMostPoints) return points;
  Points out;
  for (size_t i = 0; i < kMostPoints; ++i) {
    const size_t begin = i * points.size() / kMostPoints;
    const size_t end = (i + 1) * points.size() / kMostPoints;
    double x = 0;
    double y = 0;
    for (size_t j = begin; j < end; ++j) {
      x += points[j].first;
      y += points[j].second;
    }
    const auto count = static_cast<double>(end - begin);
    out.emplace_back(x / count, y / count);
  }
  return out;
}

struct Axis {
  double low = INFINITY;
  double high = -INFINITY;

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // A step between ticks of 1, 2 or 5 times a power of ten, for about `count` of them.
  double tick(int count) const {
    // Far above what a double tells apart, so that ticks move on.
    const double rough = std::max({high - low, std::abs(high) * 1e-9, 1e-12}) / count;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor * power >= rough) return factor * power;
    }
    return 10 * power;
  }
};

// Where things lie in a chart, in SVG units.
constexpr double kWidth = 720;
constexpr double kHeight = 260;
constexpr double kLeft = 64;
constexpr double kRight = 12;
constexpr double kTop = 30;
constexpr double kBottom = 30;

struct Frame {
  Axis x;
  Axis y;

  double at_x(double value) const {
    return kLeft + (value - x.low) / std::max(x.high - x.low, 1e-12) * (kWidth - kLeft - kRight);
  }
  double at_y(double value) const {
    return kHeight - kBottom - (value - y.low) / std::max(y.high - y.low, 1e-12) * (kHeight - kTop - kBottom);
  }
};

std::string grid(const Frame& frame, int digits) {
  std::string svg;
  const double y_tick = frame.y.tick(4);
  for (double value = std::ceil(frame.y.low / y_tick) * y_tick; value <= frame.y.high; value += y_tick) {
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{:.{}f}</text>",
        kLeft, frame.at_y(value), kWidth - kRight, kLeft - 6, frame.at_y(value) + 4, value, digits);
  }
  const double x_tick = std::max(1.0, frame.x.tick(6));
  for (double value = std::ceil(frame.x.low / x_tick) * x_tick; value <= frame.x.high; value += x_tick) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>", frame.at_x(value),
                       kHeight - kBottom + 18, value);
  }
  return svg;
}

double number_of(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : NAN;
}

// How many steps were done when the line was written; NAN where it does not say.
double steps_of(const Json& line) {
  return number_of(line, "step") + (line.contains("kept") ? 0 : 1);
}

// The values of `key` over the steps, from 1.
Points points_of(const std::vector<Json>& lines, const char* key) {
  Points points;
  for (const Json& line : lines) {
    const double value = number_of(line, key);
    const double steps = steps_of(line);
    if (std::isfinite(value) && std::isfinite(steps)) points.emplace_back(steps, value);
  }
  return points;
}

constexpr const char* kBlue = "#2563a8";
constexpr const char* kOrange = "#d9721a";
constexpr const char* kGreen = "#3a8a4d";
constexpr const char* kGrey = "#777777";

// A curve for each score of what was held out.
std::vector<Curve> scores_of(const std::vector<Json>& metrics) {
  constexpr std::array kColours{kBlue, kOrange, kGreen, kGrey};
  std::map<std::string, Points> points;
  for (const Json& line : metrics) {
    const auto scores = line.find("scores");
    if (scores == line.end() || !scores->is_object()) continue;
    for (const auto& [name, value] : scores->items()) {
      const double number = number_of(*scores, name.c_str());
      const double steps = steps_of(line);
      if (std::isfinite(number) && std::isfinite(steps)) points[name].emplace_back(steps, number);
    }
  }
  std::vector<Curve> curves;
  curves.reserve(points.size());
  for (auto& [name, of_one] : points) curves.push_back({name, kColours[curves.size() % kColours.size()], of_one});
  return curves;
}

Points speeds_of(const std::vector<Json>& times) {
  Points points;
  for (const Json& line : times) {
    const double speed = number_of(line, "tokens") / number_of(line, "seconds");
    const double step = number_of(line, "step");
    if (std::isfinite(speed) && speed > 0 && std::isfinite(step)) points.emplace_back(step + 1, speed);
  }
  return points;
}

constexpr const char* kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "svg{width:100%;height:auto;margin:.5em 0}svg text{font:12px system-ui,sans-serif;fill:#555}"
    "svg .title{font-size:14px;fill:#222;font-weight:600}.grid{stroke:#e4e4e4;fill:none}"
    "pre{background:#f6f6f4;padding:.8em;white-space:pre-wrap;overflow-wrap:anywhere}"
    "table{border-collapse:collapse}td,th{padding:.15em 1.2em .15em 0;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{font-weight:500;color:#555}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1c1c1c}svg text,th{fill:#aaa;color:#aaa}"
    "svg .title{fill:#ddd}.grid{stroke:#383838}pre{background:#262626}}";

void add_rows(const Json& object, const std::string& prefix, std::string& html) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      add_rows(value, prefix + key + ".", html);
      continue;
    }
    const std::string text = value.is_string() ? value.get<std::string>() : dump_json(value);
    html += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", html_escaped(prefix + key), html_escaped(text));
  }
}

// Of a number of steps that were done.
std::string when_of(double steps) {
  return steps == 0 ? "before the first step" : fmt::format("after step {:.0f}", steps);
}

std::string samples_of(const std::vector<Json>& lines) {
  constexpr size_t kMostSamples = 12;  // the last is always among them
  std::string html;
  const size_t count = std::min(lines.size(), kMostSamples);
  for (size_t i = 0; i < count; ++i) {
    const Json& line = lines[count == 1 ? lines.size() - 1 : i * (lines.size() - 1) / (count - 1)];
    const auto text = line.find("text");
    if (text == line.end() || !text->is_string()) continue;
    html += fmt::format("<h3>{}</h3>\n<pre>{}</pre>\n", line.contains("kept") ? "at the end" : when_of(steps_of(line)),
                        html_escaped(text->get<std::string>()));
  }
  return html.empty() ? html : "<h2>What it writes</h2>\n" + html;
}

std::string summary_of(const Points& loss, const Points& held_out, const std::vector<Json>& times) {
  std::string html;
  if (!loss.empty()) {
    html += fmt::format("{:.0f} steps, the last at a loss of {:.4f}", loss.back().first, loss.back().second);
  }
  if (!held_out.empty()) {
    const auto best = std::min_element(held_out.begin(), held_out.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    html +=
        fmt::format("; held out {:.4f}, at best {:.4f} {}", held_out.back().second, best->second, when_of(best->first));
  }
  double seconds = 0;
  for (const Json& line : times) {
    if (const double one = number_of(line, "seconds"); std::isfinite(one)) seconds += one;
  }
  if (seconds > 0) html += "; " + format_duration(seconds) + " of steps";
  return html;
}

}  // namespace

std::string svg_chart(const std::string& title, const std::vector<Curve>& curves, int digits) {
  Frame frame;
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : thinned(curve.points)) {
      frame.x.take(x);
      frame.y.take(y);
    }
  }
  if (!(frame.x.low <= frame.x.high)) return "";
  std::string svg = fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\"><title>{}</title>", kWidth, kHeight,
                                html_escaped(title));
  svg += fmt::format("<text class=\"title\" x=\"{:.0f}\" y=\"18\">{}</text>", kLeft, html_escaped(title));
  svg += grid(frame, digits);
  double legend = kWidth - kRight;
  for (const Curve& curve : curves) {
    std::string path;
    for (const auto& [x, y] : thinned(curve.points)) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", frame.at_x(x), frame.at_y(y));
    }
    svg += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"/>", path, curve.colour);
    if (curves.size() < 2) continue;
    svg += fmt::format("<text x=\"{:.0f}\" y=\"18\" text-anchor=\"end\" style=\"fill:{}\">{}</text>", legend,
                       curve.colour, html_escaped(curve.name));
    constexpr double kLetter = 7.5;
    legend -= kLetter * static_cast<double>(curve.name.size()) + 20;
  }
  return svg + "</svg>\n";
}

Result<std::string> run_report(const RunVersion& version) {
  TRY_ASSIGN(const std::vector<Json> metrics, read_step_log(version.folder / "metrics.jsonl"));
  TRY_ASSIGN(const std::vector<Json> times, read_step_log(version.folder / "times.jsonl"));
  TRY_ASSIGN(const std::vector<Json> samples, read_step_log(version.folder / "samples.jsonl"));
  const Points loss = points_of(metrics, "loss");
  const Points held_out = points_of(metrics, "held_out");
  const std::string name = fmt::format("{}, version {}", version.name, version.number);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style></head><body>\n<h1>{0}</h1>\n<p>{2}</p>\n",
      html_escaped(name), kStyle, summary_of(loss, held_out, times));
  html += svg_chart("Loss, in nats a token", {{"training", kBlue, loss}, {"held out", kOrange, held_out}}, 2);
  html += svg_chart("Scores of what was held out", scores_of(metrics), 2);
  html += svg_chart("Tokens a second", {{"speed", kGreen, speeds_of(times)}}, 0);
  html += svg_chart("Learning rate", {{"rate", kGrey, points_of(metrics, "rate")}}, 6);
  html += svg_chart("Norm of the gradients", {{"norm", kGrey, points_of(metrics, "norm")}}, 2);
  html += samples_of(samples);
  html += "<h2>What was chosen</h2>\n<table>\n";
  add_rows(version.info, "", html);
  return html + "</table>\n</body></html>\n";
}

}  // namespace linnet
