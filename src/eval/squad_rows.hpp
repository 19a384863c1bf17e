// SQuAD's file, which is one object with articles and paragraphs, as rows of questions.
// Thread safety: pure functions.
#pragma once

#include "data/rows.hpp"

namespace linnet {

// Where `rows` is one row with a list "data", a row for each question in it, with its paragraph as "context" and the
// article's "title"; its number is which question it is. Other rows stay. Errors: an article or paragraph that is not
// as in SQuAD; more than 1 GiB of paragraphs, each counted for every question to it.
Status unfold_squad(Rows& rows);

}  // namespace linnet
