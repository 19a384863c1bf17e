#include "base/line_editor.hpp"

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <deque>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/file_lock.hpp"
#include "base/json.hpp"
#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr int kHistoryLines = 1000;
constexpr size_t kMaxPaste = size_t{1} << 20;
// A signal between the look at the token and poll() is seen after this long.
constexpr int kPollMilliseconds = 250;

void ignore_but_wake(int) {}

// Signals whose default is to be ignored do not end a poll(); a handler that does nothing does.
void wake_on(int signal_number) {
  struct sigaction action {};
  action.sa_handler = ignore_but_wake;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal_number, &action, nullptr);
}

void write_to_terminal(const char* text) {
  std::fputs(text, stdout);
  std::fflush(stdout);
}

// One JSON string a line, so that texts of many lines stay whole.
std::deque<std::string> read_history(const std::filesystem::path& file) {
  std::deque<std::string> lines;
  const auto text = read_file(file);
  if (!text.ok()) return lines;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    const auto json = parse_json(std::string_view(*text).substr(at, end - at), "history");
    if (json.ok() && json->is_string()) lines.push_back(json->get<std::string>());
    at = end + 1;
  }
  while (lines.size() > kHistoryLines) lines.pop_front();
  return lines;
}

}  // namespace

struct LineEditor::State {
  EditLine* line = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::function<std::string(std::string_view)> complete;
  std::string prompt;
  std::string pending;  // bytes that are read and not yet decoded

