#include "cli/batch.hpp"

#include <fmt/core.h>
#include <optional>
#include <vector>

#include "base/file.hpp"
#include "base/part_file.hpp"
#include "base/progress.hpp"
#include "cli/common.hpp"

namespace linnet::cli {

namespace {

struct Line {
  size_t number;  // from 1
  std::string_view text;
};

std::vector<Line> lines_with_text(std::string_view text) {
  std::vector<Line> lines;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != line.npos) lines.push_back({number, line});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Where the lines go, and what an earlier run left there.
class Output {
 public:
  static Result<Output> open(const BatchOptions& options) {
    Output output;
    if (options.output.empty()) return output;
    auto earlier = read_file(options.output);
    if (!earlier.ok() && earlier.error().code != ErrorCode::kNotFound) return earlier.error();
    if (earlier.ok() && !earlier->empty()) {
      if (!options.resume) {
        return usage_error(options.output + " is there already",
                           "go on with it by --resume, or give another name to --output");
      }
      TRY(output.take_over(*earlier, options.output));
    }
    TRY_ASSIGN(PartFile file, PartFile::open(options.output));
    output.file_ = std::move(file);
    return output;
  }

  size_t done() const { return done_; }
  size_t failed() const { return failed_; }

  Status add(const Json& line) {
    const std::string text = dump_json(line) + "\n";
    if (file_) {
      TRY(file_->append(std::as_bytes(std::span(text))));
    } else {
      TRY(print(text));
    }
    ++done_;
    if (line.contains("error")) ++failed_;
    return ok_status();
  }

 private:
  Status take_over(const std::string& text, const std::string& path) {
    // A run that was killed may have left the beginning of a line.
    const std::string whole = text.substr(0, text.rfind('\n') + 1);
    for (const Line& line : lines_with_text(whole)) {
      TRY_ASSIGN(const Json json, parse_json(line.text, fmt::format("{}:{}", path, line.number)));
      ++done_;
      if (json.contains("error")) ++failed_;
    }
    return whole.size() < text.size() ? write_file(path, whole) : ok_status();
  }

  std::optional<PartFile> file_;
  size_t done_ = 0;
  size_t failed_ = 0;
};

// The output for one line; an error only where the batch must end.
Result<Json> answer_line(const Line& line, const std::string& place, const BatchAnswer& answer) {
  Json out = Json::object();
  const auto attempt = [&]() -> Result<Json> {
    TRY_ASSIGN(const Json json, parse_json(line.text, place));
    TRY_ASSIGN(const JsonObject prompt, JsonObject::of(json, place));
    if (const Json* id = prompt.find("id")) out["id"] = *id;
    return answer(prompt);
  };
  const auto result = attempt();
  if (!result.ok() && result.error().code == ErrorCode::kCancelled) return result.error();
  if (result.ok()) {
    out.update(*result);
  } else {
    Error error = result.error().place.starts_with(place) ? result.error() : result.error().at(place);
    error.hint.clear();  // is for a person at the keyboard
    out["error"] = error.to_string();
  }
  return out;
}

}  // namespace

Status run_batch(const BatchOptions& options, const BatchAnswer& answer, const CancelToken& cancel) {
  TRY_ASSIGN(const std::string text, options.input == "-" ? read_stdin() : read_file(options.input));
  const std::vector<Line> lines = lines_with_text(text);
  TRY_ASSIGN(Output output, Output::open(options));
  const std::string name = options.input == "-" ? "standard input" : options.input;
  if (output.done() > lines.size()) {
    return usage_error(fmt::format("{} holds {} lines, more than the {} prompts of {}", options.output, output.done(),
                                   lines.size(), name),
                       "give the file of prompts that it was made from");
  }
  auto printer = ProgressPrinter::for_stderr();
  RateMeter meter;
  Progress progress{.stage = "answering", .item = name, .total = lines.size(), .unit = ProgressUnit::kCount};
  const auto show = [&] {
    progress.done = output.done();
    meter.fill(progress, RateMeter::Clock::now());
    if (options.progress) printer.update(progress);
  };
  const auto stopped = [&] {
    printer.finish();
    return Error{ErrorCode::kCancelled,
                 fmt::format("stopped: {} of {} are done", output.done(), lines.size()),
                 {},
                 options.output.empty() ? "" : "go on with: --resume"};
  };
  show();
  while (output.done() < lines.size()) {
    const Line& line = lines[output.done()];
    if (cancel.cancelled()) return stopped();
    const auto result = answer_line(line, fmt::format("{}:{}", name, line.number), answer);
    if (!result.ok()) return stopped();
    TRY(output.add(*result));
    show();
  }
  printer.finish();
  if (output.failed() == 0) return ok_status();
  return invalid(fmt::format("{} of {} failed", output.failed(), lines.size()), name,
                 "their lines of output say why, under \"error\"");
}

}  // namespace linnet::cli
