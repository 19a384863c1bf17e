#include "cli/common.hpp"

#include <charconv>
#include <cstdio>
#include <fmt/core.h>
#include <future>

#include "base/file.hpp"
#include "base/json.hpp"
#include "tasks/run_store.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

void ModelFlags::declare(Arguments& args) {
  args.add("MODEL", model, "a name (linnet list), a path, or a source such as hf:org/repo:Q4_K_M").required();
  args.add("--threads", threads, "threads to compute with; 0: all cores").in_range(0, 1024);
  args.add("--context", context,
           fmt::format("tokens to make room for; 0: the model's own, at most {}", kDefaultContext))
      .non_negative();
  args.add("--kv", kv,
           "how keys and values are kept; as it comes: what this machine writes fastest with. int8 takes about half of "
           "the memory, at some cost (docs/performance.md)")
      .one_of(kKvTypes);
  declare_adapters(args, adapters);
}

void declare_adapters(Arguments& args, std::vector<std::string>& adapters) {
  args.add(
      "--adapter", adapters,
      "a LoRA or DoRA adapter: a run's name, a folder of PEFT, or a GGUF file; NAME=SCALE: scaled; may be repeated");
}

void SamplingFlags::declare(Arguments& args) {
  constexpr const char* kHeading = "Sampling";
  args.add("--temperature", params.temperature, "0: always the likeliest token").under(kHeading);
  args.add("--top-k", params.top_k, "only the k likeliest tokens; 0: all").under(kHeading);
  args.add("--top-p", params.top_p, "only the likeliest tokens that together have this probability").under(kHeading);
  args.add("--min-p", params.min_p, "only tokens at least this fraction as likely as the likeliest").under(kHeading);
  args.add("--typical-p", params.typical_p, "only the most typical tokens of this probability together")
      .under(kHeading);
  args.add("--repetition-penalty", params.repetition_penalty, "above 1: seldom say again what was said")
      .under(kHeading);
  args.add("--presence-penalty", params.presence_penalty, "taken off every generated token's logit").under(kHeading);
  args.add("--frequency-penalty", params.frequency_penalty, "taken off for each time it was generated").under(kHeading);
  args.add("--logit-bias", logit_bias, "ID:BIAS, added to a token's logit; may be repeated").under(kHeading);
  args.add("--seed", params.seed, "same seed, same text").under(kHeading);
  args.add("--stop", stop, "end before this text; may be repeated").under(kHeading);
  args.add("--max-tokens", max_tokens, "how many tokens at most").under(kHeading).positive();
}

Result<GenerateParams> SamplingFlags::read() const {
  GenerateParams out;
  out.sampling = params;
  for (const std::string& text : logit_bias) {
    const size_t colon = text.find(':');
    int32_t id = 0;
    float bias = 0;
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, id);
    bool good = colon != std::string::npos && first.ec == std::errc() && first.ptr == text.data() + colon;
    if (good) {
      const auto second = std::from_chars(text.data() + colon + 1, end, bias);
      good = second.ec == std::errc() && second.ptr == end;
    }
    if (!good) return usage_error("--logit-bias must be ID:BIAS, got " + text, "for example --logit-bias 42:-5");
    out.sampling.logit_bias[id] = bias;
  }
  out.stop_strings = stop;
  out.max_tokens = max_tokens;
  TRY(out.sampling.check());
  return out;
}

std::string kv_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kI8:
      return "int8";
    case DType::kI16:
      return "int16";
    default:
      return "bf16";
  }
}

Result<DType> choose_kv_dtype(const std::string& name, const ModelDescription& model, const KernelTable& kernels) {
  if (name == "f32") return DType::kF32;
  if (name == "f16") return DType::kF16;
  if (name == "int8") return DType::kI8;
  const DType fastest = kv_dtype(model, kernels);
  if (name == "bf16" && fastest != DType::kBF16) {
    return usage_error("bf16 keys and values need AVX-512 BF16 and heads whose size 16 divides",
                       "--kv f16 takes as little memory");
  }
  if (name == "int16" && fastest != DType::kI16) {
    return usage_error("int16 keys and values are for AVX2 and AVX-512 without BF16, and heads whose size 16 divides",
                       "--kv f16 takes as little memory");
  }
  return fastest;
}

Session Speaker::session() {
  return {transformer, runtime->context(), context, kv};
}

Result<std::optional<Tokenizer>> find_tokenizer(const ModelHandle& model) {
  auto loaded = load_tokenizer(model.description.files);
  if (loaded.ok()) return std::optional<Tokenizer>(std::move(loaded).value());
  if (loaded.error().code == ErrorCode::kNotFound) return std::optional<Tokenizer>();
  return std::move(loaded).error();
}

Result<ModelHandle> find_writing_model(const std::string& name) {
  TRY_ASSIGN(ModelHandle model, find_model(name));
  if (!model.classifier.empty()) {
    return unsupported("sorts texts by their labels, and does not write", model.name(),
                       "use it with: linnet generate " + model.name() + " \"a text\"");
  }
  if (!model.config().has_head || model.embedding) {
    return unsupported("this model makes embeddings, not text", model.name(),
                       "use it with: linnet embed " + model.name());
  }
  return model;
}

Result<std::unique_ptr<Classifier>> find_classifier(const ModelFlags& flags) {
  TRY_ASSIGN(const std::optional<RunVersion> run, RunStore::standard().find(flags.model));
  if (!run || !run->is_classifier()) return std::unique_ptr<Classifier>();
  if (!flags.adapters.empty()) return usage_error(flags.model + " is a classifier, which takes no --adapter");
  return Classifier::open(run->folder, flags.threads);
}

Result<std::unique_ptr<Speaker>> open_speaker(const ModelFlags& flags) {
  TRY_ASSIGN(ModelHandle model, find_writing_model(flags.model));
  const int64_t limit = model.config().max_positions;
  if (flags.context > limit) {
    return usage_error(fmt::format("--context {} is more than the model's {}", flags.context, limit));
  }
  const int64_t context = flags.context > 0 ? flags.context : default_context(model.description);
  // Tokenizer and weights are ready together: each is about half of what passes before the first word.
  auto reading = std::async(std::launch::async, [&files = model.description.files] { return load_tokenizer(files); });
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  TRY_ASSIGN(std::vector<ChosenAdapter> adapters, adapters_of(model, flags.adapters));
  TRY_ASSIGN(const DType kv, choose_kv_dtype(flags.kv, model.description, runtime->context().kernels()));
  TRY_ASSIGN(Transformer transformer, load_weights(model, *runtime, context, adapters, kv));
  TRY_ASSIGN(Tokenizer tokenizer, reading.get());
  std::vector<int32_t> ends = end_tokens(model, tokenizer);
  auto speaker =
      std::make_unique<Speaker>(Speaker{std::move(model), std::move(tokenizer), std::move(runtime), std::move(adapters),
                                        std::move(transformer), context, kv, std::move(ends)});
  if (!speaker->model.faq.empty()) {
    TRY_ASSIGN(speaker->faq, FaqAssistant::open(speaker->model.faq, *speaker->runtime));
    TRY_ASSIGN(std::optional<ChatTemplate> form, find_chat_template(speaker->model, speaker->tokenizer));
    speaker->faq->set_chooser({speaker->transformer, speaker->tokenizer, speaker->runtime->context(), std::move(form)});
  }
  return speaker;
}

Result<std::string> read_stdin() {
  return read_file("/dev/stdin");
}

Status print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return io_error("cannot write the output");
  }
  return ok_status();
}

Status print_json(const Json& json) {
  return print(dump_json(json) + "\n");
}

}  // namespace linnet::cli