  static State& of(EditLine* el) {
    void* data = nullptr;
    el_get(el, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }

  // The window has another size, or the process was stopped and goes on.
  void redraw() {
    el_set(line, EL_PREP_TERM, 0);
    el_set(line, EL_PREP_TERM, 1);
    el_resize(line);
    write_to_terminal("\r\x1b[J");
    el_set(line, EL_REFRESH);
  }

  // 1: a byte; 0: the end; -1: interrupted.
  int read_byte(char& byte) {
    for (;;) {
      if (interrupt_token().cancelled()) {
        errno = EINTR;
        return -1;
      }
      pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      const int ready = ::poll(&waiting, 1, kPollMilliseconds);
      if (ready < 0 && errno == EINTR) {
        if (!interrupt_token().cancelled()) redraw();
        continue;
      }
      if (ready == 0) continue;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      return got <= 0 ? 0 : 1;
    }
  }

  int read_character(wchar_t& out) {
    while (pending.empty() || incomplete_utf8_tail(pending) == pending.size()) {
      char byte = 0;
      const int got = read_byte(byte);
      if (got != 1) return got;
      pending += byte;
    }
    const Utf8Step step = decode_utf8(pending);
    pending.erase(0, static_cast<size_t>(step.length));
    out = static_cast<wchar_t>(step.code_point);
    return 1;
  }

  // What comes until the terminal says that the paste is over. Too much of it is not taken at all.
  unsigned char paste() {
    constexpr std::wstring_view kEnd = L"\x1b[201~";
    std::wstring text;
    bool too_long = false;
    wchar_t c = 0;
    while (!text.ends_with(kEnd)) {
      if (read_character(c) != 1) return CC_EOF;
      if (c == L'\r') c = L'\n';
      const bool control = (c < L' ' && c != L'\n' && c != L'\t' && c != L'\x1b') || c == L'\x7f';
      if (!control) text += c;
      if (text.size() > kMaxPaste) {
        too_long = true;
        text.erase(0, text.size() - kEnd.size());
      }
    }
    text.resize(text.size() - kEnd.size());
    std::erase(text, L'\x1b');
    while (text.ends_with(L'\n')) text.pop_back();
    if (too_long || el_winsertstr(line, text.c_str()) != 0) return CC_ERROR;
    return CC_REFRESH;
  }

  unsigned char tab() {
    const LineInfo* now = el_line(line);
    const std::string_view before(now->buffer, static_cast<size_t>(now->cursor - now->buffer));
    const std::string whole = complete(before);
    if (whole.size() <= before.size()) return CC_ERROR;
    return el_insertstr(line, whole.substr(before.size()).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }
};

LineEditor::LineEditor(std::filesystem::path history_file, std::function<std::string(std::string_view)> complete)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.file = std::move(history_file);
  s.complete = std::move(complete);
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  wake_on(SIGWINCH);
  wake_on(SIGCONT);
  interrupt_token();
  s.history = history_init();
  HistEvent event{};
  history(s.history, &event, H_SETSIZE, kHistoryLines);
  history(s.history, &event, H_SETUNIQUE, 1);
  for (const std::string& text : read_history(s.file)) history(s.history, &event, H_ENTER, text.c_str());

  s.line = el_init("linnet", stdin, stdout, stderr);
  using ReadCharacter = int (*)(EditLine*, wchar_t*);
  using Prompt = char* (*)(EditLine*);
  using Key = unsigned char (*)(EditLine*, int);
  const ReadCharacter read_character = [](EditLine* el, wchar_t* out) { return State::of(el).read_character(*out); };
  const Prompt prompt = [](EditLine* el) { return State::of(el).prompt.data(); };
  const Key paste = [](EditLine* el, int) { return State::of(el).paste(); };
  const Key new_line = [](EditLine* el, int) -> unsigned char {
    return el_insertstr(el, "\n") == 0 ? CC_REFRESH : CC_ERROR;
  };
  const Key tab = [](EditLine* el, int) { return State::of(el).tab(); };
  el_set(s.line, EL_CLIENTDATA, &s);
  el_set(s.line, EL_EDITOR, "emacs");
  el_set(s.line, EL_SIGNAL, 0);
  el_set(s.line, EL_PROMPT, prompt);
  el_set(s.line, EL_GETCFN, read_character);
  el_set(s.line, EL_HIST, history, s.history);
  el_set(s.line, EL_ADDFN, "linnet-paste", "Insert pasted text", paste);
  el_set(s.line, EL_ADDFN, "linnet-new-line", "Begin another line", new_line);
  el_set(s.line, EL_ADDFN, "linnet-complete", "Complete a command", tab);
  using Binding = std::array<const char*, 2>;
  constexpr std::array<Binding, 9> kBindings{{{"\\e[200~", "linnet-paste"},
                                              {"\\e\\r", "linnet-new-line"},
                                              {"\\e\\n", "linnet-new-line"},
                                              {"\\t", "linnet-complete"},
                                              {"^R", "em-inc-search-prev"},
                                              {"\\e[3~", "ed-delete-next-char"},
                                              {"\\e[1;5C", "em-next-word"},
                                              {"\\e[1;5D", "ed-prev-word"},
                                              {"^W", "ed-delete-prev-word"}}};
  for (const auto& [keys, function] : kBindings) el_set(s.line, EL_BIND, keys, function, nullptr);
}

LineEditor::~LineEditor() {
  if (state_->line) el_end(state_->line);
  if (state_->history) history_end(state_->history);
}

LineEditor::Read LineEditor::read_line(const std::string& prompt) {
  State& s = *state_;
  s.prompt = prompt;
  write_to_terminal("\x1b[?2004h");  // the terminal marks what is pasted
  int count = 0;
  const char* text = el_gets(s.line, &count);
  Read read;
  if (interrupt_token().cancelled()) {
    read.event = Event::kInterrupt;
    const LineInfo* now = el_line(s.line);
    read.text.assign(now->buffer, static_cast<size_t>(now->lastchar - now->buffer));
  } else if (text && count > 0) {
    read.event = Event::kLine;
    read.text.assign(text, static_cast<size_t>(count));
    if (read.text.ends_with('\n')) read.text.pop_back();
  }
  el_reset(s.line);
  write_to_terminal(read.event == Event::kLine ? "\x1b[?2004l" : "\x1b[?2004l\n");
  return read;
}

Status LineEditor::remember(const std::string& text) {
  HistEvent event{};
  history(state_->history, &event, H_ENTER, text.c_str());
  // Another chat may have written since: its lines stay.
  TRY_ASSIGN(const FileLock lock, FileLock::acquire(state_->file.string() + ".lock", {}));
  std::deque<std::string> lines = read_history(state_->file);
  if (!lines.empty() && lines.back() == text) return ok_status();
  lines.push_back(text);
  if (lines.size() > kHistoryLines) lines.pop_front();
  std::string all;
  for (const std::string& line : lines) all += dump_json(line) + "\n";
  const mode_t mask = ::umask(077);
  const Status written = write_file(state_->file, all);
  ::umask(mask);
  return written;
}

}  // namespace linnet
