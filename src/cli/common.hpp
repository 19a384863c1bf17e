// Flags and manners that several verbs share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "cli/arguments.hpp"
#include "engine/generate.hpp"
#include "tasks/classifier.hpp"
#include "tasks/faq_assistant.hpp"
#include "tasks/memory_plan.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/runtime.hpp"

namespace linnet::cli {

// MODEL, --threads, --context, --kv, --adapter.
struct ModelFlags {
  std::string model;
  int threads = 0;
  int64_t context = 0;
  std::string kv;                     // one of kKvTypes, or empty: choose_kv_dtype()
  std::vector<std::string> adapters;  // PATH or PATH=SCALE
  void declare(Arguments& args);
};
// --adapter alone.
void declare_adapters(Arguments& args, std::vector<std::string>& adapters);

// --temperature and its kin. Without a flag: greedy; chat has defaults of its own.
struct SamplingFlags {
  SamplingParams params;
  std::vector<std::string> logit_bias;  // ID:BIAS
  std::vector<std::string> stop;
  int64_t max_tokens = 512;
  void declare(Arguments& args);
  // The parameters, checked. Error kUsage.
  Result<GenerateParams> read() const;
};

// --kv: how keys and values are kept. Empty: what this machine's kernels are fastest with. Fails where they lack it.
inline const std::vector<std::string> kKvTypes{"f32", "f16", "bf16", "int16", "int8"};
std::string kv_name(DType dtype);
Result<DType> choose_kv_dtype(const std::string& name, const ModelDescription& model, const KernelTable& kernels);

// A model ready to speak.
struct Speaker {
  ModelHandle model;
  Tokenizer tokenizer;
  std::unique_ptr<Runtime> runtime;
  std::vector<ChosenAdapter> adapters;  // that the transformer has on
  Transformer transformer;
  int64_t context;
  DType kv;  // of cached keys and values
  std::vector<int32_t> end_tokens;
  std::unique_ptr<FaqAssistant> faq = nullptr;  // of a taught list of questions: it answers, the model only chooses

  Session session();
};
// The tokenizer, where there is one: a model may be exported without.
Result<std::optional<Tokenizer>> find_tokenizer(const ModelHandle& model);

// find_model(), where the model can write. Error: an encoder.
Result<ModelHandle> find_writing_model(const std::string& name);
Result<std::unique_ptr<Speaker>> open_speaker(const ModelFlags& flags);
// The run of that name, where it is a classifier; else null. Errors: those of Classifier::open.
Result<std::unique_ptr<Classifier>> find_classifier(const ModelFlags& flags);

// All of standard input, at most kMaxTextFile bytes.
Result<std::string> read_stdin();
// Writes to standard output at once. Error kIo when nobody reads it any more.
Status print(std::string_view text);
Status print_json(const Json& json);

}  // namespace linnet::cli
