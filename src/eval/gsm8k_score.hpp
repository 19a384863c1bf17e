// The number that a worked solution ends in.
//
// Sources: Cobbe et al. 2021, arXiv:2110.14168, read in the two ways of lm-evaluation-harness's task gsm8k, version 3
// ("strict-match" and "flexible-extract"). Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace linnet {

// The number after "####"; empty where there is none.
std::string strict_number(std::string_view solution);
// The last number anywhere in the text; empty where there is none.
std::string flexible_number(std::string_view text);
// Whether a number that was found is that of a reference solution: lower case, without ",", "$", what stands before
// "#### ", and a full stop at the end.
bool same_number(std::string_view found, std::string_view reference);

}  // namespace linnet
