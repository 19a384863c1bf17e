#include "cli/batch.hpp"

#include <algorithm>
#include <deque>
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

// Some lines on their way from prompt to output.
class Lines {
 public:
  Lines(std::span<const Line> lines, const std::string& name, Output& output) : output_(output) {
    for (const Line& line : lines) {
      places_.push_back(fmt::format("{}:{}", name, line.number));
      jsons_.push_back(parse_json(line.text, places_.back()));
      outputs_.emplace_back();
      auto object = jsons_.back().ok() ? JsonObject::of(*jsons_.back(), places_.back())
                                       : Result<JsonObject>(jsons_.back().error());
      if (object.ok()) {
        prompts_.push_back({line.number, *object});
        line_of_.push_back(outputs_.size() - 1);
      } else {
        set(outputs_.size() - 1, object.error());
      }
    }
  }

  // Those that can be asked.
  std::span<const BatchPrompt> prompts() const { return prompts_; }

  // Of prompt `place`.
  Status answered(size_t place, const Result<Json>& output) {
    set(line_of_[place], output);
    return put_out();
  }
  // The lines whose turn it is.
  Status put_out() {
    for (; next_ < outputs_.size() && outputs_[next_]; ++next_) TRY(output_.add(*outputs_[next_]));
    return ok_status();
  }

 private:
  void set(size_t line, const Result<Json>& output) {
    Json& out = outputs_[line].emplace(Json::object());
    const Json* id = jsons_[line].ok() && jsons_[line]->is_object() && jsons_[line]->contains("id")
                         ? &jsons_[line]->at("id")
                         : nullptr;
    if (id != nullptr && !id->is_null()) out["id"] = *id;
    if (output.ok()) {
      out.update(*output);
      return;
    }
    const std::string& place = places_[line];
    Error error = output.error().place.starts_with(place) ? output.error() : output.error().at(place);
    error.hint.clear();  // is for a person at the keyboard
    out["error"] = error.to_string();
  }

  Output& output_;
  std::deque<Result<Json>> jsons_;  // prompts look at them where they are
  std::vector<std::string> places_;
  std::vector<std::optional<Json>> outputs_;
  std::vector<BatchPrompt> prompts_;
  std::vector<size_t> line_of_;  // of each prompt
  size_t next_ = 0;
};

}  // namespace

BatchAnswers one_by_one(std::function<Result<Json>(const JsonObject& prompt)> answer) {
  return [answer = std::move(answer)](std::span<const BatchPrompt> prompts, const BatchListener& done) -> Status {
    for (size_t i = 0; i < prompts.size(); ++i) {
      auto output = answer(prompts[i].object);
      if (!output.ok() && output.error().code == ErrorCode::kCancelled) return output.error();
      TRY(done(i, std::move(output)));
    }
    return ok_status();
  };
}

Status run_batch(const BatchOptions& options, const BatchAnswers& answers, const CancelToken& cancel) {
  constexpr size_t kLinesTogether = 256;
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
    if (cancel.cancelled()) return stopped();
    const auto rest = std::span(lines).subspan(output.done());
    Lines some(rest.first(std::min(rest.size(), kLinesTogether)), name, output);
    TRY(some.put_out());
    const Status answered = answers(some.prompts(), [&](size_t place, const Result<Json>& json) -> Status {
      TRY(some.answered(place, json));
      show();
      return cancel.check();
    });
    if (!answered.ok() && answered.error().code != ErrorCode::kCancelled) return answered.error();
    if (!answered.ok() && output.done() < lines.size()) return stopped();
    show();
  }
  printer.finish();
  if (output.failed() == 0) return ok_status();
  return invalid(fmt::format("{} of {} failed", output.failed(), lines.size()), name,
                 "their lines of output say why, under \"error\"");
}

}  // namespace linnet::cli
