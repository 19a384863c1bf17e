// The roofline of a machine, drawn with characters (Williams, Waterman, Patterson 2009, doi:10.1145/1498765.1498785).
#pragma once

#include <string>
#include <vector>

namespace linnet::cli {

struct RooflinePoint {
  char mark = 'a';
  double operations_per_byte = 0;    // > 0
  double operations_per_second = 0;  // > 0
};

// Both axes are logarithmic. bandwidth: bytes per second; peak: operations per second; both above 0. A point on the
// roof line takes all that the machine has to give. `columns` x `rows` is the field without its labels.
std::string draw_roofline(double bandwidth, double peak, const std::vector<RooflinePoint>& points, int columns,
                          int rows);

}  // namespace linnet::cli
