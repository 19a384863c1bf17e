// The text that something is trained on: plain files, JSON lines and folders of them, as parts that threads can read in
// any order.
//
// Plain files are mapped, not copied. A part of one ends where white space follows something else: no word of any
// tokenizer here reaches across. A byte order mark at the beginning of a file is no part of its text.
// Ownership: holds the mappings, and what came from pipes. Thread safety: const methods may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.hpp"
#include "base/result.hpp"

namespace linnet {

class TextCorpus {
 public:
  // `paths`: files; folders, of which every .txt, .text, .md, .jsonl and .ndjson below counts, in the order of their
  // names; "-" for standard input. In .jsonl and .ndjson each line is an object, whose string `field` is a text of its
  // own. Errors: not found, unreadable, a folder without such files, a pipe of more than kMaxPipe bytes.
  static Result<TextCorpus> open(const std::vector<std::string>& paths, const std::string& field = "text");

  // One text that is there already; `name` is for errors.
  static TextCorpus of_text(std::string name, std::string text);

  size_t files() const { return files_.size(); }
  size_t parts() const { return parts_.size(); }
  // Of the files, so that of JSON lines more than of their texts.
  uint64_t bytes() const;
  uint64_t part_bytes(size_t part) const { return parts_[part].end - parts_[part].begin; }
  // Whether a text ends with what read() hands to its sink: always in JSON lines, else with the last part of a file.
  bool ends_texts(size_t part) const {
    const File& file = files_[parts_[part].file];
    return file.json_lines || parts_[part].end == file.text.size();
  }

  using Sink = std::function<Status(std::string_view text)>;
  // Hands the texts of one part to `sink`, in order; they are valid UTF-8. Errors: those of `sink`; invalid UTF-8, bad
  // JSON, a line without the field (file, line and byte are named).
  Status read(size_t part, const Sink& sink) const;

  static constexpr uint64_t kMaxPipe = 4ull << 30;

 private:
  struct File {
    std::string name;
    bool json_lines = false;
    std::shared_ptr<const MappedFile> mapped;
    std::unique_ptr<const std::string> held;  // where there is no file to map
    std::string_view text;
  };
  struct Part {
    uint32_t file = 0;
    uint64_t begin = 0;  // bytes of the file's text
    uint64_t end = 0;
  };

  Status add_path(const std::string& path);
  Status add_folder(const std::string& path);
  void add_file(File file);
  Status read_lines(const File& file, const Part& part, const Sink& sink) const;

  std::string field_;
  std::vector<File> files_;
  std::vector<Part> parts_;
};

}  // namespace linnet
