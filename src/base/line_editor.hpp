// A line that a person edits in the terminal, with history: libedit behind a thin wall.
//
// Arrow keys, Ctrl-A, Ctrl-R and the rest are libedit's emacs keys. Characters are UTF-8 whatever the locale says.
// Pasted text (bracketed paste) may have many lines and never ends the line; Alt-Enter begins a new one.
// Ownership: owns libedit's state. One object a process, on the main thread: a terminal has one line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

class LineEditor {
 public:
  enum class Event : uint8_t { kLine, kInterrupt, kEnd };
  struct Read {
    Event event = Event::kEnd;
    std::string text;  // of kLine without its end; of kInterrupt what had been typed
  };

  // `history_file` may be missing. A file that cannot be read leaves an empty history. `complete` gets the beginning of
  // a line when Tab is pressed and returns the whole, or nothing.
  LineEditor(std::filesystem::path history_file, std::function<std::string(std::string_view)> complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Ctrl-C (interrupt_token()) gives kInterrupt and leaves the token set; Ctrl-D on an empty line gives kEnd.
  Read read_line(const std::string& prompt);
  // Adds to the history and to its file, which only its owner can read.
  Status remember(const std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet
