// The whole way from what a person names to samples for training, holding out and testing.
// Thread safety: pure functions over the file system.
#pragma once

#include <string>
#include <vector>

#include "data/files.hpp"
#include "data/split.hpp"

namespace linnet {

struct DatasetSettings {
  std::vector<std::string> paths;  // files and folders
  std::string test = {};           // a file or folder; empty: what a folder in `paths` calls test
  ReadSettings read = {};
  double held_out = 0.05;  // 0: nothing; not used where a folder has a dev or valid file
  size_t most_held_out = 1000;
  uint64_t seed = 0;
};

struct Dataset {
  DataForm form = DataForm::kText;
  bool pairs = false;  // as FormMatch::pairs
  std::vector<Sample> train = {};
  std::vector<Sample> held_out = {};
  DataForm test_form = DataForm::kText;
  std::vector<Sample> test = {};
  std::vector<std::string> said = {};  // for the person, in this order
};

// Errors: those of find_data_files and read_samples; a test that cannot measure what is taught (another form; a test
// list measures questions and answers).
Result<Dataset> load_dataset(const DatasetSettings& settings);

}  // namespace linnet
