// A table of text for a terminal: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace linnet::cli {

// `rows[0]` is the heading. Columns named in `right` are flush right, for numbers. The last column is not padded.
std::string format_table(const std::vector<std::vector<std::string>>& rows, const std::vector<size_t>& right = {});

}  // namespace linnet::cli
