// The replies to a test, asked for while a person watches, and the logs of them. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/sample.hpp"
#include "eval/statistics.hpp"
#include "tasks/run_store.hpp"
#include "tasks/writing_test.hpp"

namespace linnet::cli {

// What a run is measured on: the first of a folder's logs is called after it.
inline constexpr const char* kTest = "test";
inline constexpr const char* kHeldOut = "held out";

// Of figures for people, which hang on no other seed.
inline constexpr uint64_t kBootstrapSeed = 0;

// Tokens that a prompt may come to: an input of so many, the system message, and the chat template around them.
int64_t prompt_room(int64_t input_tokens, const std::string& system);

// ask_model(), with a bar on standard error, until Ctrl-C.
Result<std::vector<ItemRecord>> ask_shown(const Task& task, const Asking& asking);

// Tokens of the longest reply that is taught, so that none is cut that should not be; a part of the context of `base`
// at most.
Result<int64_t> longest_reply(const std::string& base, const std::vector<Sample>& taught);

// As `linnet eval score` and `compare` read it: test.jsonl of the writer "taught", test.nearest.jsonl …
Status keep_replies(const RunVersion& version, const Task& task, const std::string& on, const std::string& writer,
                    const std::vector<ItemRecord>& replies);

// {"items": 7, "chrf": {"value", "standard_error"}}
Json scores_of_writer(size_t items, const std::vector<Metric>& metrics);

}  // namespace linnet::cli
