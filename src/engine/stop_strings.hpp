// Watches a stream of text for strings that end it, holding back what may be the beginning of one.
// Thread safety: belongs to one stream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace linnet {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);

  // What may be shown now. Once a stop string has come, nothing more is; it is never shown itself.
  std::string push(std::string_view text);
  // What was held back, when the text ends without a stop string.
  std::string finish();
  bool stopped() const { return stopped_; }
  const std::string& which() const { return which_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string which_;
  bool stopped_ = false;
};

}  // namespace linnet
