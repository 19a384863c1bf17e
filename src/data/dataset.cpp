#include "data/dataset.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace linnet {

namespace {

bool measures(DataForm test, DataForm taught) {
  const auto plain = [](DataForm form) { return form == DataForm::kTestList ? DataForm::kQuestionAnswer : form; };
  return plain(test) == plain(taught);
}

Result<DataFiles> find_all(const std::vector<std::string>& paths) {
  DataFiles all;
  for (const std::string& path : paths) {
    TRY_ASSIGN(DataFiles one, find_data_files(path));
    std::ranges::move(one.train, std::back_inserter(all.train));
    std::ranges::move(one.held_out, std::back_inserter(all.held_out));
    std::ranges::move(one.test, std::back_inserter(all.test));
    std::ranges::move(one.said, std::back_inserter(all.said));
  }
  return all;
}

void append(std::vector<std::string>& to, std::vector<std::string> from) {
  std::ranges::move(from, std::back_inserter(to));
}

Status read_test(const DatasetSettings& settings, const DataFiles& files, Dataset& out) {
  const bool asked = !settings.test.empty();
  std::vector<std::string> paths = files.test;
  if (asked) {
    TRY_ASSIGN(const DataFiles named, find_data_files(settings.test));
    paths = named.test.empty() ? named.train : named.test;
  }
  if (paths.empty()) return ok_status();
  Result<Samples> test = read_samples(paths, settings.read);
  if (!test.ok()) return std::move(test).error();
  if (!measures(test->form, out.form)) {
    const std::string what = fmt::format("{} cannot measure {}", form_name(test->form), form_name(out.form));
    if (asked) return invalid(what, settings.test);
    out.said.push_back(fmt::format("left out: {}: {}", paths.front(), what));
    return ok_status();
  }
  out.test_form = test->form;
  append(out.said, std::move(test->said));
  out.test = std::move(test->samples);
  return ok_status();
}

}  // namespace

Result<Dataset> load_dataset(const DatasetSettings& settings) {
  if (settings.paths.empty()) return usage_error("no data is named", "name a file or a folder");
  TRY_ASSIGN(DataFiles files, find_all(settings.paths));
  if (files.train.empty()) return invalid("no file to teach from", settings.paths.front());
  TRY(check_sheet(files.train, settings.read.sheet));
  TRY_ASSIGN(Samples train, read_samples(files.train, settings.read));
  Dataset out;
  out.form = train.form;
  out.pairs = train.pairs;
  out.said = std::move(files.said);
  append(out.said, std::move(train.said));
  if (files.held_out.empty()) {
    HeldOut parts =
        hold_out(std::move(train.samples), train.form, settings.held_out, settings.most_held_out, settings.seed);
    out.train = std::move(parts.train);
    out.held_out = std::move(parts.held_out);
  } else {
    TRY_ASSIGN(Samples held_out, read_samples(files.held_out, settings.read));
    if (held_out.form != out.form) {
      return invalid(fmt::format("holds {}, what is taught is {}", form_name(held_out.form), form_name(out.form)),
                     files.held_out.front());
    }
    out.train = std::move(train.samples);
    out.held_out = std::move(held_out.samples);
    append(out.said, std::move(held_out.said));
  }
  TRY(read_test(settings, files, out));
  return out;
}

}  // namespace linnet
