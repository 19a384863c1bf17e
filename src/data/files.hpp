// From paths to samples: which files there are, what each is for, and which reader it needs.
// Thread safety: pure functions over the file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/sample.hpp"

namespace linnet {

struct DataFiles {
  std::vector<std::string> train;
  std::vector<std::string> held_out;  // called dev, valid or validation
  std::vector<std::string> test;      // called test or eval
  std::vector<std::string> said;      // what was left out, and why
};

// A file is taken for training. Of a folder (to a depth of 16, hidden files and links left out), its tables and JSON
// files where it has some, else its texts; a word of a file's name (train, dev, valid, test, …) says what it is for,
// where one of them is called train or test. Where none is called train, those without such a word are. Errors: nothing
// there, nothing that is read, more than 100,000 files.
Result<DataFiles> find_data_files(const std::string& path);

// Whether a file's name ends as that of a table or of JSON does.
bool is_table_file(const std::string& path);
// Whether the files differ in their ending alone, and it says nothing of their format (rt-polarity.pos and .neg): it is
// the label of their lines.
bool is_label_family(const std::vector<std::string>& files);
// Whether a word of a file's name says which part of a data set it is: train, dev, valid, test, …
bool is_part_name(std::string_view word);

struct ReadSettings {
  ColumnNames columns = {};
  std::string sheet = {};   // of spreadsheets; empty: the first
  bool unanswered = false;  // as FormMatch::unanswered
  bool skip_bad = false;    // rows that cannot be read are left out
};

// Errors: a sheet is named, and none of `files` is a spreadsheet.
Status check_sheet(const std::vector<std::string>& files, const std::string& sheet);

// The rows of one table or JSON file, by the ending of its name; `sheet` is a spreadsheet's. A header is known by a
// name of the forms (data/form.hpp) or of `names`. Errors: those of the readers. What is worth saying comes into
// `said`.
Result<Rows> read_rows(const std::string& file, const std::string& sheet, const std::vector<std::string>& names,
                       std::vector<std::string>& said, BadRows bad = BadRows::kError);

// The samples of `files`, one after the other. Text files are one sample each, but those of a label family are lines,
// labelled by their ending. Errors: those of the readers and forms; files of
// different forms; an empty file.
Result<Samples> read_samples(const std::vector<std::string>& files, const ReadSettings& settings = {});

}  // namespace linnet
