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

// The prompts, and the name that errors give their file.
struct Input {
  std::string name;
  std::vector<Line> lines;
};

// A prompt's "id"; null where it has none.
Json id_of(const Json& prompt) {
  return prompt.is_object() && prompt.contains("id") ? prompt["id"] : Json();
}

bool is_answer(const Json& json) {
  return json.is_object() && (json.contains("finish_reason") || json.contains("error"));
}

// Whether `answer` may be one to `prompt`.
bool fits_prompt(const Json& answer, const Line& prompt, const BatchFits& fits) {
  const auto parsed = parse_json(prompt.text, {});
  const auto object = parsed.ok() ? JsonObject::of(*parsed, {}) : Result<JsonObject>(parsed.error());
  const Json id = object.ok() ? id_of(*parsed) : Json();
  if (id_of(answer) != id) return false;
  if (answer.contains("error")) return true;  // it may be another model's word
  return object.ok() && (!id.is_null() || !fits || fits(*object, answer));
}

// Whether `piece` may be what a run that was killed left of the line for `prompt`.
bool may_be_begun(std::string_view piece, const Line& prompt) {
  const auto parsed = parse_json(prompt.text, {});
  const Json id = parsed.ok() ? id_of(*parsed) : Json();
  const std::string before = id.is_null() ? "{" : "{\"id\":" + dump_json(id) + ",";
  for (const char* first : {"\"text\":", "\"error\":"}) {
    const std::string beginning = before + first;
    if (piece.starts_with(beginning) || beginning.starts_with(piece)) return true;
  }
  return false;
}

// What an earlier run left in its output.
struct Earlier {
  size_t done = 0;
  size_t failed = 0;
  uint64_t bytes = 0;  // of the lines that are whole
};

// Looks whether `text` of `path` is answers to the first prompts and nothing else: whatever else it is stays as it is.
Result<Earlier> look_at_earlier(std::string_view text, const std::string& path, const Input& input,
                                const BatchFits& fits) {
  const auto refuse = [&](size_t line) {
    return invalid(fmt::format("is no answer to a prompt of {}", input.name), fmt::format("{}:{}", path, line),
                   "nothing was changed; give another name to --output");
  };
  Earlier earlier{.bytes = text.rfind('\n') + 1};
  const std::string_view piece = text.substr(earlier.bytes);
  for (const Line& line : lines_with_text(text.substr(0, earlier.bytes))) {
    const auto answer = parse_json(line.text, {});
    if (!answer.ok() || !is_answer(*answer)) return refuse(line.number);
    if (earlier.done < input.lines.size() && !fits_prompt(*answer, input.lines[earlier.done], fits)) {
      return invalid(fmt::format("is no answer to {}:{}", input.name, input.lines[earlier.done].number),
                     fmt::format("{}:{}", path, line.number),
                     "give the file of prompts and the model that it was made with, or another name to --output");
    }
    ++earlier.done;
    if (answer->contains("error")) ++earlier.failed;
  }
  const size_t lines = earlier.done + (piece.empty() ? 0 : 1);
  if (lines > input.lines.size()) {
    return usage_error(
        fmt::format("{} holds {} lines, more than the {} prompts of {}", path, lines, input.lines.size(), input.name),
        "give the file of prompts that it was made from");
  }
  if (!piece.empty() && !may_be_begun(piece, input.lines[earlier.done])) {
    return refuse(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  }
  return earlier;
}

// Where the lines go, and what an earlier run left there.
class Output {
 public:
  static Result<Output> open(const BatchOptions& options, const Input& input, const BatchFits& fits) {
    Output output;
    if (options.output.empty()) return output;
    const std::filesystem::path source = options.input == "-" ? "/dev/stdin" : options.input;
    TRY(check_not_a_source(options.output, {&source, 1}));
    const auto text = read_file(options.output);
    if (!text.ok() && text.error().code != ErrorCode::kNotFound) return text.error();
    if (text.ok() && !text->empty() && !options.resume) {
      return usage_error(options.output + " is there already",
                         "go on with it by --resume, or give another name to --output");
    }
    Earlier earlier;
    if (text.ok()) {
      TRY_ASSIGN(earlier, look_at_earlier(*text, options.output, input, fits));
    }
    TRY_ASSIGN(PartFile file, PartFile::open(options.output));
    TRY(file.shorten(earlier.bytes));
    output.file_ = std::move(file);
    output.done_ = earlier.done;
    output.failed_ = earlier.failed;
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
    const Json id = jsons_[line].ok() ? id_of(*jsons_[line]) : Json();
    if (!id.is_null()) out["id"] = id;
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

Status run_batch(const BatchOptions& options, const BatchAnswers& answers, const CancelToken& cancel,
                 const BatchFits& fits) {
  constexpr size_t kLinesTogether = 256;
  TRY_ASSIGN(const std::string text, options.input == "-" ? read_stdin() : read_file(options.input));
  const Input input{options.input == "-" ? "standard input" : options.input, lines_with_text(text)};
  const std::string& name = input.name;
  const std::vector<Line>& lines = input.lines;
  TRY_ASSIGN(Output output, Output::open(options, input, fits));
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
